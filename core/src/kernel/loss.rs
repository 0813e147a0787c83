//! Cross-entropy of logits, also fused with the matmul that computes the logits.

use super::buffer::unwritten;
use super::mask::IGNORED;
use super::math::{exp_sum, max, scale, sum};
use super::matmul::multiply;
use super::matrix::{Matrix, MatrixView, Precision};
use super::score_scale::{softcap_rows, softcap_slope};
use super::view::{array, view};
use super::{Array, fused, parallel, reference};
use crate::{Result, bail};
use rayon::prelude::*;

/// Rows whose logits are held at once: at most as many as make 128 MiB, or 72 MiB if no output weight is trainable (each part
/// adds its gradient to the sum in memory once); within 64 to 1024, in even parts.
fn rows_at_once(rows: usize, vocabulary: usize, trainable: bool) -> usize {
    let most = ((if trainable { 32 << 20 } else { 18 << 20 }) / vocabulary.max(1)).clamp(64, 1024);
    rows.div_ceil(rows.div_ceil(most).max(1)).next_multiple_of(16)
}

/// Output embeddings (or a part of them). Gradients of the trainable parts are computed along with the loss.
pub struct OutputWeight<'a> {
    /// `[V, D]`
    pub weight: &'a Array,
    pub bias: Option<&'a Array>,
    pub trainable: bool,
    pub bias_trainable: bool,
}

/// Options of a loss.
#[derive(Clone, Copy, Default)]
pub struct LossShape {
    /// Label smoothing: the share of a target spread over all classes.
    pub smoothing: f64,
    /// Soft cap of the logits (Gemma 2).
    pub cap: Option<f64>,
}

/// Without a soft cap.
impl From<f64> for LossShape {
    fn from(smoothing: f64) -> LossShape {
        LossShape { smoothing, cap: None }
    }
}

