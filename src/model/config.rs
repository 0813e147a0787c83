//! The shape of a model as plain numbers, and where the parts of a checkpoint are.

use super::activation::Activation;
use crate::tensor::nn::{Rotary, RotaryScaling};
use crate::{Result, bail};
use serde_json::{Map, Value, json};

/// The shape of a model.
#[derive(Clone)]
pub struct Config {
    pub layout: &'static Layout,
    pub vocab: usize,
    pub hidden: usize,
    pub ff: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub max_positions: usize,
    /// Kinds of token (BERT's sentence A and B); 0 where the model has no embeddings of them.
    pub token_types: usize,
    pub norm_eps: f64,
    /// Rotary positions; a model without them has position embeddings.
    pub rope: Option<Rope>,
    /// How far back each layer attends; `None` is all the way.
    pub windows: Vec<Option<usize>>,
    pub qkv_bias: bool,
    pub out_bias: bool,
    pub mlp_bias: bool,
    /// Norms on the queries and keys of each head (Qwen3).
    pub qk_norm: bool,
    /// The activation of the feed-forward layer.
    pub activation: Activation,
    /// Input and output embeddings are one.
    pub tied: bool,
    /// Standard deviation of a new weight.
    pub init_range: f64,
    pub eos: Vec<u32>,
    /// The weights of the head that have one row a token id, if it has such.
    pub output: Option<OutputEmbeddings>,
    /// The file as it was, so that keys that levain does not know are saved again.
    pub json: Map<String, Value>,
}

#[derive(Clone)]
pub struct Rope {
    pub theta: f64,
    pub scaling: RotaryScaling,
    /// The part of a head that is rotated, from its beginning.
    pub partial: f64,
}

impl Rope {
    pub fn rotary(&self, head_dim: usize, max_positions: usize) -> Rotary {
        Rotary::new((head_dim as f64 * self.partial) as usize, self.theta, &self.scaling, max_positions)
    }
}

/// Where the parts of an architecture's checkpoint are.
pub struct Layout {
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// The name of the input embeddings.
    pub embeddings: &'static str,
    /// The prefix of the names of all weights below the head; a file may lack it.
    pub prefix: &'static str,
    /// The prefix of the layers, before their number.
    pub blocks: &'static str,
    /// The linear layers that add to the residual stream: the last of attention, and of the feed-forward.
    pub outputs: [&'static str; 2],
    /// Linear weights in the layers are stored `[in, out]` (GPT-2's Conv1D).
    pub transposed: bool,
    /// Endings of names in old files, and what they are now.
    pub renamed: &'static [(&'static str, &'static str)],
    /// Names, or prefixes of names, that a file may hold and no computation here uses. They are saved again.
    pub unused: &'static [&'static str],
    /// Names, or ends of names, of tensors that a file may hold and that are computed: they are left out.
    pub computed: &'static [&'static str],
}

/// The weights of a head with one row a token id. They grow and shrink with the vocabulary.
#[derive(Clone)]
pub struct OutputEmbeddings {
    pub weight: String,
    pub bias: Option<String>,
    /// The prefix of the head's own weights.
    pub head: &'static str,
}

impl OutputEmbeddings {
    /// The name of the linear layer that they are.
    pub fn layer(&self) -> &str {
        self.weight.strip_suffix(".weight").unwrap_or(&self.weight)
    }
}

impl Config {
    pub fn check(&self) -> Result<()> {
        let positive = [
            ("vocab_size", self.vocab),
            ("hidden_size", self.hidden),
            ("intermediate_size", self.ff),
            ("num_hidden_layers", self.layers),
            ("num_attention_heads", self.heads),
            ("num_key_value_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("max_position_embeddings", self.max_positions),
        ];
        for (key, value) in positive {
            if value == 0 {
                bail!("model", "`{key}` is 0");
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            bail!("model", "{} heads are not divisible by {} key/value heads", self.heads, self.kv_heads);
        }
        if self.rope.is_some() && !self.head_dim.is_multiple_of(2) {
            bail!("model", "`head_dim` is {}, and rotary positions need an even number", self.head_dim);
        }
        Ok(())
    }

    pub fn model_type(&self) -> &'static str {
        self.layout.model_type
    }

    /// Whether the weight or layer `name` is stored `[in, out]`.
    pub fn is_transposed(&self, name: &str) -> bool {
        self.layout.transposed && name.starts_with(self.layout.blocks)
    }

    /// Input and output embeddings are two weights from now on, here and in `config.json`.
    pub fn untie(&mut self) {
        self.tied = false;
        self.json.insert("tie_word_embeddings".into(), json!(false));
    }

    /// Changes the number of vocabulary rows, here and in `config.json`.
    pub fn set_vocab(&mut self, rows: usize) {
        self.vocab = rows;
        self.json.insert("vocab_size".into(), json!(rows));
    }
}
