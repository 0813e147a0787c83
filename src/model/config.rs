//! The shape of a model as plain numbers, and where the parts of a checkpoint are.

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
    /// Width of the embeddings, where it is not that of the hidden states (ELECTRA, ALBERT).
    pub embedding: usize,
    pub ff: usize,
    pub layers: usize,
    /// How many of the layers have weights of their own: ALBERT's share them.
    pub layer_groups: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub max_positions: usize,
    /// Position embeddings before that of the first token: RoBERTa's begin after the padding's id.
    pub first_position: usize,
    /// Kinds of token (BERT's sentence A and B); 0 where the model has no embeddings of them.
    pub token_types: usize,
    pub norm_eps: f64,
    /// Rotary positions; a model without them has position embeddings.
    pub rope: Option<Rope>,
    /// Those of the layers with a window, where they are others (ModernBERT).
    pub local_rope: Option<Rope>,
    /// Scores by the distance of two tokens (DeBERTa).
    pub relative: Option<Relative>,
    /// How far back each layer attends, or in both directions where it is not causal; `None` is all the way.
    pub windows: Vec<Option<usize>>,
    pub qkv_bias: bool,
    pub out_bias: bool,
    pub mlp_bias: bool,
    /// Norms on the queries and keys of each head (Qwen3).
    pub qk_norm: bool,
    /// Norms multiply by 1 more than their weight (Gemma).
    pub norm_from_one: bool,
    /// What scores are divided by the root of, where it is not the size of a head (Gemma).
    pub query_pre_attn_scalar: Option<f64>,
    /// Scores of attention are limited softly to this (Gemma 2).
    pub score_softcap: Option<f64>,
    /// So are logits of tokens.
    pub logit_softcap: Option<f64>,
    /// Norms have a bias beside their weight.
    pub norm_bias: bool,
    /// The activation of the feed-forward layer.
    pub activation: Activation,
    /// That of a masked head, before its norm.
    pub masked_activation: Activation,
    /// That of the layer between a pooled state and its classifier.
    pub pooled_activation: Activation,
    /// That layer has a bias.
    pub pooled_bias: bool,
    /// Output embeddings have a bias, in the heads that know one.
    pub output_bias: bool,
    /// What a head for whole sequences makes of their tokens.
    pub pooling: Pooling,
    /// The embedding of a sequence is scaled to length 1.
    pub normalize: bool,
    /// Input and output embeddings are one.
    pub tied: bool,
    /// What training drops.
    pub dropout: DropoutRates,
    /// Standard deviation of a new weight.
    pub init_range: f64,
    pub eos: Vec<u32>,
    /// Classes of the heads that have such: their number, by `id2label`.
    pub labels: usize,
    /// What the classes of a whole sequence are.
    pub problem: Problem,
    /// The labels of tokens are states of a conditional random field, whose scores are in the checkpoint.
    pub crf: bool,
    /// The weights of the head that have one row a token id, if it has such.
    pub output: Option<OutputEmbeddings>,
    /// The file as it was, so that keys that levain does not know are saved again.
    pub json: Map<String, Value>,
}

/// `problem_type`: what a head for whole sequences learns.
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
    /// The linear layers beside the layers and the head.
    pub outer: &'static [&'static str],
    /// The linear layers that add to the residual stream: the last of attention, and of the feed-forward.
    pub outputs: [&'static str; 2],
    /// A position attends to itself and earlier ones only.
    pub causal: bool,
    /// What its heads are called.
    pub heads: HeadNames,
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
    /// The prefixes of the head's own weights.
    pub head: &'static [&'static str],
}

impl OutputEmbeddings {
    /// The name of the linear layer that they are.
    pub fn layer(&self) -> &str {
        self.weight.strip_suffix(".weight").unwrap_or(&self.weight)
    }
}

impl Config {
    /// Sizes of 0, and what most architectures have.
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

    /// The number in the names of the weights of a layer.
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

    /// What products of queries and keys become before the softmax.
    pub fn score_scale(&self) -> ScoreScale {
        let size = self.query_pre_attn_scalar.unwrap_or(self.head_dim as f64);
        ScoreScale { by: 1.0 / size.sqrt(), cap: self.score_softcap }
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
