//! rms_norm and layer_norm over the last dimension.

use super::buffer::unwritten;
use super::math::{fma, fold, simd};
use super::view::{array, view};
use super::{Array, fused, parallel, reference};
use crate::{Result, bail};
use std::ops::Range;

simd! {
    /// Normalizes rows of equal width and keeps 1 / root mean square of each in `scales`.
    pub(super) fn rms_rows(x: &[f32], w: &[f32], y: &mut [f32], scales: &mut [f32], eps: f64) {
        let width = w.len();
        for ((x, y), scale) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(scales) {
            let mut sums = [0f32; 16];
            let mut chunks = x.chunks_exact(16);
            for chunk in &mut chunks {
                for i in 0..16 {
                    sums[i] = fma::<FMA>(chunk[i], chunk[i], sums[i]);
                }
            }
            for (x, sum) in chunks.remainder().iter().zip(&mut sums) {
                *sum = fma::<FMA>(*x, *x, *sum);
            }
            *scale = (1.0 / (fold(&sums) as f64 / width as f64 + eps).sqrt()) as f32;
            for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                *y = *x * *scale * *w;
            }
        }
    }
}

simd! {
    /// dx = s·(g∘w − x·s²·mean(g∘w∘x))
    fn rms_back(x: &[f32], w: &[f32], g: &[f32], scales: &[f32], dx: &mut [f32]) {
        let width = w.len();
        let rows = x.chunks_exact(width).zip(g.chunks_exact(width)).zip(dx.chunks_exact_mut(width)).zip(scales);
        for (((x, g), dx), scale) in rows {
            let mut sums = [0f32; 16];
            let (mut xs, mut gs, mut ws) = (x.chunks_exact(16), g.chunks_exact(16), w.chunks_exact(16));
            for ((x, g), w) in (&mut xs).zip(&mut gs).zip(&mut ws) {
                for i in 0..16 {
                    sums[i] = fma::<FMA>(g[i] * w[i], x[i], sums[i]);
                }
            }
            for (((x, g), w), sum) in xs.remainder().iter().zip(gs.remainder()).zip(ws.remainder()).zip(&mut sums) {
                *sum = fma::<FMA>(*g * *w, *x, *sum);
            }
            let pull = fold(&sums) / width as f32 * *scale * *scale;
            for (((dx, x), g), w) in dx.iter_mut().zip(x).zip(g).zip(w) {
                *dx = *scale * fma::<FMA>(-*x, pull, *g * *w);
            }
        }
    }
}

simd! {
    /// sums += g∘x·s, row after row
    fn rms_weight(x: &[f32], g: &[f32], scales: &[f32], sums: &mut [f32]) {
        let width = sums.len();
        for ((x, g), scale) in x.chunks_exact(width).zip(g.chunks_exact(width)).zip(scales) {
            for ((sum, x), g) in sums.iter_mut().zip(x).zip(g) {
                *sum = fma::<FMA>(*x * *scale, *g, *sum);
            }
        }
    }
}

/// What a norm's backward needs besides its input: per row 1 / deviation, and for layer_norm the mean.
pub struct Saved {
    scales: Vec<f32>,
    means: Vec<f32>,
}

