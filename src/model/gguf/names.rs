//! llama.cpp's names for the parts of an architecture: tables that are used in both directions.

use crate::format::gguf::{Gguf, Value as Meta};
use crate::model::config::Config;
use crate::model::pooling::Pooling;
use crate::{Error, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The names of an architecture in GGUF.
pub struct GgufNames {
    /// `general.architecture`.
    pub architecture: &'static str,
    /// The head that llama.cpp computes with it.
    pub head: &'static str,
    /// Whether a file of that architecture is of this `model_type`: several share one architecture name.
    pub matches: fn(&Gguf) -> bool,
    /// Metadata keys without the prefix of the architecture, by the keys of `config.json`.
    pub facts: &'static [ConfigFact],
    /// The other keys of `config.json`.
    pub more: fn(&Metadata, &mut Value) -> Result<()>,
    /// The metadata that is not in the table of facts, without the prefix; an error for a config that llama.cpp would compute
    /// differently.
    pub rest: fn(&Config) -> Result<Facts>,
    /// Weights outside the layers besides the embeddings: our name, theirs.
    pub outer: &'static [(&'static str, &'static str)],
    /// Modules in the layers, in tables shared by architectures.
    pub inner: &'static [&'static ModuleNames],
    /// Modules whose rows are in llama.cpp's order, with their number of heads: it rotates neighboring rows of Llama's
    /// queries and keys, where Hugging Face rotates the two halves of a head.
    pub interleaved: &'static [(&'static str, HeadCount)],
    /// The file stores norm weights plus 1.
    pub norms_from_one: bool,
    /// llama.cpp applies longrope scaling if the file has the factors.
    pub longrope: bool,
}

/// Modules: our name, theirs.
pub type ModuleNames = [(&'static str, &'static str)];

/// Metadata without the prefix of an architecture.
pub type Facts = Vec<(&'static str, Meta)>;

/// The number of heads of a module.
pub type HeadCount = fn(&Config) -> usize;

/// A key of `config.json`, its metadata key, and its default.
pub struct ConfigFact {
    pub key: &'static str,
    pub gguf: &'static str,
    pub or: Option<fn(&Value) -> Value>,
}

impl ConfigFact {
    /// Whether llama.cpp requires a float.
    pub fn is_float(&self) -> bool {
        ["epsilon", "freq_base"].iter().any(|ending| self.gguf.ends_with(ending))
    }
}

/// A fact that every file has.
pub const fn fact(key: &'static str, gguf: &'static str) -> ConfigFact {
    ConfigFact { key, gguf, or: None }
}

/// A fact with a default, which may depend on earlier facts.
pub const fn fact_or(key: &'static str, gguf: &'static str, or: fn(&Value) -> Value) -> ConfigFact {
    ConfigFact { key, gguf, or: Some(or) }
}

/// The input and output embeddings in every file.
pub const EMBEDDINGS: &str = "token_embd.weight";
pub const OUTPUT: &str = "output.weight";
/// Pooling of an encoder, and llama.cpp's numbers for it.
pub const POOLING: &str = "pooling_type";
pub const POOLINGS: [(Pooling, i64); 3] = [(Pooling::Mean, 1), (Pooling::First, 2), (Pooling::Last, 3)];

/// The number of token types of an encoder, which llama.cpp stores with the tokenizer.
pub const TOKEN_TYPES: &str = "tokenizer.ggml.token_type_count";

/// A file's header, and the tensors that the config depends on.
pub struct Metadata<'a> {
    pub header: &'a Gguf,
    pub architecture: &'static str,
    /// The divisors of rotary frequencies, by the names of their tensors.
    pub factors: BTreeMap<&'static str, Vec<f32>>,
}

impl Metadata<'_> {
    /// The metadata key for this architecture.
    pub fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    pub fn has_tensor(&self, name: &str) -> bool {
        self.header.tensors.iter().any(|entry| entry.name == name)
    }

    /// The value of a key as JSON: an integer, or a float in the fewest digits that identify it (a file holds f32, in which 1e-5
    /// is 0.00000999…). llama.cpp writes some as a list with an entry per layer: here all entries must be equal.
    pub fn number(&self, name: &str) -> Result<Option<Value>> {
        let key = self.key(name);
        let Some(value) = self.header.get(&key) else { return Ok(None) };
        let value = match value.as_list() {
            None => value,
            Some(list) => self.same(&key, list)?,
        };
        let float = |value: f64| json!((value as f32).to_string().parse::<f64>().unwrap_or(value));
        match value.as_int().map(|value| json!(value)).or_else(|| value.as_float().map(float)) {
            Some(number) => Ok(Some(number)),
            None => bail!("model", "the metadata `{key}` is not a number"),
        }
    }

    fn same<'v>(&self, key: &str, list: &'v [Meta]) -> Result<&'v Meta> {
        let layers = self.header.int(&self.key("block_count"));
        if layers.is_some_and(|layers| layers != list.len() as i64) {
            bail!(
                "model",
                "the metadata `{key}` has {} entries, for {} layers",
                list.len(),
                layers.unwrap_or_default()
            );
        }
        match list.iter().find(|entry| **entry != list[0]) {
            None if list.is_empty() => bail!("model", "the metadata `{key}` is an empty list"),
            None => Ok(&list[0]),
            Some(_) => {
                let numbers: Vec<String> =
                    list.iter().filter_map(Meta::as_float).map(|entry| entry.to_string()).collect();
                let error = format!("the metadata `{key}` differs from layer to layer: {}", numbers.join(", "));
                Err(Error::new("model", error).help("only models whose layers are alike are supported"))
            }
        }
    }
}

impl GgufNames {
    /// The file's name for the weight with this Hugging Face name.
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
            let (_, theirs) = self.inner.iter().copied().flatten().find(|(own, _)| *own == module)?;
            Some(format!("blk.{layer}.{theirs}.{part}"))
        });
        found.unwrap_or_else(|| name.into())
    }

    /// The offset of a weight's numbers in a file.
    pub fn offset(&self, name: &str) -> f64 {
        if self.norms_from_one && name.ends_with("norm.weight") { 1.0 } else { 0.0 }
    }

    /// The number of heads of a weight whose rows are in llama.cpp's order.
    pub fn interleaved_heads(&self, config: &Config, name: &str) -> Option<usize> {
        let (_, module) = name.strip_prefix(config.layout.blocks)?.split_once('.')?;
        let (module, _) = module.rsplit_once('.')?;
        self.interleaved.iter().find(|(own, _)| *own == module).map(|(_, heads)| heads(config))
    }
}
