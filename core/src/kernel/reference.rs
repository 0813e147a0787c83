//! Reference operations, composed of candle operations: any dtype, any device, no fusion. The kernels are compared with them.

use super::mask::{AttentionMask, IGNORED, Sizes};
use super::rope_cache::RopeCache;
use super::score_scale::ScoreScale;
use super::{Array, DType, profile};
use crate::Result;
use candle_core::D;

/// Products and norms in half precision are computed in f32, as in the kernels.
fn wide(x: &Array) -> Result<Array> {
    Ok(match x.dtype() {
        DType::F32 | DType::F64 => x.clone(),
        _ => x.to_dtype(DType::F32)?,
    })
}

fn flat(x: &Array) -> Result<Array> {
    let width = x.dim(D::Minus1)?;
    Ok(x.contiguous()?.reshape(((), width))?)
}

/// x · y, with equal numbers of batches.
fn matmul(x: &Array, y: &Array) -> Result<Array> {
    if let (&[.., k], Some(n)) = (x.dims(), y.dims().last()) {
        profile::count_matmul([x.elem_count() / k.max(1), *n, k]);
    }
    Ok(x.matmul(y)?)
}

/// A transposed factor as the operand of a product: contiguous on the CPU, unchanged elsewhere.
fn in_rows(x: &Array) -> Result<Array> {
    if x.device().is_cpu() { Ok(x.contiguous()?) } else { Ok(x.clone()) }
}

fn same(x: &Array, like: &Array) -> Result<Array> {
    Ok(x.to_dtype(like.dtype())?)
}

pub fn linear(x: &Array, weight: &Array, bias: Option<&Array>, transposed: bool) -> Result<Array> {
    let w = wide(weight)?.to_dtype(wide(x)?.dtype())?;
    let w = if transposed { w } else { w.t()? };
    let mut y = matmul(&wide(&flat(x)?)?, &in_rows(&w)?)?;
    if let Some(bias) = bias {
        y = y.broadcast_add(&bias.to_dtype(y.dtype())?)?;
    }
    let mut dims = x.dims().to_vec();
    *dims.last_mut().expect("has a last dimension") = y.dim(1)?;
    same(&y.reshape(dims)?, x)
}

/// Numbers as products with quantized weights read them: in groups of 32, each rounded to the nearest of 255 levels up to the
/// largest magnitude.
pub fn round_int8(x: &Array) -> Result<Array> {
    let wide = wide(x)?.contiguous()?.reshape(((), 32))?;
    let scale = (wide.abs()?.max_keepdim(1)? / 127.0)?;
    // a group of zeros has scale 0
    let by = (&scale + scale.eq(0.0)?.to_dtype(wide.dtype())?)?;
    let levels = wide.broadcast_div(&by)?.round()?;
    same(&levels.broadcast_mul(&scale)?.reshape(x.dims())?, x)
}

pub fn linear_input(grad: &Array, weight: &Array, transposed: bool) -> Result<Array> {
    linear(grad, weight, None, !transposed)
}

pub fn linear_weight(x: &Array, grad: &Array, transposed: bool) -> Result<Array> {
    let (x, grad) = (wide(&flat(x)?)?, wide(&flat(grad)?)?);
    let (a, b) = if transposed { (x, grad) } else { (grad, x) };
    matmul(&in_rows(&a.t()?)?, &b)
}

pub fn column_sum(grad: &Array) -> Result<Array> {
    same(&wide(&flat(grad)?)?.sum(0)?, grad)
}

pub fn embedding(table: &Array, ids: &[u32], shape: &[usize]) -> Result<Array> {
    let ids = Array::from_slice(ids, ids.len(), table.device())?;
    Ok(table.contiguous()?.index_select(&ids, 0)?.reshape(shape)?)
}

pub fn embedding_backward(table: &Array, ids: &[u32], grad: &Array) -> Result<Array> {
    let ids = Array::from_slice(ids, ids.len(), table.device())?;
    let grad = flat(grad)?.to_dtype(table.dtype())?;
    Ok(table.zeros_like()?.index_add(&ids, &grad, 0)?)
}

