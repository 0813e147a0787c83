//! New models from a few numbers and a seed.

use super::arch::{self, Start};
use super::{Config, Model, Weights};
use crate::tensor::ops::volume;
use crate::tensor::{Array, DType, Device, Rng};
use crate::{Result, cancel};
use serde_json::{Map, Value, json};

/// The shape of a new model.
#[derive(Clone, Debug)]
pub struct Shape {
    /// `model_type`: llama, mistral, qwen2, qwen3, gpt2.
    pub kind: String,
    pub vocab: usize,
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub ff: usize,
    pub positions: usize,
    pub theta: f64,
    pub eps: f64,
    pub window: Option<usize>,
    pub tied: bool,
}

impl Shape {
    /// What `config.json` says of it.
    pub fn json(&self) -> Map<String, Value> {
        let class = arch::find(&self.kind).map(|arch| arch.class);
        let json = if self.kind == "gpt2" {
            json!({
                "architectures": [class],
                "model_type": self.kind,
                "vocab_size": self.vocab,
                "n_embd": self.hidden,
                "n_layer": self.layers,
                "n_head": self.heads,
                "n_inner": self.ff,
                "n_positions": self.positions,
                "layer_norm_epsilon": self.eps,
                "activation_function": "gelu_new",
                "initializer_range": 0.02,
                "resid_pdrop": 0.0,
                "embd_pdrop": 0.0,
                "attn_pdrop": 0.0,
                "tie_word_embeddings": self.tied,
                "bos_token_id": null,
                "eos_token_id": null,
            })
        } else {
            json!({
                "architectures": [class],
                "model_type": self.kind,
                "vocab_size": self.vocab,
                "hidden_size": self.hidden,
                "intermediate_size": self.ff,
                "num_hidden_layers": self.layers,
                "num_attention_heads": self.heads,
                "num_key_value_heads": self.kv_heads,
                "head_dim": self.head_dim,
                "max_position_embeddings": self.positions,
                "rms_norm_eps": self.eps,
                "hidden_act": "silu",
                "initializer_range": 0.02,
                "rope_theta": self.theta,
                "rope_scaling": null,
                "attention_bias": false,
                "sliding_window": self.window,
                "use_sliding_window": self.window.is_some() && self.kind != "mistral",
                "max_window_layers": if self.window.is_some() { 0 } else { self.layers },
                "tie_word_embeddings": self.tied,
                "bos_token_id": null,
                "eos_token_id": null,
            })
        };
        match json {
            Value::Object(json) => json,
            _ => unreachable!("it was written as an object"),
        }
    }
}

impl Model {
    /// A new model, started as transformers starts one: normal weights, norms at 1, biases at 0; stored as `dtype`.
    pub fn fresh(json: Map<String, Value>, seed: u64, dtype: DType) -> Result<Model> {
        let config = Config::read(json)?;
        let rng = Rng::new(seed);
        let mut weights = Weights::default();
        for spec in arch::tensors(&config) {
            let mut values = vec![0.0; volume("model", &spec.shape)?];
            match spec.start {
                Start::Zeros => {}
                Start::Ones => values.fill(1.0),
                Start::Normal(deviation) => {
                    // a stream by name: what a weight starts as depends on no other
                    rng.split(spec.name.as_str()).fill_normal(&mut values);
                    values.iter_mut().for_each(|value| *value *= deviation as f32);
                }
            }
            cancel::check()?;
            // one by one: never all of them in f32
            weights.insert(&spec.name, Array::from_vec(values, spec.shape, &Device::Cpu)?.to_dtype(dtype)?);
        }
        Ok(Model::assemble(config, weights))
    }
}
