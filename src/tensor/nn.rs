//! Layers on the tape: each pairs a kernel's forward and backward.

use super::{Array, DType, Flow, Rng, Tensor};
use crate::kernel::mask::{AttentionMask, Sizes};
use crate::kernel::quant::Blocks;
use crate::kernel::rope_cache::RopeCache;
use crate::kernel::{
    self, activation, attention as blocks, loss, matmul, norm, reference, rotary as rope, softcap as limits,
};
use crate::{Error, Result, bail};
use std::sync::Arc;

pub use super::disentangled::{Distances, disentangled_attention};
pub use super::rotary::{Rotary, RotaryScaling};
pub use crate::kernel::Precision;
pub use crate::kernel::dropout::Dropout;
pub use crate::kernel::loss::LossShape;
pub use crate::kernel::mask::Mask;
pub use crate::kernel::score_scale::ScoreScale;

/// x [.., in] · weightᵀ + bias, for a weight [out, in].
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, precision: Precision) -> Result<Tensor> {
    linear_product(x, weight, bias, false, precision)
}

/// x [.., in] · weight + bias, for a weight [in, out] (GPT-2's Conv1D).
pub fn linear_transposed(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, precision: Precision) -> Result<Tensor> {
    linear_product(x, weight, bias, true, precision)
}

/// x [.., in] · weightᵀ + bias for a quantized weight [out, in], which is dequantized tile by tile and has no gradient.
pub fn linear_blocks(x: &Tensor, weight: &Arc<Blocks>, bias: Option<&Tensor>, precision: Precision) -> Result<Tensor> {
    let (y, blocks) = (weight.linear(&x.value(), precision)?, weight.clone());
    let y = Tensor::derive(y, [x], move |grad, flow| flow.add(0, || blocks.linear_input(&grad, precision)));
    match bias {
        Some(bias) => super::ops::add(&y, bias),
        None => Ok(y),
    }
}

fn linear_product(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, turned: bool, p: Precision) -> Result<Tensor> {
    let (xs, w) = (x.value(), weight.value());
    let y = matmul::linear(&xs, &w, bias.map(Tensor::value).as_ref(), turned, p)?;
    let inputs = [Some(x), Some(weight), bias];
    let inputs: Vec<&Tensor> = inputs.into_iter().flatten().collect();
    // a frozen weight does not need the input again
    let xs = Tensor::records(&[weight]).then_some(xs);
    Ok(Tensor::derive_from(y, &inputs, move |grad, flow| {
        flow.add(0, || matmul::linear_input(&grad, &w, turned, p))?;
        if let Some(xs) = xs {
            weight_gradient(flow, &xs, &w, &grad, turned, p)?;
        }
        if flow.inputs() > 2 { flow.add(2, || norm::column_sum(&grad)) } else { Ok(()) }
    }))
}

fn weight_gradient(flow: &mut Flow, x: &Array, w: &Array, grad: &Array, turned: bool, p: Precision) -> Result<()> {
    if matmul::accumulates(x, w) {
        return flow.accumulate(1, w.dims(), |sum, first| matmul::linear_accumulate(x, grad, turned, p, sum, first));
    }
    flow.add(1, || Ok(reference::linear_weight(x, grad, turned)?.to_dtype(w.dtype())?))
}

/// Rows `ids` of `table [V, D]`, in a tensor of shape `dims + [D]`. An id outside the table is an error that names it.
pub fn embedding(table: &Tensor, ids: &[u32], dims: &[usize]) -> Result<Tensor> {
    let rows = table.value();
    let y = kernel::embedding::embedding(&rows, ids, dims)?;
    let ids = ids.to_vec();
    Ok(Tensor::derive(y, [table], move |grad, flow| {
        if kernel::fused(&[&rows, &grad]) {
            let add = |sum: &mut [f32], first| kernel::embedding::embedding_accumulate(&grad, &ids, sum, first);
            return flow.accumulate(0, rows.dims(), add);
        }
        flow.add(0, || reference::embedding_backward(&rows, &ids, &grad))
    }))
}

/// x / √(mean(x²) + eps) · weight, over the last dimension.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let (xs, w) = (x.value(), weight.value());
    let (y, saved) = norm::rms_norm(&xs, &w, eps)?;
    Ok(Tensor::derive(y, [x, weight], move |grad, flow| {
        flow.add(0, || norm::rms_norm_backward(&xs, &w, &grad, eps, &saved))?;
        flow.add(1, || norm::rms_norm_weight(&xs, &w, &grad, eps, &saved))
    }))
}

