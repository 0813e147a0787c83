//! Language models of candle-transformers behind one door: what levain compares its own with, and architectures that it does
//! not train, as baselines of an evaluation.
//!
//! A crate of its own, so that levain is compiled once, whether its tests ask for these models or not.

mod config;

use candle_core::{DType, Device, Result, Tensor, bail};
use candle_nn::VarBuilder;
use candle_transformers::models as of;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;

/// Reads ids and predicts the next ones, with the keys and values of earlier ids kept.
trait Causal: Send {
    /// Logits after the last id of each row. The first ids of the rows are at position `start`.
    fn forward(&mut self, ids: &Tensor, start: usize) -> Result<Tensor>;
    /// Forgets earlier ids.
    fn clear(&mut self) -> Result<()>;
}

macro_rules! causal {
    ($($model:ty),* $(,)?) => {
        $(impl Causal for $model {
            fn forward(&mut self, ids: &Tensor, start: usize) -> Result<Tensor> {
                <$model>::forward(self, ids, start)
            }

            fn clear(&mut self) -> Result<()> {
                self.clear_kv_cache();
                Ok(())
            }
        })*
    };
}

causal!(
    of::gemma::Model,
    of::gemma2::Model,
    of::gemma3::Model,
    of::helium::Model,
    of::mistral::Model,
    of::olmo::Model,
    of::olmo2::Model,
    of::phi3::Model,
    of::qwen2::ModelForCausalLM,
    of::qwen2_moe::Model,
    of::qwen3::ModelForCausalLM,
    of::qwen3_moe::ModelForCausalLM,
    of::smol::smollm3::ModelForCausalLM,
    of::starcoder2::Model,
);

impl Causal for of::phi::Model {
    fn forward(&mut self, ids: &Tensor, _: usize) -> Result<Tensor> {
        // counts its positions by the keys that it keeps
        of::phi::Model::forward(self, ids)
    }

    fn clear(&mut self) -> Result<()> {
        self.clear_kv_cache();
        Ok(())
    }
}

/// Llama and Granite keep keys and values in a cache beside the model.
struct Beside<Net, Cache> {
    net: Net,
    cache: Cache,
    forward: fn(&Net, &Tensor, usize, &mut Cache) -> Result<Tensor>,
    new_cache: Box<dyn Fn() -> Result<Cache> + Send>,
}

impl<Net: Send, Cache: Send> Causal for Beside<Net, Cache> {
    fn forward(&mut self, ids: &Tensor, start: usize) -> Result<Tensor> {
        (self.forward)(&self.net, ids, start, &mut self.cache)
    }

    fn clear(&mut self) -> Result<()> {
        self.cache = (self.new_cache)()?;
        Ok(())
    }
}

type Build = fn(&Value, VarBuilder) -> Result<Box<dyn Causal>>;

/// The `model_type` of each architecture, and what makes its model. GLM-4 is not among them: candle's rotates the first row of a
/// batch alone.
const ARCHITECTURES: &[(&str, Build)] = &[
    ("gemma", |json, weights| Ok(Box::new(of::gemma::Model::new(false, &read(json)?, weights)?))),
    ("gemma2", |json, weights| Ok(Box::new(of::gemma2::Model::new(false, &read(json)?, weights)?))),
    ("gemma3_text", |json, weights| Ok(Box::new(of::gemma3::Model::new(false, &read(json)?, weights)?))),
    ("granite", granite),
    ("helium", |json, weights| Ok(Box::new(of::helium::Model::new(&read(json)?, weights)?))),
    ("llama", llama),
    ("mistral", |json, weights| Ok(Box::new(of::mistral::Model::new(&read(json)?, weights)?))),
    ("olmo", |json, weights| Ok(Box::new(of::olmo::Model::new(&read(json)?, weights)?))),
    ("olmo2", |json, weights| Ok(Box::new(of::olmo2::Model::new(&read(json)?, weights)?))),
    ("phi", |json, weights| Ok(Box::new(of::phi::Model::new(&read(json)?, weights)?))),
    ("phi3", |json, weights| Ok(Box::new(of::phi3::Model::new(&read(json)?, weights)?))),
    ("qwen2", |json, weights| Ok(Box::new(of::qwen2::ModelForCausalLM::new(&read(json)?, weights)?))),
    ("qwen2_moe", |json, weights| Ok(Box::new(of::qwen2_moe::Model::new(&read(json)?, weights)?))),
    ("qwen3", |json, weights| Ok(Box::new(of::qwen3::ModelForCausalLM::new(&read(json)?, weights)?))),
    ("qwen3_moe", |json, weights| Ok(Box::new(of::qwen3_moe::ModelForCausalLM::new(&read(json)?, weights)?))),
    ("smollm3", |json, weights| Ok(Box::new(of::smol::smollm3::ModelForCausalLM::new(&read(json)?, weights)?))),
    ("starcoder2", |json, weights| Ok(Box::new(of::starcoder2::Model::new(&read(json)?, weights)?))),
];

