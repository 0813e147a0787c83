//! The shape of a model as plain numbers, and the names of a checkpoint's parts.

use super::activation::Activation;
use super::dropout::DropoutRates;
use super::head::names::HeadNames;
use super::pooling::Pooling;
use super::relative::Relative;
use crate::tensor::nn::{Rotary, RotaryScaling, ScoreScale};
use crate::{Error, Result, bail};
use serde_json::{Map, Value, json};

/// The shape of a model.
#[derive(Clone)]
pub struct Config {
    pub layout: &'static Layout,
    pub vocab: usize,
    pub hidden: usize,
    /// Width of the embeddings, if it differs from the hidden size (ELECTRA, ALBERT).
    pub embedding: usize,
    pub ff: usize,
    pub layers: usize,
    /// Number of layers with their own weights: ALBERT's layers share them.
    pub layer_groups: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub max_positions: usize,
    /// Position embeddings before the first token's: RoBERTa's positions begin after the padding id.
    pub first_position: usize,
    /// Number of token types (BERT's sentence A and B); 0 without token type embeddings.
    pub token_types: usize,
    pub norm_eps: f64,
    /// Rotary positions; without them the model has position embeddings.
    pub rope: Option<Rope>,
    /// Rotary positions of the layers with a window, if different (ModernBERT).
    pub local_rope: Option<Rope>,
    /// Attention scores by relative distance (DeBERTa).
    pub relative: Option<Relative>,
    /// Attention window of each layer, in both directions if not causal; `None` is unlimited.
    pub windows: Vec<Option<usize>>,
    pub qkv_bias: bool,
    pub out_bias: bool,
    pub mlp_bias: bool,
    /// Norms on the queries and keys of each head (Qwen3).
    pub qk_norm: bool,
    /// Norms multiply by 1 + weight (Gemma).
    pub norm_from_one: bool,
    /// Scores are divided by the root of this instead of the head size (Gemma).
    pub query_pre_attn_scalar: Option<f64>,
    /// Soft cap of attention scores (Gemma 2).
    pub score_softcap: Option<f64>,
    /// Soft cap of the logits.
    pub logit_softcap: Option<f64>,
    /// Norms have a bias besides their weight.
    pub norm_bias: bool,
    /// The activation of the feed-forward layer.
    pub activation: Activation,
    /// The activation of a masked head, before its norm.
    pub masked_activation: Activation,
    /// The activation of the layer between a pooled state and its classifier.
    pub pooled_activation: Activation,
    /// Whether that layer has a bias.
    pub pooled_bias: bool,
    /// Output embeddings have a bias, in heads that support it.
    pub output_bias: bool,
    /// Pooling of token states in sequence heads.
    pub pooling: Pooling,
    /// Whether sequence embeddings are scaled to length 1.
    pub normalize: bool,
    /// Whether input and output embeddings are tied.
    pub tied: bool,
    /// Dropout rates in training.
    pub dropout: DropoutRates,
    /// Standard deviation of a new weight.
    pub init_range: f64,
    pub eos: Vec<u32>,
    /// Number of classes, from `id2label`, for heads with classes.
    pub labels: usize,
    /// The kind of classes of a sequence head.
    pub problem: Problem,
    /// Token labels are states of a conditional random field, whose scores are in the checkpoint.
    pub crf: bool,
    /// The head's weights with one row per token id, if any.
    pub output: Option<OutputEmbeddings>,
    /// The original file, so that keys unknown to levain are saved again.
    pub json: Map<String, Value>,
}

/// `problem_type`: the objective of a sequence head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// One class of several.
    SingleLabel,
    /// Each class or not.
    MultiLabel,
    /// Numbers.
    Regression,
}

impl Problem {
    pub const ALL: [(&'static str, Problem); 3] = [
        ("single_label_classification", Problem::SingleLabel),
        ("multi_label_classification", Problem::MultiLabel),
        ("regression", Problem::Regression),
    ];

    pub fn named(who: &str, name: &str) -> Result<Problem> {
        match Problem::ALL.iter().find(|(own, _)| *own == name) {
            Some((_, problem)) => Ok(*problem),
            None => Err(Error::unknown(who, "problem_type", name, Problem::ALL.iter().map(|(name, _)| *name))),
        }
    }

    pub fn name(self) -> &'static str {
        Problem::ALL.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }
}

#[derive(Clone)]
pub struct Rope {
    pub theta: f64,
    pub scaling: RotaryScaling,
    /// The part of a head that is rotated, from its start.
    pub partial: f64,
}