/// (x − mean) / √(variance + eps) · weight + bias, over the last dimension.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, eps: f64) -> Result<Tensor> {
    let (xs, w) = (x.value(), weight.value());
    let (y, saved) = norm::layer_norm(&xs, &w, bias.map(Tensor::value).as_ref(), eps)?;
    let inputs: Vec<&Tensor> = [Some(x), Some(weight), bias].into_iter().flatten().collect();
    Ok(Tensor::derive_from(y, &inputs, move |grad, flow| {
        flow.add(0, || norm::layer_norm_backward(&xs, &w, &grad, eps, &saved))?;
        flow.add(1, || norm::layer_norm_weight(&xs, &w, &grad, eps, &saved))?;
        if flow.inputs() > 2 { flow.add(2, || norm::column_sum(&grad)) } else { Ok(()) }
    }))
}

/// x / (1 + e^-x)
pub fn silu(x: &Tensor) -> Result<Tensor> {
    let xs = x.value();
    let y = activation::silu(&xs)?;
    Ok(Tensor::derive(y, [x], move |grad, flow| flow.add(0, || activation::silu_backward(&xs, &grad))))
}

/// x Φ(x), by the error function, or with `tanh` by its approximation (GPT-2's `gelu_new`).
pub fn gelu(x: &Tensor, tanh: bool) -> Result<Tensor> {
    let xs = x.value();
    let y = activation::gelu(&xs, tanh)?;
    Ok(Tensor::derive(y, [x], move |grad, flow| flow.add(0, || activation::gelu_backward(&xs, &grad, tanh))))
}

/// cap · tanh(x / cap): numbers near 0 are nearly unchanged, and none exceeds the cap.
pub fn softcap(x: &Tensor, cap: f64) -> Result<Tensor> {
    let y = limits::softcap(&x.value(), cap)?;
    let limited = y.clone();
    Ok(Tensor::derive(y, [x], move |grad, flow| flow.add(0, || limits::softcap_backward(&limited, &grad, cap))))
}

/// silu(gate) · up
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let (g, u) = (gate.value(), up.value());
    if g.dims() != u.dims() {
        bail!("swiglu", "gate {:?} and up {:?} are not of one shape", g.dims(), u.dims());
    }
    let y = activation::swiglu(&g, &u)?;
    Ok(Tensor::derive(y, [gate, up], move |grad, flow| {
        let (dg, du) = activation::swiglu_backward(&g, &u, &grad)?;
        flow.add(0, || Ok(dg))?;
        flow.add(1, || Ok(du))
    }))
}

/// Applies RoPE to x [B, T, H, D] at `positions` (B*T), in pairs (i, i + D/2) as Hugging Face's `rotate_half`. The positions of a
/// row are one sequence.
pub fn rotary(x: &Tensor, rotary: &Arc<Rotary>, positions: &[u32]) -> Result<Tensor> {
    rotate(x, rotary.rope_cache(last_position(rotary, positions)?), positions)
}

/// The same for tokens of several sequences, each with the frequencies of its own length. `sequences` are indices into
/// `positions`.
pub fn rotary_of(x: &Tensor, rotary: &Arc<Rotary>, sequences: &[Vec<u32>], positions: &[u32]) -> Result<Tensor> {
    last_position(rotary, positions)?;
    let (angles, places) = rotary.sequence_cache(sequences, positions);
    rotate(x, angles, &places)
}

fn last_position(rotary: &Rotary, positions: &[u32]) -> Result<u32> {
    let last = positions.iter().copied().max().unwrap_or(0);
    match super::ops::volume("rotary", &[last as usize + 1, 2 * rotary.half()]) {
        Ok(_) => Ok(last),
        Err(_) => Err(Error::new("rotary", format!("there is no memory for the angles of position {last}"))),
    }
}

/// The same with precomputed angles.
pub fn rotate(x: &Tensor, cache: Arc<RopeCache>, positions: &[u32]) -> Result<Tensor> {
    let xs = x.value();
    match *xs.dims() {
        [rows, length, _, head] if rows * length == positions.len() && head >= 2 * cache.half => {}
        _ => bail!("rotary", "{} positions for heads of shape {:?}", positions.len(), xs.dims()),
    }
    let y = rope::rotate(&xs, &cache, positions, false)?;
    let positions = positions.to_vec();
    Ok(Tensor::derive(y, [x], move |grad, flow| flow.add(0, || rope::rotate(&grad, &cache, &positions, true))))
}

