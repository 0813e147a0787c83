//! LoRA as a GGUF file, which llama.cpp applies to its base at run time (`llama_adapter_lora_init`, `convert_lora_to_gguf.py`).

use super::blocks::interleave;
use super::names::GgufNames;
use crate::format::gguf::{self, TensorEntry, Value as Meta};
use crate::format::numbers;
use crate::kernel::quantize::GgmlDType;
use crate::model::Model;
use crate::model::adapt::lora::LoraLayer;
use crate::model::config::Config;
use crate::tensor::{Array, DType};
use crate::{Error, Result, files};
use std::path::Path;

const WHO: &str = "save_lora";

impl Model {
    /// Writes the attached LoRA as a `.gguf`. llama.cpp has one alpha for all layers, and divides it by a layer's rank: if that
    /// differs from the layer's scale, its B is scaled.
    pub fn save_lora_gguf(&self, path: &Path) -> Result<()> {
        let inner = self.read();
        let (config, weights) = (&inner.config, &inner.weights);
        let Some(names) = inner.arch.gguf else {
            return Err(Error::new(WHO, format!("a {} can't be written as GGUF", config.model_type()))
                .help("a folder is written for every architecture: name one"));
        };
        let Some(first) = weights.lora.values().next() else {
            return Err(Error::new(WHO, "LoRA is not attached").help("attach one with `net.attach_lora(#{ … })`"));
        };
        if let Some((layer, _)) = weights.lora.iter().find(|(_, lora)| !lora.is_plain() || lora.embedding) {
            let error = format!(
                "what is attached to `{layer}` is more than a product of two matrices, which is all that GGUF has"
            );
            return Err(Error::new(WHO, error).help("`net.save(\"x.gguf\", …)` merges it into the weights"));
        }
        weights.warn_of_changes(WHO, |_| false);
        let alpha = first.scale * first.rank() as f64;
        let mut parts = Vec::new();
        for (layer, lora) in &weights.lora {
            parts.extend(pair(names, config, layer, lora, alpha)?);
        }
        let metadata = [
            ("general.architecture", Meta::Text(names.architecture.into())),
            ("general.type", Meta::Text("adapter".into())),
            ("adapter.type", Meta::Text("lora".into())),
            ("adapter.lora.alpha", Meta::Float(alpha)),
            ("levain.version", Meta::Text(env!("CARGO_PKG_VERSION").into())),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_string(), value));
        let entries = parts.iter().map(|(name, array)| TensorEntry::new(name, array.dims(), GgmlDType::F32)).collect();
        files::write(WHO, path, |out| gguf::write(out, &metadata, entries, |at| numbers::encode(&parts[at].1)))
    }
}

/// The two matrices of a layer by llama.cpp's names, in llama.cpp's row order.
fn pair(names: &GgufNames, config: &Config, layer: &str, lora: &LoraLayer, alpha: f64) -> Result<[(String, Array); 2]> {
    let weight = format!("{layer}.weight");
    let theirs = names.name(config, &weight);
    if theirs == weight {
        return Err(Error::new(WHO, format!("llama.cpp has no name for `{layer}`")).help("a folder keeps it: name one"));
    }
    let a = lora.a.value().to_dtype(DType::F32)?.contiguous()?;
    let b = (lora.b.value().to_dtype(DType::F32)? * (lora.scale * lora.rank() as f64 / alpha))?;
    let b = match names.interleaved_heads(config, &weight) {
        Some(heads) => interleave(config, heads, b)?,
        None => b,
    };
    Ok([(format!("{theirs}.lora_a"), a), (format!("{theirs}.lora_b"), b.contiguous()?)])
}
