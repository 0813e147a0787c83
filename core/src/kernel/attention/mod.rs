//! Attention in blocks: softmax(q·kᵀ·scale)·v without a matrix of all scores, memory linear in length.
//!
//! A query attends to a range of keys (causal, window and packed segments are all ranges), so blocks out of range are never
//! computed. Forward stores the result and one log-sum-exp per row and head; backward recomputes the scores, block by block
//! (FlashAttention, Dao et al. 2022).

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
mod blocks;
#[cfg(target_arch = "x86_64")]
mod packed;

use super::mask::{AttentionMask, Sizes};
use super::score_scale::ScoreScale;
use super::view::{array, view};
use super::{Array, Precision, fused, reference};
use crate::Result;

/// Attention of `q [B, T, H, D]` over `k`, `v` `[B, S, K, D]`; T queries are the last of S positions.
/// Returns the result and the log-sum-exp of each row's scores, `[B, H, T]` (empty from the reference).
pub fn attention(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: ScoreScale,
    mask: &AttentionMask,
    precision: Precision,
) -> Result<(Array, Vec<f32>)> {
    let sizes = Sizes::new(q, k, v)?;
    let _ = precision; // only x86 has packed blocks
    if !fused(&[q, k, v]) {
        return Ok((reference::attention(q, k, v, scale, mask)?, vec![]));
    }
    let (q, k, v) = (q.contiguous()?, k.contiguous()?, v.contiguous()?);
    let (qs, ks, vs) = (view::<f32>(&q)?, view::<f32>(&k)?, view::<f32>(&v)?);
    #[cfg(target_arch = "x86_64")]
    if packed::supports(sizes, precision) {
        let (out, log_sum_exp) = packed::forward(&qs, &ks, &vs, sizes, scale, mask, precision)?;
        return Ok((array(out, q.dims())?, log_sum_exp));
    }
    let (out, log_sum_exp) = blocks::forward(&qs, &ks, &vs, sizes, scale, mask)?;
    Ok((array(out, q.dims())?, log_sum_exp))
}

/// The gradients of q, k and v.
#[allow(clippy::too_many_arguments)]
pub fn attention_backward(
    q: &Array,
    k: &Array,
    v: &Array,
    scale: ScoreScale,
    mask: &AttentionMask,
    out: &Array,
    log_sum_exp: &[f32],
    grad: &Array,
    precision: Precision,
) -> Result<[Array; 3]> {
    let _ = precision;
    if log_sum_exp.is_empty() || !fused(&[q, k, v, grad]) {
        return reference::attention_backward(q, k, v, scale, mask, grad);
    }
    let sizes = Sizes::new(q, k, v)?;
    let (q, k, v, grad) = (q.contiguous()?, k.contiguous()?, v.contiguous()?, grad.contiguous()?);
    let (qs, ks, vs) = (view::<f32>(&q)?, view::<f32>(&k)?, view::<f32>(&v)?);
    let (o, g) = (view::<f32>(out)?, view::<f32>(&grad)?);
    #[cfg(target_arch = "x86_64")]
    if packed::supports(sizes, precision) {
        let given = packed::BackwardInput { q: &qs, k: &ks, v: &vs, out: &o, log_sum_exp, grad: &g };
        let (dq, dk, dv) = packed::backward(&given, sizes, scale, mask, precision)?;
        return Ok([array(dq, q.dims())?, array(dk, k.dims())?, array(dv, v.dims())?]);
    }
    let (dq, dk, dv) = blocks::backward(&qs, &ks, &vs, sizes, scale, mask, &o, log_sum_exp, &g)?;
    Ok([array(dq, q.dims())?, array(dk, k.dims())?, array(dv, v.dims())?])
}