fn rms(x: &Array, eps: f64) -> Result<Array> {
    let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
    Ok((mean + eps)?.sqrt()?.recip()?)
}

pub fn rms_norm(x: &Array, weight: &Array, eps: f64) -> Result<Array> {
    let wide_x = wide(x)?;
    let y = wide_x.broadcast_mul(&rms(&wide_x, eps)?)?.broadcast_mul(&weight.to_dtype(wide_x.dtype())?)?;
    same(&y, x)
}

pub fn rms_norm_backward(x: &Array, weight: &Array, grad: &Array, eps: f64) -> Result<Array> {
    let (xs, g) = (wide(x)?, wide(grad)?);
    let s = rms(&xs, eps)?;
    let gw = g.broadcast_mul(&weight.to_dtype(g.dtype())?)?;
    let pull = (gw.mul(&xs)?.mean_keepdim(D::Minus1)? * s.sqr()?)?;
    same(&(gw - xs.broadcast_mul(&pull)?)?.broadcast_mul(&s)?, x)
}

pub fn rms_norm_weight(x: &Array, weight: &Array, grad: &Array, eps: f64) -> Result<Array> {
    let xs = wide(x)?;
    let normed = xs.broadcast_mul(&rms(&xs, eps)?)?;
    same(&column_sum(&normed.mul(&wide(grad)?)?)?, weight)
}

/// x̂ and 1 / deviation.
fn standard(x: &Array, eps: f64) -> Result<(Array, Array)> {
    let centered = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let s = rms(&centered, eps)?;
    Ok((centered.broadcast_mul(&s)?, s))
}

pub fn layer_norm(x: &Array, weight: &Array, bias: Option<&Array>, eps: f64) -> Result<Array> {
    let (normed, _) = standard(&wide(x)?, eps)?;
    let mut y = normed.broadcast_mul(&weight.to_dtype(normed.dtype())?)?;
    if let Some(bias) = bias {
        y = y.broadcast_add(&bias.to_dtype(y.dtype())?)?;
    }
    same(&y, x)
}

pub fn layer_norm_backward(x: &Array, weight: &Array, grad: &Array, eps: f64) -> Result<Array> {
    let (normed, s) = standard(&wide(x)?, eps)?;
    let gw = wide(grad)?.broadcast_mul(&weight.to_dtype(normed.dtype())?)?;
    let push = gw.mean_keepdim(D::Minus1)?;
    let pull = gw.mul(&normed)?.mean_keepdim(D::Minus1)?;
    same(&(gw.broadcast_sub(&push)? - normed.broadcast_mul(&pull)?)?.broadcast_mul(&s)?, x)
}

pub fn layer_norm_weight(x: &Array, weight: &Array, grad: &Array, eps: f64) -> Result<Array> {
    let (normed, _) = standard(&wide(x)?, eps)?;
    same(&column_sum(&normed.mul(&wide(grad)?)?)?, weight)
}

fn sigmoid(x: &Array) -> Result<Array> {
    Ok((x.neg()?.exp()? + 1.0)?.recip()?)
}

pub fn silu(x: &Array) -> Result<Array> {
    let xs = wide(x)?;
    same(&xs.mul(&sigmoid(&xs)?)?, x)
}

pub fn silu_backward(x: &Array, grad: &Array) -> Result<Array> {
    let xs = wide(x)?;
    let s = sigmoid(&xs)?;
    let slope = (&s * ((&xs * (1.0 - &s)?)? + 1.0)?)?;
    same(&wide(grad)?.mul(&slope)?, x)
}

pub fn gelu(x: &Array, tanh: bool) -> Result<Array> {
    let xs = wide(x)?;
    same(&if tanh { xs.gelu()? } else { xs.gelu_erf()? }, x)
}