/// Gradients of the summed loss, before they are scaled by the incoming gradient.
pub struct Gradients {
    pub hidden: Option<Vec<f32>>,
    /// For each output weight: the gradients of the weight and of its bias.
    pub outputs: Vec<[Option<Vec<f32>>; 2]>,
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

/// Conversion of rows of logits to losses.
#[derive(Clone, Copy)]
struct RowPlan {
    smoothing: f64,
    /// Soft cap of the logits.
    cap: Option<f32>,
    learn: bool,
}

/// Replaces a row of logits, which may consist of several parts, by the gradient of its loss, and returns the loss.
fn row_loss(parts: &mut [&mut [f32]], target: i64, plan: RowPlan) -> f64 {
    let RowPlan { smoothing, cap, learn } = plan;
    if target == IGNORED {
        if learn {
            parts.iter_mut().for_each(|logits| logits.fill(0.0));
        }
        return 0.0;
    }
    let limited = cap.map(|cap| {
        parts.iter_mut().for_each(|logits| softcap_rows(logits, 1.0, cap));
        // only the gradient needs them again
        (cap, if learn { parts.iter().map(|logits| logits.to_vec()).collect() } else { Vec::new() })
    });
    let count = parts.iter().map(|logits| logits.len()).sum::<usize>() as f64;
    let (part, target) = place(parts, target as usize);
    let top = parts.iter().map(|logits| max(logits)).fold(f32::NEG_INFINITY, f32::max);
    let right = parts[part][target];
    let sums = |parts: &[&mut [f32]]| parts.iter().map(|logits| sum(logits) as f64).sum::<f64>();
    let mean = if smoothing > 0.0 { sums(parts) / count } else { 0.0 };
    let total: f32 = parts.iter_mut().map(|logits| exp_sum(logits, 1.0, top)).sum();
    let norm = top as f64 + (total as f64).ln();
    let loss = (1.0 - smoothing) * (norm - right as f64) + smoothing * (norm - mean);
    if learn {
        let share = (smoothing / count) as f32;
        for logits in parts.iter_mut() {
            scale(logits, 1.0 / total);
            if smoothing > 0.0 {
                logits.iter_mut().for_each(|p| *p -= share);
            }
        }
        parts[part][target] -= (1.0 - smoothing) as f32;
        if let Some((cap, limited)) = limited {
            let limited: Vec<Vec<f32>> = limited;
            parts.iter_mut().zip(&limited).for_each(|(grad, limited)| softcap_slope(limited, grad, 1.0, cap));
        }
    }
    loss
}

/// The part that holds a column, and the index there.
fn place(parts: &[&mut [f32]], mut column: usize) -> (usize, usize) {
    for (index, part) in parts.iter().enumerate() {
        match column.checked_sub(part.len()) {
            Some(rest) => column = rest,
            None => return (index, column),
        }
    }
    unreachable!("targets were checked")
}

/// Losses of all rows, added in order; if the plan is trainable the logits become gradients. Each of `blocks` holds the logits of
/// `targets.len()` rows for some columns; the blocks are adjacent.
fn rows_loss(blocks: &mut [(&mut [f32], usize)], targets: &[i64], plan: RowPlan) -> f64 {
    let mut rows: Vec<Vec<&mut [f32]>> = targets.iter().map(|_| Vec::with_capacity(blocks.len())).collect();
    for (logits, width) in blocks {
        rows.iter_mut().zip(logits.chunks_exact_mut(*width)).for_each(|(row, part)| row.push(part));
    }
    let losses: Vec<f64> =
        rows.into_par_iter().zip(targets).map(|(mut parts, target)| row_loss(&mut parts, *target, plan)).collect();
    losses.iter().sum()
}

/// The summed loss of `hidden [N, D] · weightᵀ + bias` over all output embeddings together and, if requested, its gradients.
/// Holds the logits of a few rows at a time. Only f32 on the CPU: see [`super::fused`].
pub fn linear_cross_entropy(
    hidden: &Array,
    outputs: &[OutputWeight],
    targets: &[i64],
    shape: LossShape,
    precision: Precision,
    wants_hidden: bool,
) -> Result<(f64, Gradients)> {
    let (rows, width) = hidden.dims2()?;
    let hidden = hidden.contiguous()?;
    let h = view::<f32>(&hidden)?;
    let arrays = outputs
        .iter()
        .map(|output| Ok((output.weight.contiguous()?, output.bias.map(|bias| bias.contiguous()).transpose()?)))
        .collect::<Result<Vec<_>>>()?;
    let views = arrays
        .iter()
        .map(|(weight, bias)| {
            Ok((weight.dims()[0], MatrixView::of(weight)?, bias.as_ref().map(view::<f32>).transpose()?))
        })
        .collect::<Result<Vec<_>>>()?;
    let room = |wanted: bool, count: usize| wanted.then(|| unwritten(count));
    let mut grads = Gradients { hidden: room(wants_hidden, rows * width), outputs: Vec::new() };
    for (output, (size, ..)) in outputs.iter().zip(&views) {
        grads.outputs.push([room(output.trainable, size * width), output.bias_trainable.then(|| vec![0.0; *size])]);
    }
    let learn = wants_hidden || outputs.iter().any(|output| output.trainable || output.bias_trainable);
    let plan = RowPlan { smoothing: shape.smoothing, cap: shape.cap.map(|cap| cap as f32), learn };
    let vocabulary = views.iter().map(|(size, ..)| size).sum();
    let trainable = outputs.iter().any(|output| output.trainable);
    let step = rows_at_once(rows, vocabulary, trainable).min(rows.max(1));
    let mut logits: Vec<Vec<f32>> = views.iter().map(|(size, ..)| unwritten(step * size)).collect();
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
        let mut blocks = Vec::with_capacity(views.len());
        for (logits, (size, w, b)) in logits.iter_mut().zip(&views) {
            let (logits, size) = (&mut logits[..count * size], *size);
            multiply(logits, [count, size, width], h, w.rows(width).t(), false, precision);
            if let Some(b) = &b {
                let b: &[f32] = b;
                parallel::rows(logits, size, |_, rows| {
                    rows.chunks_exact_mut(size).for_each(|row| super::math::add_scaled(row, 1.0, b));
                });
            }
            blocks.push((logits, size));
        }
        loss += rows_loss(&mut blocks, targets, plan);
        for (at, ((logits, size), (_, w, _))) in blocks.into_iter().zip(&views).enumerate() {
            let p = Matrix::rows(&*logits, size);
            if let Some(dh) = &mut grads.hidden {
                let dh = &mut dh[start * width..(start + count) * width];
                multiply(dh, [count, width, size], p, w.rows(width), at > 0, precision);
            }
            let [dw, db] = &mut grads.outputs[at];
            if let Some(dw) = dw {
                multiply(dw, [size, width, count], p.t(), h, started, precision);
            }
            if let Some(db) = db {
                logits.chunks_exact(size).for_each(|row| super::math::add_scaled(db, 1.0, row));
            }
        }
        started = true;
    }
    crate::cancel::check()?;
    if !started {
        grads.outputs.iter_mut().for_each(|[dw, _]| dw.iter_mut().for_each(|dw| dw.fill(0.0)));
    }
    Ok((loss, grads))
}

