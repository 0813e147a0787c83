//! What llama.cpp calls the parts of an architecture: tables that are read both ways.

use crate::Result;
use crate::format::gguf::Gguf;
use crate::model::config::Config;
use serde_json::{Value, json};

/// The names of an architecture in GGUF.
pub struct GgufNames {
    /// `general.architecture`.
    pub architecture: &'static str,
    /// Whether a file of that architecture is of this `model_type`: several share one.
    pub matches: fn(&Gguf) -> bool,
    /// Metadata without the prefix of the architecture, by the keys of `config.json`.
    pub facts: &'static [ConfigFact],
    /// The other keys of `config.json`.
    pub more: fn(&Metadata, &mut Value) -> Result<()>,
    /// Weights outside the layers beside the embeddings: our name, theirs.
    pub outer: &'static [(&'static str, &'static str)],
    /// Modules in the layers: our name, theirs.
    pub inner: &'static [(&'static str, &'static str)],
    /// Modules whose rows are in llama.cpp's order, with their number of heads: it rotates neighboring rows of Llama's
    /// queries and keys, where Hugging Face rotates the two halves of a head.
    pub interleaved: &'static [(&'static str, HeadCount)],
}

/// The number of heads of a module.
pub type HeadCount = fn(&Config) -> usize;

/// A key of `config.json`, the metadata that it comes from, and its value where that is missing.
pub struct ConfigFact {
    pub key: &'static str,
    pub gguf: &'static str,
    pub or: Option<fn(&Value) -> Value>,
}

/// A fact that every file has.
pub const fn fact(key: &'static str, gguf: &'static str) -> ConfigFact {
    ConfigFact { key, gguf, or: None }
}

/// A fact with a default, which may depend on those before.
pub const fn fact_or(key: &'static str, gguf: &'static str, or: fn(&Value) -> Value) -> ConfigFact {
    ConfigFact { key, gguf, or: Some(or) }
}

/// The input and the output embeddings in every file.
pub const EMBEDDINGS: &str = "token_embd.weight";
pub const OUTPUT: &str = "output.weight";

/// A file's header, and what of its tensors the config depends on.
pub struct Metadata<'a> {
    pub header: &'a Gguf,
    pub architecture: &'static str,
    /// The factors of `rope_freqs.weight`.
    pub factors: Option<Vec<f32>>,
}

impl Metadata<'_> {
    /// The key of this architecture.
    pub fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    pub fn has_tensor(&self, name: &str) -> bool {
        self.header.tensors.iter().any(|entry| entry.name == name)
    }

    /// The value of a key as JSON: a whole number, or a float in the fewest digits that say it (a file holds f32, in
    /// which 1e-5 is 0.00000999…).
    pub fn number(&self, name: &str) -> Option<Value> {
        let value = self.header.get(&self.key(name))?;
        let float = |value: f64| json!((value as f32).to_string().parse::<f64>().unwrap_or(value));
        value.as_int().map(|value| json!(value)).or_else(|| value.as_float().map(float))
    }
}

impl GgufNames {
    /// What a file calls the weight with this Hugging Face name.
    pub fn name(&self, config: &Config, name: &str) -> String {
        if name == config.layout.embeddings {
            return EMBEDDINGS.into();
        }
        if config.output.as_ref().is_some_and(|output| output.weight == name) {
            return OUTPUT.into();
        }
        if let Some((_, theirs)) = self.outer.iter().find(|(own, _)| *own == name) {
            return (*theirs).into();
        }
        let place = name.strip_prefix(config.layout.blocks).and_then(|rest| rest.split_once('.'));
        let found = place.and_then(|(layer, rest)| {
            let (module, part) = rest.rsplit_once('.')?;
            let (_, theirs) = self.inner.iter().find(|(own, _)| *own == module)?;
            Some(format!("blk.{layer}.{theirs}.{part}"))
        });
        found.unwrap_or_else(|| name.into())
    }

    /// The number of heads of a weight whose rows are in llama.cpp's order.
    pub fn interleaved_heads(&self, config: &Config, name: &str) -> Option<usize> {
        let (_, module) = name.strip_prefix(config.layout.blocks)?.split_once('.')?;
        let (module, _) = module.rsplit_once('.')?;
        self.interleaved.iter().find(|(own, _)| *own == module).map(|(_, heads)| heads(config))
    }
}