/// x / √(mean(x²) + eps) · weight
pub fn rms_norm(x: &Array, weight: &Array, eps: f64) -> Result<(Array, Saved)> {
    let width = check("rms_norm", x, weight)?;
    if !fused(&[x, weight]) {
        return Ok((reference::rms_norm(x, weight, eps)?, Saved { scales: vec![], means: vec![] }));
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    let (xs, w) = (view::<f32>(&x)?, view::<f32>(&weight)?);
    let (xs, w): (&[f32], &[f32]) = (&xs, &w);
    let mut y = unwritten(xs.len());
    let mut scales = vec![0.0; xs.len() / width];
    parallel::rows2(&mut y, width, &mut scales, 1, |row, y, scales| {
        rms_rows(&xs[row * width..][..y.len()], w, y, scales, eps)
    });
    Ok((array(y, x.dims())?, Saved { scales, means: vec![] }))
}

/// The gradient of x.
pub fn rms_norm_backward(x: &Array, weight: &Array, grad: &Array, eps: f64, saved: &Saved) -> Result<Array> {
    if saved.scales.is_empty() || !fused(&[x, weight, grad]) {
        return reference::rms_norm_backward(x, weight, grad, eps);
    }
    let (x, weight, grad) = (x.contiguous()?, weight.contiguous()?, grad.contiguous()?);
    let (xs, w, g) = (view::<f32>(&x)?, view::<f32>(&weight)?, view::<f32>(&grad)?);
    let (xs, w, g): (&[f32], &[f32], &[f32]) = (&xs, &w, &g);
    let mut dx = unwritten(xs.len());
    parallel::rows(&mut dx, w.len(), |row, dx| {
        let (start, count) = (row * w.len(), dx.len() / w.len());
        rms_back(&xs[start..][..dx.len()], w, &g[start..][..dx.len()], &saved.scales[row..row + count], dx)
    });
    array(dx, x.dims())
}

/// The gradient of weight.
pub fn rms_norm_weight(x: &Array, weight: &Array, grad: &Array, eps: f64, saved: &Saved) -> Result<Array> {
    if saved.scales.is_empty() || !fused(&[x, grad]) {
        return reference::rms_norm_weight(x, weight, grad, eps);
    }
    weight_gradient(x, weight, grad, |x, g, rows, sums| rms_weight(x, g, &saved.scales[rows], sums))
}

/// The gradient of a norm's weight: `add(x, grad, rows, sums)` for the rows of each piece.
fn weight_gradient(
    x: &Array,
    weight: &Array,
    grad: &Array,
    add: impl Fn(&[f32], &[f32], Range<usize>, &mut [f32]) + Sync,
) -> Result<Array> {
    let (x, grad) = (x.contiguous()?, grad.contiguous()?);
    let (xs, g) = (view::<f32>(&x)?, view::<f32>(&grad)?);
    let (xs, g): (&[f32], &[f32]) = (&xs, &g);
    let width = weight.elem_count();
    let sums = parallel::columns(xs.len() / width.max(1), width, |rows, sums| {
        let span = flat(&rows, width);
        add(&xs[span.clone()], &g[span], rows, sums)
    });
    array(sums, weight.dims())
}

simd! {
    fn layer_rows(x: &[f32], w: &[f32], b: &[f32], y: &mut [f32], scales: &mut [f32], means: &mut [f32], eps: f64) {
        let width = w.len();
        let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(scales.iter_mut().zip(means));
        for ((x, y), (scale, mean)) in rows {
            *mean = super::math::sum(x) / width as f32;
            let mut sums = [0f32; 16];
            let mut chunks = x.chunks_exact(16);
            for chunk in &mut chunks {
                for i in 0..16 {
                    sums[i] = fma::<FMA>(chunk[i] - *mean, chunk[i] - *mean, sums[i]);
                }
            }
            for (x, sum) in chunks.remainder().iter().zip(&mut sums) {
                *sum = fma::<FMA>(*x - *mean, *x - *mean, *sum);
            }
            *scale = (1.0 / (fold(&sums) as f64 / width as f64 + eps).sqrt()) as f32;
            if b.is_empty() {
                for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                    *y = (*x - *mean) * *scale * *w;
                }
            } else {
                for (((y, x), w), b) in y.iter_mut().zip(x).zip(w).zip(b) {
                    *y = fma::<FMA>((*x - *mean) * *scale, *w, *b);
                }
            }
        }
    }
}