pub fn gelu_backward(x: &Array, grad: &Array, tanh: bool) -> Result<Array> {
    let xs = wide(x)?;
    let slope = if tanh {
        let root = (2.0 / std::f64::consts::PI).sqrt();
        let t = ((&xs + (xs.powf(3.0)? * 0.044715)?)? * root)?.tanh()?;
        let inner = ((xs.sqr()? * (3.0 * 0.044715 * root))? + root)?;
        let bend = ((&xs * (1.0 - t.sqr()?)?)? * inner)?;
        (((t + 1.0)? + bend)? * 0.5)?
    } else {
        let whole = (((&xs * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)? * 0.5)?;
        let density = ((xs.sqr()? * -0.5)?.exp()? * (1.0 / (2.0 * std::f64::consts::PI).sqrt()))?;
        (whole + (&xs * density)?)?
    };
    same(&wide(grad)?.mul(&slope)?, x)
}

pub fn swiglu(gate: &Array, up: &Array) -> Result<Array> {
    Ok(silu(gate)?.mul(up)?)
}

pub fn swiglu_backward(gate: &Array, up: &Array, grad: &Array) -> Result<(Array, Array)> {
    Ok((silu_backward(gate, &grad.mul(up)?)?, grad.mul(&silu(gate)?)?))
}

pub fn rotate(x: &Array, rope: &RopeCache, positions: &[u32], back: bool) -> Result<Array> {
    let (rows, length, _, head) = x.dims4()?;
    let half = rope.half;
    let xs = wide(x)?;
    let at = |table: Array| -> Result<Array> { Ok(table.reshape((rows, length, 1, half))?.to_dtype(xs.dtype())?) };
    let [cos, sin] = rope.rows(positions, x.device())?;
    let (cos, sin) = (at(cos)?, at(if back { sin.neg()? } else { sin })?);
    let (x1, x2) = (xs.narrow(3, 0, half)?, xs.narrow(3, half, half)?);
    let y1 = (x1.broadcast_mul(&cos)? - x2.broadcast_mul(&sin)?)?;
    let y2 = (x2.broadcast_mul(&cos)? + x1.broadcast_mul(&sin)?)?;
    let mut parts = vec![y1, y2];
    if 2 * half < head {
        parts.push(xs.narrow(3, 2 * half, head - 2 * half)?);
    }
    same(&Array::cat(&parts, 3)?, x)
}

/// [B, T, H, D] as [B, H, T, D], with K heads repeated for H.
fn by_head(x: &Array, heads: usize) -> Result<Array> {
    let (rows, length, own, head) = x.dims4()?;
    let x = wide(x)?.transpose(1, 2)?.contiguous()?;
    if own == heads {
        return Ok(x);
    }
    let wide = x.unsqueeze(2)?.broadcast_as((rows, own, heads / own, length, head))?;
    Ok(wide.contiguous()?.reshape((rows, heads, length, head))?)
}

pub fn softcap(x: &Array, cap: f64) -> Result<Array> {
    same(&((wide(x)? / cap)?.tanh()? * cap)?, x)
}

pub fn softcap_backward(y: &Array, grad: &Array, cap: f64) -> Result<Array> {
    same(&(wide(grad)? * softcap_slope(&wide(y)?, cap)?)?, y)
}

/// The derivative of a soft cap, from its output.
fn softcap_slope(y: &Array, cap: f64) -> Result<Array> {
    Ok((1.0 - (y / cap)?.sqr()?)?)
}

/// The scores [B, H, T, S] of queries and keys, scaled and capped.
fn scores(q: &Array, k: &Array, scale: ScoreScale) -> Result<Array> {
    let scores = (matmul(q, &k.t()?.contiguous()?)? * scale.by)?;
    scale.cap.map_or(Ok(scores.clone()), |cap| softcap(&scores, cap))
}

/// The probabilities [B, H, T, S]; a row that attends to nothing is zero.
fn probabilities(scores: &Array, mask: &AttentionMask, sizes: Sizes) -> Result<Array> {
    let seen = mask.seen(sizes, scores)?;
    let scores = scores.broadcast_add(&((&seen - 1.0)? * 1e30)?)?;
    let e = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?.broadcast_mul(&seen)?;
    let total = e.sum_keepdim(D::Minus1)?;
    Ok(e.broadcast_div(&total.maximum(1e-30)?)?)
}

/// Weights times their dropout factors.
pub(super) fn dropped(weights: Array, factors: Option<&Array>) -> Result<Array> {
    match factors {
        Some(factors) => Ok(weights.mul(factors)?),
        None => Ok(weights),
    }
}

pub fn attention(q: &Array, k: &Array, v: &Array, scale: ScoreScale, mask: &AttentionMask) -> Result<Array> {
    let sizes = Sizes::new(q, k, v)?;
    let scores = scores(&by_head(q, sizes.heads)?, &by_head(k, sizes.heads)?, scale)?;
    let p = probabilities(&scores, mask, sizes)?;
    let p = dropped(p, mask.factors(sizes, q)?.as_ref())?;
    same(&matmul(&p, &by_head(v, sizes.heads)?)?.transpose(1, 2)?.contiguous()?, q)
}

pub fn attention_backward(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: ScoreScale,
    mask: &AttentionMask,
    grad: &Array,
) -> Result<[Array; 3]> {
    let sizes = Sizes::new(q, k, v)?;
    let (qh, kh, vh) = (by_head(q, sizes.heads)?, by_head(k, sizes.heads)?, by_head(v, sizes.heads)?);
    let g = by_head(grad, sizes.heads)?;
    let scores = scores(&qh, &kh, scale)?;
    let p = probabilities(&scores, mask, sizes)?;
    let factors = mask.factors(sizes, &p)?;
    let dp = dropped(matmul(&g, &vh.t()?.contiguous()?)?, factors.as_ref())?;
    let delta = (&dp * &p)?.sum_keepdim(D::Minus1)?;
    let ds = ((dp.broadcast_sub(&delta)? * &p)? * scale.by)?;
    let ds = scale.cap.map_or(Ok(ds.clone()), |cap| -> Result<Array> { Ok((ds * softcap_slope(&scores, cap)?)?) })?;
    let p = dropped(p, factors.as_ref())?;
    let transposed = |x: &Array| -> Result<Array> { Ok(x.transpose(2, 3)?.contiguous()?) };
    let (dq, dk, dv) = (matmul(&ds, &kh)?, matmul(&transposed(&ds)?, &qh)?, matmul(&transposed(&p)?, &g)?);
    let grouped = |x: Array| -> Result<Array> {
        let (rows, heads, length, head) = x.dims4()?;
        let x = x.reshape((rows, sizes.kv_heads, heads / sizes.kv_heads, length, head))?.sum(2)?;
        same(&x.transpose(1, 2)?.contiguous()?, k)
    };
    Ok([same(&dq.transpose(1, 2)?.contiguous()?, q)?, grouped(dk)?, grouped(dv)?])
}

/// The summed loss and, if `learn`, the gradient of the logits.
pub fn cross_entropy(logits: &Array, targets: &[i64], smoothing: f64, learn: bool) -> Result<(Array, Option<Array>)> {
    let (_, vocabulary) = logits.dims2()?;
    let wide = wide(logits)?;
    let (dtype, device) = (wide.dtype(), wide.device());
    let live: Vec<f32> = targets.iter().map(|t| if *t == IGNORED { 0.0 } else { 1.0 }).collect();
    let live = Array::from_vec(live, (targets.len(), 1), device)?.to_dtype(dtype)?;
    let ids: Vec<u32> = targets.iter().map(|t| (*t).max(0) as u32).collect();
    let ids = Array::from_vec(ids, (targets.len(), 1), device)?;
    let shifted = wide.broadcast_sub(&wide.max_keepdim(1)?)?;
    let log_p = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(1)?.log()?)?;
    let right = (log_p.gather(&ids, 1)? * (smoothing - 1.0))?;
    let spread = (log_p.sum_keepdim(1)? * (-smoothing / vocabulary as f64))?;
    let loss = ((right + spread)? * &live)?.sum_all()?;
    let grad = || -> Result<Array> {
        let share = (log_p.exp()? - smoothing / vocabulary as f64)?;
        // Metal has no f64
        let hit = match dtype {
            DType::F64 => Array::full(smoothing - 1.0, (targets.len(), 1), device)?,
            _ => Array::full((smoothing - 1.0) as f32, (targets.len(), 1), device)?,
        };
        same(&share.scatter_add(&ids, &hit, 1)?.broadcast_mul(&live)?, logits)
    };
    Ok((same(&loss, logits)?, learn.then(grad).transpose()?))
}
