//! Disentangled attention on the tape.

use super::Tensor;
use crate::kernel::disentangled::Disentangled;
use crate::kernel::mask::{AttentionMask, Mask, Sizes};
use crate::{Result, bail};

/// Contributions of relative positions to attention scores.
pub struct Distances<'a> {
    /// Relative keys `[P, H, D]`, multiplied with the tokens' queries.
    pub keys: Option<&'a Tensor>,
    /// Relative queries `[P, H, D]`, multiplied with the tokens' keys.
    pub queries: Option<&'a Tensor>,
    /// The row for query i and key j, `[T, T]`.
    pub rows: Vec<u32>,
}

/// [`super::nn::attention`] of q, k, v `[B, T, H, D]` with relative-position scores (DeBERTa).
pub fn disentangled_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    distances: Distances,
    scale: f64,
    mask: &Mask,
) -> Result<Tensor> {
    let (qs, ks, vs) = (q.value(), k.value(), v.value());
    let sizes = Sizes::new(&qs, &ks, &vs)?;
    if sizes.queries != sizes.keys || distances.rows.len() != sizes.keys * sizes.keys {
        bail!("attention", "{} distances for {} queries and {} keys", distances.rows.len(), sizes.queries, sizes.keys);
    }
    let seen = AttentionMask::new(mask, sizes.rows, sizes.queries, sizes.keys)?;
    let inputs = [Some(q), Some(k), Some(v), distances.keys, distances.queries];
    let (keys, queries) = (distances.keys.map(Tensor::value), distances.queries.map(Tensor::value));
    let rows = distances.rows;
    let whole = Disentangled {
        q: &qs,
        k: &ks,
        v: &vs,
        keys: keys.as_ref(),
        queries: queries.as_ref(),
        rows: &rows,
        scale,
        mask: &seen,
    };
    let y = whole.attention()?;
    let inputs: Vec<&Tensor> = inputs.into_iter().flatten().collect();
    let has_keys = keys.is_some();
    Ok(Tensor::derive_from(y, &inputs, move |grad, flow| {
        let whole = Disentangled {
            q: &qs,
            k: &ks,
            v: &vs,
            keys: keys.as_ref(),
            queries: queries.as_ref(),
            rows: &rows,
            scale,
            mask: &seen,
        };
        let grads = whole.backward(&grad)?;
        for (at, content) in grads.content.into_iter().enumerate() {
            flow.add(at, || Ok(content))?;
        }
        if let Some(keys) = grads.keys {
            flow.add(3, || Ok(keys))?;
        }
        match grads.queries {
            Some(queries) => flow.add(3 + usize::from(has_keys), || Ok(queries)),
            None => Ok(()),
        }
    }))
}