impl Rope {
    pub fn rotary(&self, head_dim: usize, max_positions: usize) -> Rotary {
        Rotary::new((head_dim as f64 * self.partial) as usize, self.theta, &self.scaling, max_positions)
    }
}

/// The names of the parts of an architecture's checkpoint.
pub struct Layout {
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// The name of the input embeddings.
    pub embeddings: &'static str,
    /// The prefix of the names of all weights below the head; a file may lack it.
    pub prefix: &'static str,
    /// The prefix of the layers, before their index.
    pub blocks: &'static str,
    /// The linear layers outside the layers and the head.
    pub outer: &'static [&'static str],
    /// The linear layers that add to the residual stream: the last of attention, and of the feed-forward layer.
    pub outputs: [&'static str; 2],
    /// A position attends only to itself and earlier ones.
    pub causal: bool,
    /// The names of its heads' weights.
    pub heads: HeadNames,
    /// Linear weights in the layers are stored `[in, out]` (GPT-2's Conv1D).
    pub transposed: bool,
    /// Suffixes of names in old files, and their current form.
    pub renamed: &'static [(&'static str, &'static str)],
    /// Names, or prefixes of names, of weights that a file may hold but no computation here uses. They are saved again.
    pub unused: &'static [&'static str],
    /// Names, or suffixes of names, of computed tensors that a file may hold: they are skipped.
    pub computed: &'static [&'static str],
}

/// The weights of a head with one row per token id. They grow and shrink with the vocabulary.
#[derive(Clone)]
pub struct OutputEmbeddings {
    pub weight: String,
    pub bias: Option<String>,
    /// The prefixes of the head's own weights.
    pub head: &'static [&'static str],
}

impl OutputEmbeddings {
    /// The name of their linear layer.
    pub fn layer(&self) -> &str {
        self.weight.strip_suffix(".weight").unwrap_or(&self.weight)
    }
}

impl Config {
    /// Sizes of 0, and defaults of most architectures.
    pub fn base(layout: &'static Layout) -> Config {
        Config {
            layout,
            vocab: 0,
            hidden: 0,
            embedding: 0,
            ff: 0,
            layers: 0,
            layer_groups: 0,
            heads: 0,
            kv_heads: 0,
            head_dim: 0,
            max_positions: 0,
            first_position: 0,
            token_types: 0,
            norm_eps: 0.0,
            rope: None,
            local_rope: None,
            relative: None,
            windows: Vec::new(),
            qkv_bias: true,
            out_bias: true,
            mlp_bias: true,
            qk_norm: false,
            norm_from_one: false,
            query_pre_attn_scalar: None,
            score_softcap: None,
            logit_softcap: None,
            norm_bias: true,
            activation: Activation::Gelu,
            masked_activation: Activation::Gelu,
            pooled_activation: Activation::Tanh,
            pooled_bias: true,
            output_bias: true,
            pooling: if layout.causal { Pooling::Last } else { Pooling::First },
            normalize: false,
            tied: true,
            dropout: DropoutRates::default(),
            init_range: 0.02,
            eos: Vec::new(),
            labels: 2,
            problem: Problem::SingleLabel,
            crf: false,
            output: None,
            json: Map::new(),
        }
    }

    /// The index in the names of a layer's weights.
    pub fn group_of(&self, layer: usize) -> usize {
        // as transformers computes it, rounding included
        (layer as f64 / (self.layers as f64 / self.layer_groups as f64)) as usize
    }

    pub fn check(&self) -> Result<()> {
        let positive = [
            ("vocab_size", self.vocab),
            ("hidden_size", self.hidden),
            ("embedding_size", self.embedding),
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
        if !(1..=self.layers).contains(&self.layer_groups) {
            bail!("model", "`num_hidden_groups` is {}, of {} layers", self.layer_groups, self.layers);
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

    /// The scaling of attention scores before the softmax.
    pub fn score_scale(&self) -> ScoreScale {
        let size = self.query_pre_attn_scalar.unwrap_or(self.head_dim as f64);
        ScoreScale { by: 1.0 / size.sqrt(), cap: self.score_softcap }
    }

    /// Whether the weight or layer `name` is stored `[in, out]`.
    pub fn is_transposed(&self, name: &str) -> bool {
        self.layout.transposed && name.starts_with(self.layout.blocks)
    }

    /// Unties input and output embeddings, here and in `config.json`.
    pub fn untie(&mut self) {
        self.tied = false;
        self.json.insert("tie_word_embeddings".into(), json!(false));
    }

    /// Sets the number of vocabulary rows, here and in `config.json`.
    pub fn set_vocab(&mut self, rows: usize) {
        self.vocab = rows;
        self.json.insert("vocab_size".into(), json!(rows));
    }
}
