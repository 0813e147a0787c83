//! Cross-entropy, alone and together with the product that makes its logits.

use super::math::{exp_sum, max, scale, sum};
use super::memory::unwritten;
use super::product::{Matrix, Precision, Weight, multiply};
use super::view::{array, view};
use super::{Array, composite, fused, parallel};
use crate::{Result, bail};
use rayon::prelude::*;

/// The target of a row that is not learned.
pub const IGNORED: i64 = -100;

/// Rows whose logits are held at once: at most as many as make 128 MiB, within 64 to 1024, in even parts.
fn rows_at_once(rows: usize, vocabulary: usize) -> usize {
    let most = ((32 << 20) / vocabulary.max(1)).clamp(64, 1024);
    rows.div_ceil(rows.div_ceil(most).max(1)).next_multiple_of(16)
}

/// What learns: of which operands the gradient is computed beside the loss.
#[derive(Clone, Copy)]
pub struct Wants {
    pub hidden: bool,
    pub weight: bool,
    pub bias: bool,
}

/// Gradients of the summed loss, before they are scaled by what comes back.
pub struct Gradients {
    pub hidden: Option<Vec<f32>>,
    pub weight: Option<Vec<f32>>,
    pub bias: Option<Vec<f32>>,
}

/// Targets are ids below `vocabulary` or -100.
pub fn check_targets(verb: &str, rows: usize, vocabulary: usize, targets: &[i64]) -> Result<()> {
    if targets.len() != rows {
        bail!(verb, "{} targets for {rows} rows", targets.len());
    }
    let outside = |target: i64| target != IGNORED && (target < 0 || target >= vocabulary as i64);
    match targets.iter().position(|target| outside(*target)) {
        Some(at) => bail!(verb, "target {} (at {at}) is outside 0..{vocabulary}, and not {IGNORED}", targets[at]),
        None => Ok(()),
    }
}

/// Turns a row of logits into the gradient of its loss, and returns the loss.
fn row_loss(logits: &mut [f32], target: i64, smoothing: f64, learn: bool) -> f64 {
    if target == IGNORED {
        if learn {
            logits.fill(0.0);
        }
        return 0.0;
    }
    let (target, count) = (target as usize, logits.len() as f64);
    let top = max(logits);
    let right = logits[target];
    let mean = if smoothing > 0.0 { sum(logits) as f64 / count } else { 0.0 };
    let total = exp_sum(logits, 1.0, top);
    let norm = top as f64 + (total as f64).ln();
    let loss = (1.0 - smoothing) * (norm - right as f64) + smoothing * (norm - mean);
    if learn {
        scale(logits, 1.0 / total);
        if smoothing > 0.0 {
            let share = (smoothing / count) as f32;
            logits.iter_mut().for_each(|p| *p -= share);
        }
        logits[target] -= (1.0 - smoothing) as f32;
    }
    loss
}

/// Losses of all rows, added in their order; with `learn` the logits become gradients.
fn rows_loss(logits: &mut [f32], width: usize, targets: &[i64], smoothing: f64, learn: bool) -> f64 {
    let losses: Vec<f64> = logits
        .par_chunks_mut(width)
        .zip(targets)
        .map(|(row, target)| row_loss(row, *target, smoothing, learn))
        .collect();
    losses.iter().sum()
}

/// The summed loss of `hidden [N, D] · weightᵀ + bias` and, where wanted, its gradients. Holds the logits of a
/// few rows at a time. Only f32 on the CPU: see [`super::fused`].
pub fn linear_cross_entropy(
    hidden: &Array,
    weight: &Array,
    bias: Option<&Array>,
    targets: &[i64],
    smoothing: f64,
    precision: Precision,
    wants: Wants,
) -> Result<(f64, Gradients)> {
    let ((rows, width), (vocabulary, _)) = (hidden.dims2()?, weight.dims2()?);
    let (hidden, weight) = (hidden.contiguous()?, weight.contiguous()?);
    let bias = bias.map(|bias| bias.contiguous()).transpose()?;
    let (h, w) = (view::<f32>(&hidden)?, Weight::of(&weight)?);
    let b = bias.as_ref().map(view::<f32>).transpose()?;
    let room = |wanted: bool, count: usize| wanted.then(|| unwritten(count));
    let mut grads = Gradients {
        hidden: room(wants.hidden, rows * width),
        weight: room(wants.weight, vocabulary * width),
        bias: wants.bias.then(|| vec![0.0; vocabulary]),
    };
    let learn = wants.hidden || wants.weight || wants.bias;
    let step = rows_at_once(rows, vocabulary).min(rows.max(1));
    let mut logits = unwritten(step * vocabulary);
    let mut loss = 0.0;
    let mut started = false;
    for start in (0..rows).step_by(step) {
        crate::cancel::check()?;
        let count = step.min(rows - start);
        let targets = &targets[start..start + count];
        if targets.iter().all(|target| *target == IGNORED) {
            if let Some(dh) = &mut grads.hidden {
                dh[start * width..(start + count) * width].fill(0.0);
            }
            continue;
        }
        let h = Matrix::rows(&h[start * width..(start + count) * width], width);
        let w = w.rows(width);
        let logits = &mut logits[..count * vocabulary];
        multiply(logits, [count, vocabulary, width], h, w.t(), false, precision);
        if let Some(b) = &b {
            let b: &[f32] = b;
            parallel::rows(logits, vocabulary, |_, rows| {
                rows.chunks_exact_mut(vocabulary).for_each(|row| super::math::add_scaled(row, 1.0, b));
            });
        }
        loss += rows_loss(logits, vocabulary, targets, smoothing, learn);
        let p = Matrix::rows(&*logits, vocabulary);
        if let Some(dh) = &mut grads.hidden {
            multiply(
                &mut dh[start * width..(start + count) * width],
                [count, width, vocabulary],
                p,
                w,
                false,
                precision,
            );
        }
        if let Some(dw) = &mut grads.weight {
            multiply(dw, [vocabulary, width, count], p.t(), h, started, precision);
        }
        if let Some(db) = &mut grads.bias {
            logits.chunks_exact(vocabulary).for_each(|row| super::math::add_scaled(db, 1.0, row));
        }
        started = true;
    }
    if let (false, Some(dw)) = (started, &mut grads.weight) {
        dw.fill(0.0);
    }
    Ok((loss, grads))
}

/// The summed loss of logits [N, V] and, if `learn`, its gradient.
pub fn cross_entropy(logits: &Array, targets: &[i64], smoothing: f64, learn: bool) -> Result<(Array, Option<Array>)> {
    let (rows, vocabulary) = logits.dims2()?;
    check_targets("cross_entropy", rows, vocabulary, targets)?;
    if !fused(&[logits]) {
        return composite::cross_entropy(logits, targets, smoothing, learn);
    }
    let logits = logits.contiguous()?;
    let mut values = view::<f32>(&logits)?.to_vec();
    let loss = rows_loss(&mut values, vocabulary.max(1), targets, smoothing, learn);
    let grad = learn.then(|| array(values, &[rows, vocabulary])).transpose()?;
    Ok((array(vec![loss as f32], &[])?, grad))
}