/// Result of [`linear_cross_entropy_there`], on the device of its operands.
pub struct LossThere {
    pub loss: Array,
    pub hidden: Option<Array>,
    /// For each output weight: the gradients of the weight and of its bias.
    pub outputs: Vec<[Option<Array>; 2]>,
}

/// [`linear_cross_entropy`] in candle operations, on a device other than the CPU: it also holds the logits of a few rows at a
/// time.
pub fn linear_cross_entropy_there(
    hidden: &Array,
    outputs: &[OutputWeight],
    targets: &[i64],
    shape: LossShape,
    learn_hidden: bool,
) -> Result<LossThere> {
    let (rows, vocabulary) = (hidden.dims()[0], outputs.iter().map(|output| output.weight.dims()[0]).sum());
    let learns = |output: &OutputWeight| output.trainable || output.bias_trainable;
    let learn = learn_hidden || outputs.iter().any(learns);
    let mut loss: Option<Array> = None;
    let (mut grads, mut of_hidden) = (vec![[None, None]; outputs.len()], Vec::new());
    let most = rows_at_once(rows, vocabulary, outputs.iter().any(|output| output.trainable));
    for start in (0..rows.max(1)).step_by(most) {
        crate::cancel::check()?;
        let count = most.min(rows - start);
        let h = hidden.narrow(0, start, count)?;
        let part = |output: &OutputWeight| reference::linear(&h, output.weight, output.bias, false);
        let parts = outputs.iter().map(part).collect::<Result<Vec<Array>>>()?;
        let logits = if let [one] = &parts[..] { one.clone() } else { Array::cat(&parts, 1)? };
        let logits = shape.cap.map_or(Ok(logits.clone()), |cap| reference::softcap(&logits, cap))?;
        let (part, slope) = reference::cross_entropy(&logits, &targets[start..][..count], shape.smoothing, learn)?;
        plus(&mut loss, part)?;
        let Some(slope) = slope else { continue };
        let slope = shape.cap.map_or(Ok(slope.clone()), |cap| reference::softcap_backward(&logits, &slope, cap))?;
        let (mut dh, mut from) = (None, 0);
        for (output, [dw, db]) in outputs.iter().zip(&mut grads) {
            let size = output.weight.dims()[0];
            let d = slope.narrow(1, from, size)?.contiguous()?;
            from += size;
            if learn_hidden {
                plus(&mut dh, reference::linear_input(&d, output.weight, false)?)?;
            }
            if output.trainable {
                plus(dw, reference::linear_weight(&h, &d, false)?.to_dtype(output.weight.dtype())?)?;
            }
            if output.bias_trainable {
                plus(db, reference::column_sum(&d)?)?;
            }
        }
        of_hidden.extend(dh);
    }
    let hidden = if learn_hidden { Some(Array::cat(&of_hidden, 0)?) } else { None };
    let Some(loss) = loss else { bail!("linear_cross_entropy", "there are no rows") };
    Ok(LossThere { loss, hidden, outputs: grads })
}

fn plus(sum: &mut Option<Array>, more: Array) -> Result<()> {
    *sum = Some(match sum.take() {
        Some(sum) => (sum + more)?,
        None => more,
    });
    Ok(())
}

/// The summed loss of logits [N, V] and, if `learn`, its gradient.
pub fn cross_entropy(logits: &Array, targets: &[i64], smoothing: f64, learn: bool) -> Result<(Array, Option<Array>)> {
    let (rows, vocabulary) = logits.dims2()?;
    check_targets("cross_entropy", rows, vocabulary, targets)?;
    if !fused(&[logits]) {
        return reference::cross_entropy(logits, targets, smoothing, learn);
    }
    let logits = logits.contiguous()?;
    let mut values = view::<f32>(&logits)?.to_vec();
    let plan = RowPlan { smoothing, cap: None, learn };
    let loss = rows_loss(&mut [(&mut values[..], vocabulary.max(1))], targets, plan);
    let grad = learn.then(|| array(values, &[rows, vocabulary])).transpose()?;
    Ok((array(vec![loss as f32], &[])?, grad))
}