simd! {
    /// dx = s·(g∘w − mean(g∘w) − x̂·mean(g∘w∘x̂))
    fn layer_back(x: &[f32], w: &[f32], g: &[f32], scales: &[f32], means: &[f32], dx: &mut [f32]) {
        let width = w.len();
        let rows = x.chunks_exact(width).zip(g.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
        for (((x, g), dx), (scale, mean)) in rows.zip(scales.iter().zip(means)) {
            for ((dx, g), w) in dx.iter_mut().zip(g).zip(w) {
                *dx = *g * *w;
            }
            let push = super::math::sum(dx) / width as f32;
            let mut sums = [0f32; 16];
            for (x, dx) in x.chunks(16).zip(dx.chunks(16)) {
                for ((x, dx), sum) in x.iter().zip(dx).zip(&mut sums) {
                    *sum = fma::<FMA>((*x - *mean) * *scale, *dx, *sum);
                }
            }
            let pull = fold(&sums) / width as f32;
            for (dx, x) in dx.iter_mut().zip(x) {
                *dx = *scale * (*dx - push - (*x - *mean) * *scale * pull);
            }
        }
    }
}

simd! {
    fn layer_weight(x: &[f32], g: &[f32], scales: &[f32], means: &[f32], sums: &mut [f32]) {
        let width = sums.len();
        for ((x, g), (scale, mean)) in x.chunks_exact(width).zip(g.chunks_exact(width)).zip(scales.iter().zip(means)) {
            for ((sum, x), g) in sums.iter_mut().zip(x).zip(g) {
                *sum = fma::<FMA>((*x - *mean) * *scale, *g, *sum);
            }
        }
    }
}

/// (x − mean) / √(variance + eps) · weight + bias
pub fn layer_norm(x: &Array, weight: &Array, bias: Option<&Array>, eps: f64) -> Result<(Array, Saved)> {
    let width = check("layer_norm", x, weight)?;
    if let Some(bias) = bias {
        check("layer_norm", x, bias)?;
    }
    if !fused(&[x, weight, bias.unwrap_or(weight)]) {
        return Ok((reference::layer_norm(x, weight, bias, eps)?, Saved { scales: vec![], means: vec![] }));
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    let bias = bias.map(|bias| bias.contiguous()).transpose()?;
    let (xs, w) = (view::<f32>(&x)?, view::<f32>(&weight)?);
    let b = bias.as_ref().map(view::<f32>).transpose()?;
    let (xs, w, b): (&[f32], &[f32], &[f32]) = (&xs, &w, b.as_deref().unwrap_or(&[]));
    let count = xs.len() / width;
    let mut y = unwritten(xs.len());
    let mut stats = vec![0.0; count * 2];
    parallel::rows2(&mut y, width, &mut stats, 2, |row, y, stats| {
        let mut scales = vec![0.0; stats.len() / 2];
        let mut means = scales.clone();
        layer_rows(&xs[row * width..][..y.len()], w, b, y, &mut scales, &mut means, eps);
        for (stat, (scale, mean)) in stats.chunks_exact_mut(2).zip(scales.iter().zip(&means)) {
            stat.copy_from_slice(&[*scale, *mean]);
        }
    });
    let scales = stats.iter().step_by(2).copied().collect();
    let means = stats.iter().skip(1).step_by(2).copied().collect();
    Ok((array(y, x.dims())?, Saved { scales, means }))
}

/// The gradient of x.
pub fn layer_norm_backward(x: &Array, weight: &Array, grad: &Array, eps: f64, saved: &Saved) -> Result<Array> {
    if saved.scales.is_empty() || !fused(&[x, weight, grad]) {
        return reference::layer_norm_backward(x, weight, grad, eps);
    }
    let (x, weight, grad) = (x.contiguous()?, weight.contiguous()?, grad.contiguous()?);
    let (xs, w, g) = (view::<f32>(&x)?, view::<f32>(&weight)?, view::<f32>(&grad)?);
    let (xs, w, g): (&[f32], &[f32], &[f32]) = (&xs, &w, &g);
    let mut dx = unwritten(xs.len());
    parallel::rows(&mut dx, w.len(), |row, dx| {
        let (start, end) = (row * w.len(), row + dx.len() / w.len());
        let (scales, means) = (&saved.scales[row..end], &saved.means[row..end]);
        layer_back(&xs[start..][..dx.len()], w, &g[start..][..dx.len()], scales, means, dx)
    });
    array(dx, x.dims())
}

/// The gradient of weight. The gradient of the bias is the column sum of `grad`.
pub fn layer_norm_weight(x: &Array, weight: &Array, grad: &Array, eps: f64, saved: &Saved) -> Result<Array> {
    if saved.scales.is_empty() || !fused(&[x, grad]) {
        return reference::layer_norm_weight(x, weight, grad, eps);
    }
    weight_gradient(x, weight, grad, |x, g, rows, sums| {
        layer_weight(x, g, &saved.scales[rows.clone()], &saved.means[rows], sums)
    })
}

simd! {
    fn add_rows(x: &[f32], sums: &mut [f32]) {
        for x in x.chunks_exact(sums.len()) {
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += x;
            }
        }
    }
}

/// The sum over all dimensions except the last: the gradient of a bias.
pub fn column_sum(grad: &Array) -> Result<Array> {
    let width = *grad.dims().last().unwrap_or(&1);
    if !fused(&[grad]) {
        return reference::column_sum(grad);
    }
    let grad = grad.contiguous()?;
    let g = view::<f32>(&grad)?;
    let g: &[f32] = &g;
    let sums = parallel::columns(g.len() / width.max(1), width, |rows, sums| add_rows(&g[flat(&rows, width)], sums));
    array(sums, &[width])
}

fn flat(rows: &Range<usize>, width: usize) -> Range<usize> {
    rows.start * width..rows.end * width
}

fn check(verb: &str, x: &Array, weight: &Array) -> Result<usize> {
    let width = x.dims().last().copied().unwrap_or(0);
    if width == 0 || weight.dims() != [width] {
        bail!(verb, "weight of shape {:?} for rows of shape {:?}", weight.dims(), x.dims());
    }
    Ok(width)
}
