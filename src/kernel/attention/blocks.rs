//! The blocks of attention on f32 slices: one task a head, queries in blocks of rows, keys in tiles.

use super::{Sight, Sizes};
use crate::kernel::math::{dot, exp_sum, max, scale, score_gradient};
use crate::kernel::memory::unwritten;
use crate::{Result, cancel};
use rayon::prelude::*;

/// Queries in one block, and keys in one tile.
pub(super) const ROWS: usize = 64;
pub(super) const TILE: usize = 256;

/// A pointer into a result of which every task writes a part of its own.
#[derive(Clone, Copy)]
pub(super) struct Shared(*mut f32);
// SAFETY: tasks write disjoint parts: each (batch row, head) has its own columns
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    pub(super) fn of(result: &mut [f32]) -> Shared {
        Shared(result.as_mut_ptr())
    }

    fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: offsets are computed from the sizes that the result was made with
        unsafe { self.0.add(offset) }
    }

    /// # Safety
    /// The part lies in the result, and nobody else uses it.
    pub(super) unsafe fn part<'a>(self, offset: usize, count: usize) -> &'a mut [f32] {
        // SAFETY: as promised by the caller
        unsafe { std::slice::from_raw_parts_mut(self.0.add(offset), count) }
    }
}

/// dst [m, n] (row stride `dst_rows`) = a·b, or += it. Strides as (row, column).
///
/// # Safety
/// The three matrices must lie in memory that is valid for them, and nobody else may use `dst`.
#[allow(clippy::too_many_arguments)]
unsafe fn product(
    [m, n, k]: [usize; 3],
    dst: *mut f32,
    dst_rows: usize,
    add: bool,
    a: *const f32,
    (a_row, a_column): (usize, usize),
    b: *const f32,
    (b_row, b_column): (usize, usize),
) {
    // SAFETY: as promised by the caller
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst,
            1,
            dst_rows as isize,
            add,
            a,
            a_column as isize,
            a_row as isize,
            b,
            b_column as isize,
            b_row as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Tiles of keys that any of these queries sees, from a multiple of `align` on.
pub(super) fn tiles(ranges: &[(u32, u32)], align: usize) -> impl Iterator<Item = (usize, usize)> {
    let seen = ranges.iter().filter(|(start, end)| start < end);
    let low = seen.clone().map(|(start, _)| *start as usize).min().unwrap_or(0) / align * align;
    let high = seen.map(|(_, end)| *end as usize).max().unwrap_or(0);
    (low..high).step_by(TILE).map(move |start| (start, (start + TILE).min(high)))
}

/// Sets scores that a query may not see to -inf.
pub(super) fn hide(scores: &mut [f32], sight: &Sight, row: usize, i: usize, start: usize) {
    let (low, high) = sight.row(row)[i];
    let (low, high) = (low as usize, high as usize);
    let count = scores.len();
    scores[..low.saturating_sub(start).min(count)].fill(f32::NEG_INFINITY);
    scores[high.saturating_sub(start).min(count)..].fill(f32::NEG_INFINITY);
    if sight.segments.is_some() {
        for (j, score) in scores.iter_mut().enumerate() {
            if !sight.sees(row, i, start + j) {
                *score = f32::NEG_INFINITY;
            }
        }
    }
}

/// The softmax of a block of queries whose scores come tile by tile (Milakov and Gimelshein 2018).
pub(super) struct Running {
    tops: [f32; ROWS],
    sums: [f32; ROWS],
}

impl Running {
    pub fn new() -> Running {
        Running { tops: [f32::NEG_INFINITY; ROWS], sums: [0.0; ROWS] }
    }

    /// Takes in a tile of scores of query `i`: they become weights, and `acc`, the result so far, is shrunk to the
    /// new highest score.
    pub fn take(&mut self, i: usize, scores: &mut [f32], acc: &mut [f32], by: f32) {
        let top = self.tops[i].max(max(scores) * by);
        if top == f32::NEG_INFINITY {
            scores.fill(0.0);
            return;
        }
        let shrink = (self.tops[i] - top).exp();
        if shrink != 1.0 {
            scale(acc, shrink);
        }
        self.sums[i] = self.sums[i] * shrink + exp_sum(scores, by, top);
        self.tops[i] = top;
    }

    /// Writes the result of query `i`, and the logarithm of its sum where it saw anything.
    pub fn finish(&self, i: usize, acc: &[f32], out: &mut [f32], log: &mut f32) {
        out.copy_from_slice(acc);
        if self.sums[i] > 0.0 {
            scale(out, 1.0 / self.sums[i]);
            *log = self.tops[i] + self.sums[i].ln();
        }
    }
}

/// The result [B, T, H, D] and the logarithm of every row's sum [B, H, T].
pub fn forward(q: &[f32], k: &[f32], v: &[f32], s: Sizes, by: f32, sight: &Sight) -> Result<(Vec<f32>, Vec<f32>)> {
    let mut out = unwritten(q.len());
    let mut logs = vec![f32::NEG_INFINITY; s.rows * s.heads * s.queries];
    let result = Shared::of(&mut out);
    let cancel = cancel::current();
    let blocks = s.queries.div_ceil(ROWS);
    logs.par_chunks_mut(s.queries.max(1)).enumerate().for_each(|(task, logs)| {
        let (row, h) = (task / s.heads, task % s.heads);
        let group = h / (s.heads / s.groups);
        let (q_row, k_row) = (s.heads * s.head, s.groups * s.head);
        let keys = k[(row * s.keys * s.groups + group) * s.head..].as_ptr();
        let values = v[(row * s.keys * s.groups + group) * s.head..].as_ptr();
        let mut scores = unwritten(ROWS * TILE);
        let mut acc = unwritten(ROWS * s.head);
        for block in 0..blocks {
            if cancel.is_requested() {
                return;
            }
            let first = block * ROWS;
            let count = ROWS.min(s.queries - first);
            let at = ((row * s.queries + first) * s.heads + h) * s.head;
            let mut running = Running::new();
            let acc = &mut acc[..count * s.head];
            acc.fill(0.0);
            for (start, end) in tiles(&sight.row(row)[first..first + count], 1) {
                let width = end - start;
                // SAFETY: rows first.. of q and start..end of k lie in their slices; `scores` is this task's
                unsafe {
                    let (queries, keys) = (q[at..].as_ptr(), keys.add(start * k_row));
                    product(
                        [count, width, s.head],
                        scores.as_mut_ptr(),
                        width,
                        false,
                        queries,
                        (q_row, 1),
                        keys,
                        (1, k_row),
                    );
                }
                for i in 0..count {
                    let scores = &mut scores[i * width..(i + 1) * width];
                    hide(scores, sight, row, first + i, start);
                    running.take(i, scores, &mut acc[i * s.head..(i + 1) * s.head], by);
                }
                // SAFETY: as above
                unsafe {
                    let values = values.add(start * k_row);
                    product(
                        [count, s.head, width],
                        acc.as_mut_ptr(),
                        s.head,
                        true,
                        scores.as_ptr(),
                        (width, 1),
                        values,
                        (k_row, 1),
                    );
                }
            }
            for i in 0..count {
                // SAFETY: row first + i of head h is this task's alone
                let out = unsafe { result.part(at + i * q_row, s.head) };
                running.finish(i, &acc[i * s.head..(i + 1) * s.head], out, &mut logs[first + i]);
            }
        }
    });
    cancel::check()?;
    Ok((out, logs))
}

/// The gradients of q, k and v.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    s: Sizes,
    by: f32,
    sight: &Sight,
    out: &[f32],
    logs: &[f32],
    grad: &[f32],
) -> Result<(Vec<f32>, Vec<f32>, Vec<f32>)> {
    let (mut dq, mut dk, mut dv) = (vec![0.0f32; q.len()], vec![0.0f32; k.len()], vec![0.0f32; v.len()]);
    let (to_q, to_k, to_v) = (Shared::of(&mut dq), Shared::of(&mut dk), Shared::of(&mut dv));
    let cancel = cancel::current();
    let share = s.heads / s.groups;
    let (q_row, k_row) = (s.heads * s.head, s.groups * s.head);
    (0..s.rows * s.groups).into_par_iter().for_each(|task| {
        let (row, group) = (task / s.groups, task % s.groups);
        let at_keys = (row * s.keys * s.groups + group) * s.head;
        let mut p = unwritten(ROWS * TILE);
        let mut dp = unwritten(ROWS * TILE);
        for h in group * share..(group + 1) * share {
            for first in (0..s.queries).step_by(ROWS) {
                if cancel.is_requested() {
                    return;
                }
                let count = ROWS.min(s.queries - first);
                let at = ((row * s.queries + first) * s.heads + h) * s.head;
                let logs = &logs[(row * s.heads + h) * s.queries + first..][..count];
                let mut deltas = [0f32; ROWS];
                for (i, delta) in deltas[..count].iter_mut().enumerate() {
                    let span = at + i * q_row..at + i * q_row + s.head;
                    *delta = dot(&out[span.clone()], &grad[span]);
                }
                for (start, end) in tiles(&sight.row(row)[first..first + count], 1) {
                    let width = end - start;
                    let at_tile = at_keys + start * k_row;
                    // SAFETY: all offsets are inside the slices that they were computed for; the columns of
                    // this group in dk and dv, and of its heads in dq, are this task's alone
                    unsafe {
                        let (queries, grads) = (q[at..].as_ptr(), grad[at..].as_ptr());
                        let (keys, values) = (k[at_tile..].as_ptr(), v[at_tile..].as_ptr());
                        product(
                            [count, width, s.head],
                            p.as_mut_ptr(),
                            width,
                            false,
                            queries,
                            (q_row, 1),
                            keys,
                            (1, k_row),
                        );
                        product(
                            [count, width, s.head],
                            dp.as_mut_ptr(),
                            width,
                            false,
                            grads,
                            (q_row, 1),
                            values,
                            (1, k_row),
                        );
                    }
                    for i in 0..count {
                        let p = &mut p[i * width..(i + 1) * width];
                        let dp = &mut dp[i * width..(i + 1) * width];
                        hide(p, sight, row, first + i, start);
                        if logs[i] == f32::NEG_INFINITY {
                            p.fill(0.0);
                            dp.fill(0.0);
                            continue;
                        }
                        score_gradient(p, dp, by, logs[i], deltas[i]);
                    }
                    // SAFETY: as above
                    unsafe {
                        let (queries, grads, keys) = (q[at..].as_ptr(), grad[at..].as_ptr(), k[at_tile..].as_ptr());
                        product(
                            [width, s.head, count],
                            to_v.at(at_tile),
                            k_row,
                            true,
                            p.as_ptr(),
                            (1, width),
                            grads,
                            (q_row, 1),
                        );
                        product(
                            [width, s.head, count],
                            to_k.at(at_tile),
                            k_row,
                            true,
                            dp.as_ptr(),
                            (1, width),
                            queries,
                            (q_row, 1),
                        );
                        product(
                            [count, s.head, width],
                            to_q.at(at),
                            q_row,
                            true,
                            dp.as_ptr(),
                            (width, 1),
                            keys,
                            (k_row, 1),
                        );
                    }
                }
            }
        }
    });
    cancel::check()?;
    Ok((dq, dk, dv))
}