/// softmax(q·kᵀ·scale)·v for q [B, T, H, D] over k, v [B, S, K, D]: H a multiple of K (grouped heads), and the T queries are the
/// last of S positions (earlier keys come from a cache). A query that attends to nothing returns 0.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: impl Into<ScoreScale>,
    mask: &Mask,
    precision: Precision,
) -> Result<Tensor> {
    let sizes = Sizes::new(&q.value(), &k.value(), &v.value())?;
    if sizes.queries > sizes.keys {
        bail!(
            "attention",
            "{} queries are more than {} keys: they are the last of their places",
            sizes.queries,
            sizes.keys
        );
    }
    attend(q, k, v, scale.into(), AttentionMask::new(mask, sizes.rows, sizes.queries, sizes.keys)?, precision)
}

/// softmax(q·kᵀ·scale)·v for q [B, T, H, D] over k, v [B, S, K, D] of another sequence. `segments` belong to queries [B, T] and
/// to keys [B, S]: a query attends to the keys of its segment, or to all without segments; 0 is padding in both.
pub fn cross_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: f64,
    segments: Option<(&[u32], &[u32])>,
    dropout: Option<Dropout>,
    precision: Precision,
) -> Result<Tensor> {
    let sizes = Sizes::new(&q.value(), &k.value(), &v.value())?;
    let (queries, keys) = (sizes.queries, sizes.keys);
    let seen = match segments {
        Some((of_queries, of_keys)) => AttentionMask::cross(of_queries, of_keys, sizes.rows, queries, keys)?,
        None => AttentionMask { ranges: vec![(0, keys as u32); queries], segments: None, queries, keys, dropout: None },
    };
    attend(q, k, v, scale.into(), AttentionMask { dropout, ..seen }, precision)
}

fn attend(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    scale: ScoreScale,
    seen: AttentionMask,
    precision: Precision,
) -> Result<Tensor> {
    let (qs, ks, vs) = (q.value(), k.value(), v.value());
    let (out, log_sum_exp) = blocks::attention(&qs, &ks, &vs, scale, &seen, precision)?;
    let result = out.clone();
    Ok(Tensor::derive(result, [q, k, v], move |grad, flow| {
        let [dq, dk, dv] =
            blocks::attention_backward(&qs, &ks, &vs, scale, &seen, &out, &log_sum_exp, &grad, precision)?;
        flow.add(0, || Ok(dq))?;
        flow.add(1, || Ok(dk))?;
        flow.add(2, || Ok(dv))
    }))
}

/// The SUM of the cross-entropies of `hidden [N, D] · weightᵀ + bias` with `targets` (-100 is ignored). Never holds N × V logits;
/// gradients are computed in the same pass, and only for inputs that require them.
pub fn linear_cross_entropy(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    targets: &[i64],
    smoothing: f64,
    precision: Precision,
) -> Result<Tensor> {
    tables_cross_entropy(hidden, &[(weight, bias)], targets, smoothing.into(), precision)
}

