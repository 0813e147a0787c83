//! Blockwise attention with packed factors, f32 or bf16: keys and values are packed once for all heads and queries that attend to
//! them. Scores, sums and results are f32.

use super::blocks::{OnlineSoftmax, ROWS, TILE, hide, tiles};
use crate::kernel::buffer::unwritten;
use crate::kernel::gemm::{Packed, is_available, multiply_packed, pack};
use crate::kernel::mask::{AttentionMask, Sizes};
use crate::kernel::math::{add_scaled, dot};
use crate::kernel::matrix::{Matrix, Precision};
use crate::kernel::score_scale::ScoreScale;
use crate::kernel::shared::SharedOutput;
use crate::{Result, cancel};
use rayon::prelude::*;

/// Whether these sizes are supported: the processor has the instructions, and a head fits a block.
pub fn supports(s: Sizes, precision: Precision) -> bool {
    is_available(precision) && s.head <= 256 && s.queries >= 8
}

/// Heads per task: a group, or one if groups would be too few tasks.
fn heads_per_task(s: Sizes) -> usize {
    if s.rows * s.kv_heads >= 8 { s.heads / s.kv_heads } else { 1 }
}

/// Keys or values of one row and group, as a matrix [keys, head].
fn of_group<'a>(x: &'a [f32], s: Sizes, row: usize, group: usize) -> Matrix<'a> {
    let at = (row * s.keys * s.kv_heads + group) * s.head;
    Matrix::rows(x.get(at..).unwrap_or(&[]), s.kv_heads * s.head)
}

fn first_of(tile: (usize, usize)) -> (usize, usize) {
    (tile.0, tile.1 - tile.0)
}

/// The result [B, T, H, D] and the logarithm of every row's sum [B, H, T].
pub fn forward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    s: Sizes,
    scale: ScoreScale,
    mask: &AttentionMask,
    precision: Precision,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let mut out = unwritten(q.len());
    let mut log_sum_exp = vec![f32::NEG_INFINITY; s.rows * s.heads * s.queries];
    let result = SharedOutput::of(&mut out);
    let cancel = cancel::current();
    let (per, q_row) = (heads_per_task(s), s.heads * s.head);
    log_sum_exp.par_chunks_mut(s.queries * per).enumerate().for_each(|(task, log_sum_exp)| {
        let (row, head) = (task * per / s.heads, task * per % s.heads);
        let group = head / (s.heads / s.kv_heads);
        let keys = pack(of_group(k, s, row, group).t(), s.head, s.keys, precision);
        let values = pack(of_group(v, s, row, group), s.keys, s.head, precision);
        let (mut scores, mut acc) = (unwritten(ROWS * TILE), unwritten(ROWS * s.head));
        for (h, log_sum_exp) in (head..).zip(log_sum_exp.chunks_exact_mut(s.queries)) {
            for first in (0..s.queries).step_by(ROWS) {
                if cancel.is_requested() {
                    return;
                }
                let count = ROWS.min(s.queries - first);
                let at = ((row * s.queries + first) * s.heads + h) * s.head;
                let queries = Matrix::rows(&q[at..], q_row);
                let mut running = OnlineSoftmax::new();
                let acc = &mut acc[..count * s.head];
                acc.fill(0.0);
                for tile in tiles(&mask.row(row)[first..first + count], 32) {
                    let (start, width) = first_of(tile);
                    multiply_packed(&mut scores, width, [count, width, s.head], queries, &keys, (0, start), false);
                    let by = scale.limit(&mut scores[..count * width]);
                    for i in 0..count {
                        let scores = &mut scores[i * width..(i + 1) * width];
                        hide(scores, mask, row, first + i, start);
                        running.take(i, scores, &mut acc[i * s.head..(i + 1) * s.head], by);
                        mask.drop([row, h, s.heads], first + i, start, scores);
                    }
                    let p = Matrix::rows(&scores[..], width);
                    multiply_packed(acc, s.head, [count, s.head, width], p, &values, (start, 0), true);
                }
                for i in 0..count {
                    // SAFETY: query first + i of head h is this task's alone
                    let out = unsafe { result.part(at + i * q_row, s.head) };
                    running.finish(i, &acc[i * s.head..(i + 1) * s.head], out, &mut log_sum_exp[first + i]);
                }
            }
        }
        keys.done();
        values.done();
    });
    cancel::check()?;
    Ok((out, log_sum_exp))
}

/// Inputs of backward.
pub struct BackwardInput<'a> {
    pub q: &'a [f32],
    pub k: &'a [f32],
    pub v: &'a [f32],
    pub out: &'a [f32],
    pub log_sum_exp: &'a [f32],
    pub grad: &'a [f32],
}

