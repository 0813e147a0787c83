//! Masks: the keys that a query attends to, and the targets that a loss ignores.

use super::dropout::Dropout;
use super::{Array, Device};
use crate::{Result, bail};

/// The target of a row without a loss.
pub const IGNORED: i64 = -100;

/// The attention mask of a call.
#[derive(Clone, Copy, Default)]
pub struct Mask<'a> {
    /// Only keys at the query's position or before.
    pub causal: bool,
    /// Only keys less than this distance away, including the query's own position (as Mistral's `sliding_window`).
    pub window: Option<usize>,
    /// Only keys of the query's segment: `[B, S]` numbers; 0 is padding, which neither attends nor is attended to.
    pub segments: Option<&'a [u32]>,
    /// Dropout of attention weights.
    pub dropout: Option<Dropout>,
}

/// The keys that each query attends to, as ranges; `[B, T]`, or `[T]` for all rows alike.
#[derive(Clone)]
pub struct AttentionMask {
    pub ranges: Vec<(u32, u32)>,
    /// Segments of queries `[B, T]` and keys `[B, S]`: set if segments are not contiguous, so that ranges alone do not describe
    /// them.
    pub segments: Option<(Vec<u32>, Vec<u32>)>,
    pub queries: usize,
    pub keys: usize,
    /// Dropout of attention weights, by the row of their query in `[B, H, T]` and the position of their key.
    pub dropout: Option<Dropout>,
}

impl AttentionMask {
    /// For T queries that are the last of S positions.
    pub fn new(mask: &Mask, rows: usize, queries: usize, keys: usize) -> Result<AttentionMask> {
        let Some(segments) = mask.segments else {
            let ranges = (0..queries).map(|i| reach(mask, i + keys - queries, keys)).collect();
            return Ok(AttentionMask { ranges, segments: None, queries, keys, dropout: mask.dropout });
        };
        let of_queries: Vec<u32> =
            segments.chunks_exact(keys.max(1)).flat_map(|row| &row[keys - queries..]).copied().collect();
        let sizes = [rows, queries, keys];
        let seen = AttentionMask::within(&of_queries, segments, sizes, |i| reach(mask, i + keys - queries, keys))?;
        Ok(AttentionMask { dropout: mask.dropout, ..seen })
    }

    /// For queries and keys of different sequences: a query attends to all keys of its segment, 0 is padding in both.
    pub fn cross(
        of_queries: &[u32],
        of_keys: &[u32],
        rows: usize,
        queries: usize,
        keys: usize,
    ) -> Result<AttentionMask> {
        AttentionMask::within(of_queries, of_keys, [rows, queries, keys], |_| (0, keys as u32))
    }

    fn within(
        of_queries: &[u32],
        of_keys: &[u32],
        [rows, queries, keys]: [usize; 3],
        reach: impl Fn(usize) -> (u32, u32),
    ) -> Result<AttentionMask> {
        for (segments, count, what) in [(of_queries, queries, "queries"), (of_keys, keys, "keys")] {
            if segments.len() != rows * count {
                bail!("attention", "{} segment ids for {rows} rows of {count} {what}", segments.len());
            }
        }
        let mut ranges = Vec::with_capacity(rows * queries);
        let mut scattered = false;
        for row in 0..rows {
            let mut found = std::collections::HashMap::new();
            for (at, id) in of_keys[row * keys..][..keys].iter().enumerate() {
                let (_, end, count) = found.entry(*id).or_insert((at, at, 0));
                (*end, *count) = (at + 1, *count + 1);
            }
            scattered |= found.iter().any(|(id, (start, end, count))| *id != 0 && end - start != *count);
            ranges.extend(of_queries[row * queries..][..queries].iter().enumerate().map(|(i, id)| {
                let (low, high) = reach(i);
                match found.get(id) {
                    Some((start, end, _)) if *id != 0 => (low.max(*start as u32), high.min(*end as u32)),
                    _ => (0, 0),
                }
            }));
        }
        let segments = scattered.then(|| (of_queries.to_vec(), of_keys.to_vec()));
        Ok(AttentionMask { ranges, segments, queries, keys, dropout: None })
    }

    /// The ranges of one row of the batch.
    pub fn row(&self, row: usize) -> &[(u32, u32)] {
        if self.ranges.len() == self.queries {
            &self.ranges
        } else {
            &self.ranges[row * self.queries..][..self.queries]
        }
    }

