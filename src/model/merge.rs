//! Weights with their adapters: merged, or separate for decoding.

use super::adapt::lora::LoraLayer;
use super::weights::Weights;
use crate::kernel::decoder::{FrozenWeight, Linear};
use crate::tensor::{Array, DType};
use crate::{Error, Result};

impl Weights {
    /// A linear layer `[out, in]` for decoding, with its bias and its adapter, if any. An adapter that is not just a product is
    /// merged.
    pub fn linear(&self, layer: &str) -> Result<Linear> {
        let name = format!("{layer}.weight");
        let bias = format!("{layer}.bias");
        let bias = if self.has(&bias) { Some(self.plain(&bias)?) } else { None };
        Ok(match self.lora.get(layer) {
            Some(adapter) if !adapter.is_plain() => Linear {
                weight: FrozenWeight::Plain(adapter.merged(&self.plain(&name)?)?.contiguous()?),
                bias: match (bias, adapter.added_bias()?) {
                    (Some(own), Some(added)) => Some((own + added)?),
                    (own, added) => own.or(added),
                },
                adapter: None,
            },
            adapter => Linear {
                weight: self.get(&name)?.as_frozen(),
                bias,
                adapter: adapter.map(|adapter| (adapter.a.value(), adapter.b.value(), adapter.scale as f32)),
            },
        })
    }

    /// Embeddings for decoding, with LoRA merged in.
    pub fn embeddings(&self, name: &str) -> Result<FrozenWeight> {
        match self.adapter_of(name) {
            Some(_) => Ok(FrozenWeight::Plain(self.merged(name, true)?.to_dtype(DType::F32)?)),
            None => Ok(self.get(name)?.as_frozen()),
        }
    }

    /// Like [`Weights::whole`], with attached LoRA merged. `transposed` weights are stored `[in, out]`, as embeddings always are.
    pub fn merged(&self, name: &str, transposed: bool) -> Result<Array> {
        let value = self.whole(name)?;
        let added = name.strip_suffix(".bias").and_then(|layer| self.lora.get(layer));
        if let Some(added) = added.map(LoraLayer::added_bias).transpose()?.flatten() {
            return Ok((value.to_dtype(DType::F32)? + added)?.to_dtype(value.dtype())?);
        }
        let Some(lora) = self.adapter_of(name) else { return Ok(value) };
        let turn =
            |x: Array| -> Result<Array> { Ok(if transposed || lora.embedding { x.t()?.contiguous()? } else { x }) };
        turn(lora.merged(&turn(value.to_dtype(DType::F32)?)?)?)?.to_dtype(value.dtype()).map_err(Error::from)
    }

    /// The LoRA of the layer that a weight belongs to.
    fn adapter_of(&self, name: &str) -> Option<&LoraLayer> {
        name.strip_suffix(".weight").and_then(|layer| self.lora.get(layer))
    }

    /// The names of the weights that a merge changes; an error if a layer without a bias would get one.
    pub fn merge_targets(&self, who: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for (layer, adapter) in &self.lora {
            names.push(format!("{layer}.weight"));
            if adapter.bias.is_some() {
                let bias = format!("{layer}.bias");
                if !self.has(&bias) {
                    return Err(Error::new(
                        who,
                        format!("LoRA adds a bias (`lora_bias`) to `{layer}`, which has none"),
                    )
                    .help("it can't be merged; `net.save_lora(folder)` saves it as it is"));
                }
                names.push(bias);
            }
        }
        Ok(names)
    }
}
