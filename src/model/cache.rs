//! The KV cache: keys and values of earlier tokens, so that a new token costs one token.

use crate::kernel::decoder::{Decoder, KvCache, attend_heads};
use crate::kernel::fused;
use crate::tensor::nn::{self, Mask, Precision, Rotary, ScoreScale};
use crate::tensor::{Array, Tensor};
use crate::{Result, bail};

/// One sequence per row, each with its own length: keys and values layer by layer.
#[derive(Default)]
pub struct Cache {
    rows: Vec<Vec<KvCache>>,
}

impl Cache {
    /// For one sequence.
    pub fn new(layers: usize) -> Cache {
        Cache { rows: vec![vec![KvCache::default(); layers]] }
    }

    /// A cache of these sequences.
    pub fn of(rows: Vec<Vec<KvCache>>) -> Cache {
        Cache { rows }
    }

    pub fn into_rows(self) -> Vec<Vec<KvCache>> {
        self.rows
    }

    /// Drops the last of `count` tokens.
    pub fn pop(&mut self, count: usize) -> Result<()> {
        for layer in self.rows.iter_mut().flatten() {
            *layer = layer.first(count.saturating_sub(1), count)?;
        }
        Ok(())
    }

    /// Logits after one more id of each row, by the fused decoding kernel.
    pub fn step(
        &mut self,
        decoder: &Decoder,
        rotary: Option<&Rotary>,
        ids: &[u32],
        positions: &[u32],
    ) -> Result<Vec<f32>> {
        let rope = rotary.map(|rotary| rotary.step_cache(positions.iter().copied().max().unwrap_or(0)));
        decoder.step(ids, positions, rope.as_deref(), &mut self.rows)
    }

    /// Attention of the new queries to all tokens so far, including the new ones.
    pub fn attend(
        &mut self,
        layer: usize,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        scale: ScoreScale,
        mask: &Mask,
    ) -> Result<Tensor> {
        let (q, k, v) = (q.value(), k.value(), v.value());
        if q.dims()[0] != self.rows.len() {
            bail!("generate", "{} rows for a cache of {}", q.dims()[0], self.rows.len());
        }
        let mut out = Vec::with_capacity(self.rows.len());
        for (row, layers) in self.rows.iter_mut().enumerate() {
            let own = |x: &Array| -> Result<Array> { Ok(x.narrow(0, row, 1)?.contiguous()?) };
            out.push(attend(&mut layers[layer], &own(&q)?, &own(&k)?, &own(&v)?, scale, mask.window)?);
        }
        match &out[..] {
            [one] => Ok(one.clone().into()),
            many => Ok(Array::cat(many, 0)?.into()),
        }
    }
}

/// Attention of one row's new queries; stores its new keys and values.
fn attend(
    cache: &mut KvCache,
    q: &Array,
    k: &Array,
    v: &Array,
    scale: ScoreScale,
    window: Option<usize>,
) -> Result<Array> {
    if !cache.keys.is_empty() && q.dims()[1] == 1 && fused(&[q, k, v]) {
        return attend_heads(cache, q, k, v, scale, window);
    }
    let [keys, values] = cache.with(k, v)?;
    let mask = Mask { causal: true, window, ..Mask::default() };
    Ok(nn::attention(&q.clone().into(), &keys.into(), &values.into(), scale, &mask, Precision::F32)?.value())
}