/// [`linear_cross_entropy`] over output embeddings in several parts: a frozen part costs no gradient.
pub fn tables_cross_entropy(
    hidden: &Tensor,
    tables: &[(&Tensor, Option<&Tensor>)],
    targets: &[i64],
    shape: LossShape,
    precision: Precision,
) -> Result<Tensor> {
    const WHO: &str = "linear_cross_entropy";
    let h = hidden.value();
    let &[rows, width] = h.dims() else { bail!(WHO, "hidden {:?} is not a matrix", h.dims()) };
    let arrays: Vec<(Array, Option<Array>)> =
        tables.iter().map(|(weight, bias)| (weight.value(), bias.map(Tensor::value))).collect();
    let mut sizes = Vec::new();
    for (w, b) in &arrays {
        let &[size, columns] = w.dims() else {
            bail!(WHO, "hidden {:?} and weight {:?} are not matrices", h.dims(), w.dims());
        };
        if width != columns || b.as_ref().is_some_and(|b| b.dims() != [size]) {
            bail!(WHO, "hidden {:?} does not fit weight {:?} and its bias", h.dims(), w.dims());
        }
        sizes.push(size);
    }
    loss::check_targets(WHO, rows, sizes.iter().sum(), targets)?;
    let learns = |tensor: &Tensor| Tensor::records(&[tensor]);
    let takes = |weight: &Tensor, w: &Array, b: &Option<Array>| {
        let f32_or_frozen = w.dtype() == DType::F32 || (w.dtype() == DType::BF16 && !learns(weight));
        f32_or_frozen && w.device().is_cpu() && kernel::fused(&[&h, b.as_ref().unwrap_or(&h)])
    };
    let is_there = !h.device().is_cpu();
    if !is_there && !tables.iter().zip(&arrays).all(|((weight, _), (w, b))| takes(weight, w, b)) {
        let logits = side_by_side(hidden, tables, precision)?;
        let logits = shape.cap.map_or(Ok(logits.clone()), |cap| softcap(&logits, cap))?;
        return cross_entropy(&logits, targets, shape.smoothing);
    }
    let wanted: Vec<loss::OutputWeight> = tables
        .iter()
        .zip(&arrays)
        .map(|((weight, bias), (w, b))| loss::OutputWeight {
            weight: w,
            bias: b.as_ref(),
            trainable: learns(weight),
            bias_trainable: bias.is_some_and(learns),
        })
        .collect();
    if is_there {
        let found = loss::linear_cross_entropy_there(&h, &wanted, targets, shape, learns(hidden))?;
        return Ok(derived_there(found, hidden, tables));
    }
    let (value, grads) = loss::linear_cross_entropy(&h, &wanted, targets, shape, precision, learns(hidden))?;
    let value = Array::new(value as f32, h.device())?;
    // hidden, then each table's weight and its bias, if any
    let mut inputs = vec![hidden];
    let mut found = vec![(grads.hidden, vec![rows, width])];
    for (((weight, bias), [dw, db]), size) in tables.iter().zip(grads.outputs).zip(sizes) {
        inputs.push(weight);
        found.push((dw, vec![size, width]));
        if let Some(bias) = bias {
            inputs.push(bias);
            found.push((db, vec![size]));
        }
    }
    Ok(Tensor::derive_from(value, &inputs, move |grad, flow| {
        let by = grad.to_dtype(DType::F32)?.to_scalar::<f32>()?;
        for (index, (grad, dims)) in found.into_iter().enumerate() {
            if let Some(mut grad) = grad {
                if by != 1.0 {
                    matmul::scale(&mut grad, by);
                }
                flow.hand(index, &dims, grad)?;
            }
        }
        Ok(())
    }))
}

/// A loss with gradients computed along with it, which stay on their device.
fn derived_there(found: loss::LossThere, hidden: &Tensor, tables: &[(&Tensor, Option<&Tensor>)]) -> Tensor {
    let (mut inputs, mut grads) = (vec![hidden], vec![found.hidden]);
    for ((weight, bias), [dw, db]) in tables.iter().zip(found.outputs) {
        inputs.push(weight);
        grads.push(dw);
        if let Some(bias) = bias {
            inputs.push(bias);
            grads.push(db);
        }
    }
    Tensor::derive_from(found.loss, &inputs, move |grad, flow| {
        for (index, own) in grads.into_iter().enumerate() {
            if let Some(own) = own {
                flow.add(index, || Ok(own.broadcast_mul(&grad.to_dtype(own.dtype())?)?))?;
            }
        }
        Ok(())
    })
}

/// The logits of output embeddings in several parts, concatenated.
pub fn side_by_side(hidden: &Tensor, tables: &[(&Tensor, Option<&Tensor>)], precision: Precision) -> Result<Tensor> {
    let parts =
        tables.iter().map(|(weight, bias)| linear(hidden, weight, *bias, precision)).collect::<Result<Vec<_>>>()?;
    match &parts[..] {
        [one] => Ok(one.clone()),
        parts => super::ops::cat(parts, -1),
    }
}

/// The SUM of the cross-entropies of `logits [N, V]` with `targets` (-100 is ignored).
pub fn cross_entropy(logits: &Tensor, targets: &[i64], smoothing: f64) -> Result<Tensor> {
    let value = logits.value();
    if value.rank() != 2 {
        bail!("cross_entropy", "logits of shape {:?} are not rows", value.dims());
    }
    let (sum, slope) = loss::cross_entropy(&value, targets, smoothing, Tensor::records(&[logits]))?;
    Ok(Tensor::derive(sum, [logits], move |grad, flow| {
        flow.add(0, || match &slope {
            Some(slope) => Ok(slope.broadcast_mul(&grad)?),
            None => bail!("cross_entropy", "its gradient was not kept"),
        })
    }))
}

/// Sets each number to 0 with probability `p` and divides the others by 1 − p.
pub fn dropout(x: &Tensor, p: f64, rng: &mut Rng) -> Result<Tensor> {
    let dropout = Dropout::new("dropout", p, rng.next_u64())?;
    if p == 0.0 {
        return Ok(x.clone());
    }
    let y = dropout.apply(&x.value())?;
    Ok(Tensor::derive(y, [x], move |grad, flow| flow.add(0, || dropout.apply(&grad))))
}