    /// Applies dropout to weights, or their gradients, of query `i` of a head of a row, for keys from `start` on.
    pub fn drop(&self, [row, h, heads]: [usize; 3], i: usize, start: usize, weights: &mut [f32]) {
        if let Some(dropout) = &self.dropout {
            dropout.row((row * heads + h) * self.queries + i, start, weights);
        }
    }

    /// The dropout factors of weights `[B, H, T, S]`, if there is dropout.
    pub fn factors(&self, sizes: Sizes, like: &Array) -> Result<Option<Array>> {
        let Some(dropout) = &self.dropout else { return Ok(None) };
        let Sizes { rows, heads, queries, keys, .. } = sizes;
        dropout.factors_like(rows * heads * queries, keys, &[rows, heads, queries, keys], like).map(Some)
    }

    /// 1 where a query attends to a key and 0 elsewhere, `[B, 1, T, S]`, or `[1, 1, T, S]` if all rows are alike; of the dtype
    /// and on the device of `like`. On a device other than the CPU it is built there from the ranges: T × S numbers are never
    /// transferred.
    pub fn seen(&self, sizes: Sizes, like: &Array) -> Result<Array> {
        let Sizes { rows, queries, keys, .. } = sizes;
        if !like.device().is_cpu() {
            return self.seen_there(rows, like);
        }
        let seen: Vec<f32> = (0..rows)
            .flat_map(|row| (0..queries).flat_map(move |i| (0..keys).map(move |j| (row, i, j))))
            .map(|(row, i, j)| if self.sees(row, i, j) { 1.0 } else { 0.0 })
            .collect();
        Ok(Array::from_vec(seen, (rows, 1, queries, keys), &Device::Cpu)?.to_dtype(like.dtype())?)
    }

    fn seen_there(&self, rows: usize, like: &Array) -> Result<Array> {
        let there = like.device();
        let apart = self.ranges.len() / self.queries.max(1);
        let column = |numbers: Vec<u32>, rows: usize| Array::from_vec(numbers, (rows, 1, self.queries, 1), there);
        let starts = column(self.ranges.iter().map(|range| range.0).collect(), apart)?;
        let ends = column(self.ranges.iter().map(|range| range.1).collect(), apart)?;
        let places = Array::from_vec((0..self.keys as u32).collect(), (1, 1, 1, self.keys), there)?;
        let mut seen = (places.broadcast_ge(&starts)? * places.broadcast_lt(&ends)?)?;
        if let Some((of_queries, of_keys)) = &self.segments {
            let of_keys = Array::from_slice(of_keys, (rows, 1, 1, self.keys), there)?;
            seen = seen.broadcast_mul(&of_keys.broadcast_eq(&column(of_queries.clone(), rows)?)?)?;
        }
        Ok(seen.to_dtype(like.dtype())?)
    }

    /// Whether query `i` of `row` attends to key `j`.
    pub fn sees(&self, row: usize, i: usize, j: usize) -> bool {
        let (start, end) = self.row(row)[i];
        let own = |(queries, keys): &(Vec<u32>, Vec<u32>)| queries[row * self.queries + i] == keys[row * self.keys + j];
        (start as usize) <= j && j < end as usize && self.segments.as_ref().is_none_or(own)
    }
}

/// The keys that position `i` reaches by causality and window.
fn reach(mask: &Mask, i: usize, keys: usize) -> (u32, u32) {
    let window = mask.window.unwrap_or(usize::MAX).max(1);
    let start = (i + 1).saturating_sub(window);
    let end = if mask.causal { i + 1 } else { i.saturating_add(window).min(keys) };
    (start as u32, end as u32)
}

/// The sizes of one call.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub rows: usize,
    pub queries: usize,
    pub keys: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head: usize,
}

impl Sizes {
    pub fn new(q: &Array, k: &Array, v: &Array) -> Result<Sizes> {
        match (q.dims(), k.dims()) {
            (&[rows, queries, heads, head], &[b, keys, kv_heads, d])
                if (b, d) == (rows, head) && v.dims() == k.dims() && kv_heads > 0 && heads.is_multiple_of(kv_heads) =>
            {
                Ok(Sizes { rows, queries, keys, heads, kv_heads, head })
            }
            _ => {
                bail!("attention", "queries {:?} do not fit keys {:?} and values {:?}", q.dims(), k.dims(), v.dims())
            }
        }
    }
}