/// The gradients of q, k and v.
pub fn backward(
    x: &BackwardInput,
    s: Sizes,
    scale: ScoreScale,
    mask: &AttentionMask,
    precision: Precision,
) -> Result<(Vec<f32>, Vec<f32>, Vec<f32>)> {
    let mut dq = unwritten(x.q.len());
    let to_q = SharedOutput::of(&mut dq);
    let cancel = cancel::current();
    let per = heads_per_task(s);
    let share = s.heads / s.kv_heads;
    let tasks = s.rows * s.heads / per;
    let partial: Vec<[Vec<f32>; 2]> = (0..tasks)
        .into_par_iter()
        .map(|task| {
            let (row, head) = (task * per / s.heads, task * per % s.heads);
            let mut sums = [vec![0f32; s.keys * s.head], vec![0f32; s.keys * s.head]];
            let (keys, values) = (of_group(x.k, s, row, head / share), of_group(x.v, s, row, head / share));
            let [keys_t, values_t] = [keys, values].map(|x| pack(x.t(), s.head, s.keys, precision));
            let keys = pack(keys, s.keys, s.head, precision);
            for h in head..head + per {
                if cancel.is_requested() {
                    break;
                }
                let packed = [&keys_t, &values_t, &keys];
                head_backward(x, s, scale, mask, (row, h), packed, &mut sums, to_q, precision);
            }
            [keys_t, values_t, keys].into_iter().for_each(Packed::done);
            sums
        })
        .collect();
    cancel::check()?;
    let gather = |which: usize| -> Vec<f32> {
        let mut whole = unwritten(x.k.len());
        let tasks_per_row = s.heads / per;
        whole.par_chunks_mut((s.keys * s.kv_heads * s.head).max(1)).enumerate().for_each(|(row, whole)| {
            let tasks = &partial[row * tasks_per_row..][..tasks_per_row];
            for (group, tasks) in tasks.chunks_exact(share / per).enumerate() {
                for key in 0..s.keys {
                    let to = &mut whole[(key * s.kv_heads + group) * s.head..][..s.head];
                    to.copy_from_slice(&tasks[0][which][key * s.head..][..s.head]);
                    for task in &tasks[1..] {
                        add_scaled(to, 1.0, &task[which][key * s.head..][..s.head]);
                    }
                }
            }
        });
        whole
    };
    let (dk, dv) = (gather(0), gather(1));
    Ok((dq, dk, dv))
}

/// One head: its part of dq, and its contribution to dk and dv.
#[allow(clippy::too_many_arguments)]
fn head_backward(
    x: &BackwardInput,
    s: Sizes,
    scale: ScoreScale,
    mask: &AttentionMask,
    (row, h): (usize, usize),
    [keys_t, values_t, keys]: [&Packed; 3],
    [dk, dv]: &mut [Vec<f32>; 2],
    to_q: SharedOutput,
    precision: Precision,
) {
    let (q_row, head) = (s.heads * s.head, s.head);
    let (mut p, mut dp, mut dq) = (unwritten(ROWS * TILE), unwritten(ROWS * TILE), unwritten(ROWS * head));
    let mut held = Vec::new();
    for first in (0..s.queries).step_by(ROWS) {
        let count = ROWS.min(s.queries - first);
        let at = ((row * s.queries + first) * s.heads + h) * head;
        let log_sum_exp = &x.log_sum_exp[(row * s.heads + h) * s.queries + first..][..count];
        let mut deltas = [0f32; ROWS];
        for (i, delta) in deltas[..count].iter_mut().enumerate() {
            let span = at + i * q_row..at + i * q_row + head;
            *delta = dot(&x.out[span.clone()], &x.grad[span]);
        }
        let (queries, grads) = (Matrix::rows(&x.q[at..], q_row), Matrix::rows(&x.grad[at..], q_row));
        let [packed_queries, packed_grads] = [queries, grads].map(|x| pack(x, count, head, precision));
        let dq = &mut dq[..count * head];
        dq.fill(0.0);
        for tile in tiles(&mask.row(row)[first..first + count], 32) {
            let (start, width) = first_of(tile);
            multiply_packed(&mut p, width, [count, width, head], queries, keys_t, (0, start), false);
            multiply_packed(&mut dp, width, [count, width, head], grads, values_t, (0, start), false);
            scale.limit(&mut p[..count * width]);
            for i in 0..count {
                let p = &mut p[i * width..(i + 1) * width];
                let dp = &mut dp[i * width..(i + 1) * width];
                if log_sum_exp[i] == f32::NEG_INFINITY {
                    p.fill(0.0);
                    dp.fill(0.0);
                    continue;
                }
                hide(p, mask, row, first + i, start);
                mask.drop([row, h, s.heads], first + i, start, dp);
                scale.gradient(p, dp, log_sum_exp[i], deltas[i], &mut held);
                mask.drop([row, h, s.heads], first + i, start, p);
            }
            for (sum, x, packed) in [(&mut *dv, &p, &packed_grads), (&mut *dk, &dp, &packed_queries)] {
                let (sum, turned) = (&mut sum[start * head..], Matrix::rows(&x[..], width).t());
                multiply_packed(sum, head, [width, head, count], turned, packed, (0, 0), true);
            }
            let ds = Matrix::rows(&dp[..], width);
            multiply_packed(dq, head, [count, head, width], ds, keys, (start, 0), true);
        }
        for i in 0..count {
            // SAFETY: query first + i of head h is this task's alone
            unsafe { to_q.part(at + i * q_row, head) }.copy_from_slice(&dq[i * head..(i + 1) * head]);
        }
        packed_queries.done();
        packed_grads.done();
    }
}
