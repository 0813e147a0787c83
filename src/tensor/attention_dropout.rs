//! Attention whose weights are dropped at random, as encoders are fine-tuned with it (`attention_probs_dropout_prob`).
//!
//! The weights of one row at a time are made in full, dropped, and made again for the gradient: memory is that of one row.

use super::Tensor;
use crate::kernel::mask::{AttentionMask, Mask};
use crate::kernel::{Array, DType, Device};
use crate::rng::Rng;
use crate::{Result, bail};

/// What the weights of a row are made of.
struct Row {
    /// `[heads, T, D]` of queries, keys and values.
    q: Array,
    k: Array,
    v: Array,
    /// The weights `[heads, T, T]`, and what each is multiplied by: 0, or 1 / (1 − p).
    weights: Array,
    kept: Array,
}

/// How rows are made.
struct Plan {
    scale: f64,
    seen: AttentionMask,
    p: f64,
    rng: Rng,
}

/// softmax(q·kᵀ·scale)·v for q, k, v [B, T, H, D], each weight set to 0 with probability `p` and the others divided by 1 − p.
pub fn dropped_attention(qkv: [&Tensor; 3], scale: f64, mask: &Mask, p: f64, rng: &Rng) -> Result<Tensor> {
    if !(0.0..1.0).contains(&p) {
        bail!("attention", "probability {p} of dropout is not in 0..1");
    }
    let values = qkv.map(|x| x.value());
    let dims = values[0].dims().to_vec();
    if dims.len() != 4 || values.iter().any(|value| value.dims() != dims) {
        bail!("attention", "queries {:?}, keys {:?}, values {:?}", dims, values[1].dims(), values[2].dims());
    }
    let (rows, length) = (dims[0], dims[1]);
    let plan = Plan { scale, seen: AttentionMask::new(mask, rows, length, length)?, p, rng: rng.clone() };
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        crate::cancel::check()?;
        let made = plan.row(&values, row)?;
        out.push((&made.weights * &made.kept)?.matmul(&made.v)?.transpose(0, 1)?.contiguous()?);
    }
    Ok(Tensor::derive(Array::stack(&out, 0)?, qkv, move |grad, flow| {
        let mut found = [Vec::new(), Vec::new(), Vec::new()];
        for row in 0..rows {
            let made = plan.row(&values, row)?;
            let parts = backward(&made, &heads(&grad.get(row)?)?, plan.scale)?;
            for (found, part) in found.iter_mut().zip(parts) {
                found.push(part.transpose(0, 1)?.contiguous()?);
            }
        }
        for (at, parts) in found.iter().enumerate() {
            flow.add(at, || Ok(Array::stack(parts, 0)?))?;
        }
        Ok(())
    }))
}

/// `[T, heads, D]` with the heads first.
fn heads(x: &Array) -> Result<Array> {
    Ok(x.transpose(0, 1)?.contiguous()?)
}

impl Plan {
    fn row(&self, [q, k, v]: &[Array; 3], row: usize) -> Result<Row> {
        let [q, k, v] = [heads(&q.get(row)?)?, heads(&k.get(row)?)?, heads(&v.get(row)?)?];
        let (count, length, _) = q.dims3()?;
        let scores = (q.matmul(&k.t()?.contiguous()?)? * self.scale)?;
        let scores = scores.broadcast_add(&self.bias(row, length)?.to_dtype(q.dtype())?)?;
        let peak = scores.max_keepdim(2)?;
        let weights = scores.broadcast_sub(&peak)?.exp()?;
        let weights = weights.broadcast_div(&weights.sum_keepdim(2)?)?;
        let (limit, whole) = ((self.p * 2f64.powi(64)) as u64, (1.0 / (1.0 - self.p)) as f32);
        let mut kept = vec![0f32; count * length * length];
        self.rng.split(row as u64).fill(&mut kept, |bits| if bits < limit { 0.0 } else { whole });
        let kept = Array::from_vec(kept, (count, length, length), &Device::Cpu)?.to_dtype(q.dtype())?;
        Ok(Row { q, k, v, weights, kept })
    }

    /// 0 where a query sees a key, and far below where it does not, `[1, T, T]`.
    fn bias(&self, row: usize, length: usize) -> Result<Array> {
        const UNSEEN: f32 = -1e30;
        let mut bias = vec![UNSEEN; length * length];
        for query in 0..length {
            let at = if self.seen.ranges.len() == length { query } else { row * length + query };
            let (from, to) = self.seen.ranges[at];
            for key in from as usize..to as usize {
                let same = |(of_queries, of_keys): &(Vec<u32>, Vec<u32>)| {
                    of_queries[row * length + query] == of_keys[row * length + key]
                };
                if self.seen.segments.as_ref().is_none_or(same) {
                    bias[query * length + key] = 0.0;
                }
            }
        }
        Ok(Array::from_vec(bias, (1, length, length), &Device::Cpu)?.to_dtype(DType::F32)?)
    }
}

/// The gradients of queries, keys and values of a row, `[heads, T, D]`.
fn backward(row: &Row, grad: &Array, scale: f64) -> Result<[Array; 3]> {
    let dropped = (&row.weights * &row.kept)?;
    let dv = dropped.t()?.contiguous()?.matmul(grad)?;
    let dw = (grad.matmul(&row.v.t()?.contiguous()?)? * &row.kept)?;
    let mean = (&dw * &row.weights)?.sum_keepdim(2)?;
    let ds = ((dw.broadcast_sub(&mean)? * &row.weights)? * scale)?;
    Ok([ds.matmul(&row.k)?, ds.t()?.contiguous()?.matmul(&row.q)?, dv])
}