/// The architectures that [`Decoder::new`] knows, by their `model_type`.
pub fn model_types() -> impl Iterator<Item = &'static str> {
    ARCHITECTURES.iter().map(|(name, _)| *name)
}

fn read<Config: DeserializeOwned>(json: &Value) -> Result<Config> {
    serde_json::from_value(json.clone()).map_err(|error| candle_core::Error::Msg(format!("config.json: {error}")))
}

fn llama(json: &Value, weights: VarBuilder) -> Result<Box<dyn Causal>> {
    let config = read::<of::llama::LlamaConfig>(json)?.into_config(false);
    let (net, dtype, device) =
        (of::llama::Llama::load(weights.clone(), &config)?, weights.dtype(), weights.device().clone());
    let new_cache = Box::new(move || of::llama::Cache::new(true, dtype, &config, &device));
    Ok(Box::new(Beside { net, cache: new_cache()?, forward: of::llama::Llama::forward, new_cache }))
}

fn granite(json: &Value, weights: VarBuilder) -> Result<Box<dyn Causal>> {
    let config = read::<of::granite::GraniteConfig>(json)?.into_config(false);
    let (net, dtype, device) =
        (of::granite::Granite::load(weights.clone(), &config)?, weights.dtype(), weights.device().clone());
    let new_cache = Box::new(move || of::granite::Cache::new(true, dtype, &config, &device));
    Ok(Box::new(Beside { net, cache: new_cache()?, forward: of::granite::Granite::forward, new_cache }))
}

const EMBEDDINGS: &str = "model.embed_tokens.weight";
const OUTPUT: &str = "lm_head.weight";

/// A model that predicts tokens, and does not train.
pub struct Decoder(Box<dyn Causal>);

impl Decoder {
    /// The model of a `config.json` with the tensors of its safetensors files, computed in `dtype`.
    pub fn new(config: &Value, mut tensors: HashMap<String, Tensor>, dtype: DType) -> Result<Decoder> {
        // Some of candle's architectures ask for the output table even where the config ties it to the embeddings.
        let tied = config["tie_word_embeddings"] != false;
        if tied
            && !tensors.contains_key(OUTPUT)
            && let Some(table) = tensors.get(EMBEDDINGS).cloned()
        {
            tensors.insert(OUTPUT.to_string(), table);
        }
        Decoder::build(config, VarBuilder::from_tensors(tensors, dtype, &Device::Cpu))
    }

    /// [`Decoder::new`] with weights from anywhere.
    pub fn build(config: &Value, weights: VarBuilder) -> Result<Decoder> {
        let json = config::complete(config);
        let name = json["model_type"].as_str().unwrap_or_default();
        match ARCHITECTURES.iter().find(|(other, _)| *other == name) {
            Some((_, build)) => Ok(Decoder(build(&json, weights)?)),
            None => bail!("model_type `{name}` is not one of {}", model_types().collect::<Vec<_>>().join(", ")),
        }
    }

    /// Reads `ids` (`rows` rows of one length, the first ids at position `start`) after what was read since
    /// [`Decoder::clear`], and returns the logits after the last id of each row, row by row.
    pub fn step(&mut self, ids: &[u32], rows: usize, start: usize) -> Result<Vec<f32>> {
        let ids = Tensor::from_slice(ids, (rows, ids.len() / rows.max(1)), &Device::Cpu)?;
        self.0.forward(&ids, start)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
    }

    /// Forgets what was read.
    pub fn clear(&mut self) -> Result<()> {
        self.0.clear()
    }
}
