//! The blocks of attention on f32 slices: one task per head, queries in blocks of rows, keys in tiles.

use crate::kernel::buffer::unwritten;
use crate::kernel::mask::{AttentionMask, Sizes};
use crate::kernel::math::{dot, exp_sum, max, scale};
use crate::kernel::matrix::{Matrix, Values};
use crate::kernel::portable;
use crate::kernel::score_scale::ScoreScale;
use crate::kernel::shared::SharedOutput;
use crate::{Result, cancel};
use rayon::prelude::*;

/// Queries in one block, and keys in one tile.
pub(super) const ROWS: usize = 64;
pub(super) const TILE: usize = 256;

/// Sets dst [m, n], rows `stride` apart, to a·b, or adds that to it. On this thread.
fn matmul([m, n, k]: [usize; 3], dst: &mut [f32], stride: usize, add: bool, a: Matrix, b: Matrix) {
    assert!(stride >= n, "rows of a result lie over each other");
    let dst = SharedOutput::of(dst);
    // SAFETY: the slice is borrowed uniquely
    unsafe { matmul_into([m, n, k], dst, 0, stride, add, a, b) }
}

/// The same into the part of a shared result that begins at `offset`.
///
/// # Safety
/// Nothing else uses that part.
unsafe fn matmul_into(
    [m, n, k]: [usize; 3],
    dst: SharedOutput,
    offset: usize,
    stride: usize,
    add: bool,
    a: Matrix,
    b: Matrix,
) {
    crate::kernel::profile::count_matmul([m, n, k]);
    a.check(m, k);
    b.check(k, n);
    let (Values::F32(x), Values::F32(y)) = (a.values, b.values) else { unreachable!("these blocks are f32") };
    let dst = dst.at(offset, [m, n], stride);
    // SAFETY: all three are inside their memory, as checked, and nothing else uses `dst`, as promised
    unsafe { portable::multiply(dst, stride, [m, n, k], (a, x), (b, y), add, gemm::Parallelism::None) };
}

/// Tiles of keys that any of these queries attends to, from a multiple of `align` on.
pub(super) fn tiles(ranges: &[(u32, u32)], align: usize) -> impl Iterator<Item = (usize, usize)> {
    let seen = ranges.iter().filter(|(start, end)| start < end);
    let low = seen.clone().map(|(start, _)| *start as usize).min().unwrap_or(0) / align * align;
    let high = seen.map(|(_, end)| *end as usize).max().unwrap_or(0);
    (low..high).step_by(TILE).map(move |start| (start, (start + TILE).min(high)))
}

/// Sets masked scores to -inf.
pub(super) fn hide(scores: &mut [f32], mask: &AttentionMask, row: usize, i: usize, start: usize) {
    let (low, high) = mask.row(row)[i];
    let (low, high) = (low as usize, high as usize);
    let count = scores.len();
    scores[..low.saturating_sub(start).min(count)].fill(f32::NEG_INFINITY);
    scores[high.saturating_sub(start).min(count)..].fill(f32::NEG_INFINITY);
    if mask.segments.is_some() {
        for (j, score) in scores.iter_mut().enumerate() {
            if !mask.sees(row, i, start + j) {
                *score = f32::NEG_INFINITY;
            }
        }
    }
}

/// The softmax of a block of queries whose scores are computed tile by tile (Milakov and Gimelshein 2018).
pub(super) struct OnlineSoftmax {
    tops: [f32; ROWS],
    sums: [f32; ROWS],
}

impl OnlineSoftmax {
    pub fn new() -> OnlineSoftmax {
        OnlineSoftmax { tops: [f32::NEG_INFINITY; ROWS], sums: [0.0; ROWS] }
    }

    /// Adds a tile of scores of query `i`: they become weights, and `acc`, the result so far, is rescaled to the new highest
    /// score.
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

    /// Writes the result of query `i`, and the logarithm of its sum unless it attends to nothing.
    pub fn finish(&self, i: usize, acc: &[f32], out: &mut [f32], log: &mut f32) {
        out.copy_from_slice(acc);
        if self.sums[i] > 0.0 {
            scale(out, 1.0 / self.sums[i]);
            *log = self.tops[i] + self.sums[i].ln();
        }
    }
}

