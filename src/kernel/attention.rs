//! Attention in blocks: softmax(q·kᵀ·scale)·v without a matrix of all scores, memory linear in length.
//!
//! What may be seen is a range of keys per query (causal, window and packed segments are all ranges), so whole
//! blocks out of range are never computed. Forward keeps the result and one logarithm per row and head;
//! backward computes the scores anew, block by block.

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod blocks;
#[cfg(target_arch = "x86_64")]
mod packed;

use super::view::{array, view};
use super::{Array, Precision, composite, fused};
use crate::{Result, bail};

/// What a query may attend to.
#[derive(Clone, Copy, Default)]
pub struct Mask<'a> {
    /// Only keys at its own position or before.
    pub causal: bool,
    /// Only keys less than this far away, its own counted (as Mistral's `sliding_window`).
    pub window: Option<usize>,
    /// Only keys of its own segment: `[B, S]` numbers, 0 is padding, which sees nothing and is not seen.
    pub segments: Option<&'a [u32]>,
}

/// The keys that each query may see, as ranges; `[B, T]`, or `[T]` for all rows alike.
#[derive(Clone)]
pub struct Sight {
    pub ranges: Vec<(u32, u32)>,
    /// `[B, S]`: set where segments do not lie in one piece, so that a range alone does not say it.
    pub segments: Option<Vec<u32>>,
    pub queries: usize,
    pub keys: usize,
}

impl Sight {
    pub fn new(mask: &Mask, rows: usize, queries: usize, keys: usize) -> Result<Sight> {
        let Some(segments) = mask.segments else {
            let ranges = (0..queries).map(|i| reach(mask, i + keys - queries, keys)).collect();
            return Ok(Sight { ranges, segments: None, queries, keys });
        };
        if segments.len() != rows * keys {
            bail!("attention", "{} segment ids for {rows} rows of {keys} keys", segments.len());
        }
        let mut ranges = Vec::with_capacity(rows * queries);
        let mut scattered = false;
        for row in segments.chunks_exact(keys.max(1)) {
            let mut found = std::collections::HashMap::new();
            for (at, id) in row.iter().enumerate() {
                let (_, end, count) = found.entry(*id).or_insert((at, at, 0));
                (*end, *count) = (at + 1, *count + 1);
            }
            scattered |= found.iter().any(|(id, (start, end, count))| *id != 0 && end - start != *count);
            ranges.extend((keys - queries..keys).map(|i| {
                let (start, end, _) = found[&row[i]];
                let (low, high) = reach(mask, i, keys);
                if row[i] == 0 { (0, 0) } else { (low.max(start as u32), high.min(end as u32)) }
            }));
        }
        Ok(Sight { ranges, segments: scattered.then(|| segments.to_vec()), queries, keys })
    }

    /// The ranges of one row of the batch.
    pub fn row(&self, row: usize) -> &[(u32, u32)] {
        if self.ranges.len() == self.queries {
            &self.ranges
        } else {
            &self.ranges[row * self.queries..][..self.queries]
        }
    }

    /// Whether query `i` of `row` sees key `j`.
    pub fn sees(&self, row: usize, i: usize, j: usize) -> bool {
        let (start, end) = self.row(row)[i];
        let own = |segments: &Vec<u32>| {
            let segments = &segments[row * self.keys..][..self.keys];
            segments[i + self.keys - self.queries] == segments[j]
        };
        (start as usize) <= j && j < end as usize && self.segments.as_ref().is_none_or(own)
    }
}

/// The keys in reach of position `i` by causality and window.
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
    pub groups: usize,
    pub head: usize,
}

impl Sizes {
    pub fn new(q: &Array, k: &Array, v: &Array) -> Result<Sizes> {
        match (q.dims(), k.dims()) {
            (&[rows, queries, heads, head], &[b, keys, groups, d])
                if (b, d) == (rows, head)
                    && v.dims() == k.dims()
                    && queries <= keys
                    && groups > 0
                    && heads.is_multiple_of(groups) =>
            {
                Ok(Sizes { rows, queries, keys, heads, groups, head })
            }
            _ => {
                bail!("attention", "queries {:?}, keys {:?} and values {:?} do not meet", q.dims(), k.dims(), v.dims())
            }
        }
    }
}

/// Attention of `q [B, T, H, D]` over `k`, `v` `[B, S, K, D]`; T queries are the last of S positions.
/// Returns the result and the logarithm of each row's sum, `[B, H, T]` (empty from the composite).
pub fn attention(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: f64,
    sight: &Sight,
    precision: Precision,
) -> Result<(Array, Vec<f32>)> {
    let sizes = Sizes::new(q, k, v)?;
    let _ = precision; // only x86 has packed blocks
    if !fused(&[q, k, v]) {
        return Ok((composite::attention(q, k, v, scale, sight)?, vec![]));
    }
    let (q, k, v) = (q.contiguous()?, k.contiguous()?, v.contiguous()?);
    let (qs, ks, vs) = (view::<f32>(&q)?, view::<f32>(&k)?, view::<f32>(&v)?);
    #[cfg(target_arch = "x86_64")]
    if packed::takes(sizes, precision) {
        let (out, logs) = packed::forward(&qs, &ks, &vs, sizes, scale as f32, sight, precision)?;
        return Ok((array(out, q.dims())?, logs));
    }
    let (out, logs) = blocks::forward(&qs, &ks, &vs, sizes, scale as f32, sight)?;
    Ok((array(out, q.dims())?, logs))
}

/// The gradients of q, k and v.
#[allow(clippy::too_many_arguments)]
pub fn attention_backward(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: f64,
    sight: &Sight,
    out: &Array,
    logs: &[f32],
    grad: &Array,
    precision: Precision,
) -> Result<[Array; 3]> {
    let _ = precision;
    if logs.is_empty() || !fused(&[q, k, v, grad]) {
        return composite::attention_backward(q, k, v, scale, sight, grad);
    }
    let sizes = Sizes::new(q, k, v)?;
    let (q, k, v, grad) = (q.contiguous()?, k.contiguous()?, v.contiguous()?, grad.contiguous()?);
    let (qs, ks, vs) = (view::<f32>(&q)?, view::<f32>(&k)?, view::<f32>(&v)?);
    let (o, g) = (view::<f32>(out)?, view::<f32>(&grad)?);
    #[cfg(target_arch = "x86_64")]
    if packed::takes(sizes, precision) {
        let given = packed::Given { q: &qs, k: &ks, v: &vs, out: &o, logs, grad: &g };
        let (dq, dk, dv) = packed::backward(&given, sizes, scale as f32, sight, precision)?;
        return Ok([array(dq, q.dims())?, array(dk, k.dims())?, array(dv, v.dims())?]);
    }
    let (dq, dk, dv) = blocks::backward(&qs, &ks, &vs, sizes, scale as f32, sight, &o, logs, &g)?;
    Ok([array(dq, q.dims())?, array(dk, k.dims())?, array(dv, v.dims())?])
}