/// The result [B, T, H, D] and the logarithm of every row's sum [B, H, T].
pub fn forward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    s: Sizes,
    scale: ScoreScale,
    mask: &AttentionMask,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let mut out = unwritten(q.len());
    let mut log_sum_exp = vec![f32::NEG_INFINITY; s.rows * s.heads * s.queries];
    let result = SharedOutput::of(&mut out);
    let cancel = cancel::current();
    let blocks = s.queries.div_ceil(ROWS);
    log_sum_exp.par_chunks_mut(s.queries.max(1)).enumerate().for_each(|(task, log_sum_exp)| {
        let (row, h) = (task / s.heads, task % s.heads);
        let group = h / (s.heads / s.kv_heads);
        let (q_row, k_row) = (s.heads * s.head, s.kv_heads * s.head);
        let at_keys = (row * s.keys * s.kv_heads + group) * s.head;
        let mut scores = unwritten(ROWS * TILE);
        let mut acc = unwritten(ROWS * s.head);
        for block in 0..blocks {
            if cancel.is_requested() {
                return;
            }
            let first = block * ROWS;
            let count = ROWS.min(s.queries - first);
            let at = ((row * s.queries + first) * s.heads + h) * s.head;
            let mut running = OnlineSoftmax::new();
            let acc = &mut acc[..count * s.head];
            acc.fill(0.0);
            for (start, end) in tiles(&mask.row(row)[first..first + count], 1) {
                let width = end - start;
                let at_tile = at_keys + start * k_row;
                let queries = Matrix::rows(&q[at..], q_row);
                let keys = Matrix::rows(&k[at_tile..], k_row);
                matmul([count, width, s.head], &mut scores, width, false, queries, keys.t());
                let by = scale.limit(&mut scores[..count * width]);
                for i in 0..count {
                    let scores = &mut scores[i * width..(i + 1) * width];
                    hide(scores, mask, row, first + i, start);
                    running.take(i, scores, &mut acc[i * s.head..(i + 1) * s.head], by);
                    mask.drop([row, h, s.heads], first + i, start, scores);
                }
                let (p, values) = (Matrix::rows(&scores[..], width), Matrix::rows(&v[at_tile..], k_row));
                matmul([count, s.head, width], acc, s.head, true, p, values);
            }
            for i in 0..count {
                // SAFETY: row first + i of head h is this task's alone
                let out = unsafe { result.part(at + i * q_row, s.head) };
                running.finish(i, &acc[i * s.head..(i + 1) * s.head], out, &mut log_sum_exp[first + i]);
            }
        }
    });
    cancel::check()?;
    Ok((out, log_sum_exp))
}

/// The gradients of q, k and v.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    s: Sizes,
    scale: ScoreScale,
    mask: &AttentionMask,
    out: &[f32],
    log_sum_exp: &[f32],
    grad: &[f32],
) -> Result<(Vec<f32>, Vec<f32>, Vec<f32>)> {
    let (mut dq, mut dk, mut dv) = (vec![0.0f32; q.len()], vec![0.0f32; k.len()], vec![0.0f32; v.len()]);
    let (to_q, to_k, to_v) = (SharedOutput::of(&mut dq), SharedOutput::of(&mut dk), SharedOutput::of(&mut dv));
    let cancel = cancel::current();
    let share = s.heads / s.kv_heads;
    let (q_row, k_row) = (s.heads * s.head, s.kv_heads * s.head);
    (0..s.rows * s.kv_heads).into_par_iter().for_each(|task| {
        let (row, group) = (task / s.kv_heads, task % s.kv_heads);
        let at_keys = (row * s.keys * s.kv_heads + group) * s.head;
        let mut p = unwritten(ROWS * TILE);
        let mut dp = unwritten(ROWS * TILE);
        let mut held = Vec::new();
        for h in group * share..(group + 1) * share {
            for first in (0..s.queries).step_by(ROWS) {
                if cancel.is_requested() {
                    return;
                }
                let count = ROWS.min(s.queries - first);
                let at = ((row * s.queries + first) * s.heads + h) * s.head;
                let log_sum_exp = &log_sum_exp[(row * s.heads + h) * s.queries + first..][..count];
                let mut deltas = [0f32; ROWS];
                for (i, delta) in deltas[..count].iter_mut().enumerate() {
                    let span = at + i * q_row..at + i * q_row + s.head;
                    *delta = dot(&out[span.clone()], &grad[span]);
                }
                for (start, end) in tiles(&mask.row(row)[first..first + count], 1) {
                    let width = end - start;
                    let at_tile = at_keys + start * k_row;
                    let (queries, grads) = (Matrix::rows(&q[at..], q_row), Matrix::rows(&grad[at..], q_row));
                    let (keys, values) = (Matrix::rows(&k[at_tile..], k_row), Matrix::rows(&v[at_tile..], k_row));
                    matmul([count, width, s.head], &mut p, width, false, queries, keys.t());
                    matmul([count, width, s.head], &mut dp, width, false, grads, values.t());
                    scale.limit(&mut p[..count * width]);
                    for i in 0..count {
                        let p = &mut p[i * width..(i + 1) * width];
                        let dp = &mut dp[i * width..(i + 1) * width];
                        hide(p, mask, row, first + i, start);
                        if log_sum_exp[i] == f32::NEG_INFINITY {
                            p.fill(0.0);
                            dp.fill(0.0);
                            continue;
                        }
                        let of = [row, h, s.heads];
                        mask.drop(of, first + i, start, dp);
                        scale.gradient(p, dp, log_sum_exp[i], deltas[i], &mut held);
                        mask.drop(of, first + i, start, p);
                    }
                    let (p, dp) = (Matrix::rows(&p[..], width), Matrix::rows(&dp[..], width));
                    // SAFETY: the columns of this group in dk and dv, and of its heads in dq, are this task's alone
                    unsafe {
                        matmul_into([width, s.head, count], to_v, at_tile, k_row, true, p.t(), grads);
                        matmul_into([width, s.head, count], to_k, at_tile, k_row, true, dp.t(), queries);
                        matmul_into([count, s.head, width], to_q, at, q_row, true, dp, keys);
                    }
                }
            }
        }
    });
    cancel::check()?;
    Ok((dq, dk, dv))
}
