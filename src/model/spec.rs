//! Building blocks of a model: an architecture, which turns tokens into hidden states, and a head, which turns them into outputs.

use super::config::{Config, Layout, OutputEmbeddings, Problem};
use super::fields::Fields;
use super::forward::Forward;
use super::gguf::names::GgufNames;
use super::pooling::Pooling;
use super::rows::TokenRows;
use super::weights::Weights;
use crate::kernel::decoder::Decoder;
use crate::tensor::{Tensor, no_grad};
use crate::{Error, Result};
use serde_json::{Map, Value, json};

/// An architecture: how it reads its config, its tensors, and the computation of a layer.
pub struct Arch {
    pub layout: &'static Layout,
    /// Its heads by transformers class, as in `architectures`; the first is the default for a new model.
    pub heads: &'static [(&'static str, &'static Head)],
    /// Keys of `config.json` with another name in this architecture: the usual name, its own.
    pub keys: &'static [(&'static str, &'static str)],
    /// The `config.json` of a new model with these fields given: every key of the architecture.
    pub defaults: fn(&Fields) -> Result<Value>,
    pub config: fn(&Fields) -> Result<Config>,
    /// Every tensor of the checkpoint below the head, under its Hugging Face name.
    pub tensors: fn(&Config) -> Vec<TensorSpec>,
    /// Input ids to the first layer's input `[rows, length, hidden]`.
    pub embed: fn(&Forward) -> Result<Tensor>,
    pub block: fn(&Forward, usize, &Tensor) -> Result<Tensor>,
    /// The computation after the last layer.
    pub finish: fn(&Forward, &Tensor) -> Result<Tensor>,
    /// Its names in GGUF, if llama.cpp supports it.
    pub gguf: Option<&'static GgufNames>,
    /// The fused decoder, if this architecture has one.
    pub decoder: Option<fn(&Config, &Weights) -> Result<Decoder>>,
}

/// A head: an objective over hidden states, and its weights.
pub struct Head {
    /// Its name in `model(path, #{ head: … })`.
    pub name: &'static str,
    /// It predicts the next token, so it can generate.
    pub next_token: bool,
    /// Its outputs are the classes of `id2label`.
    pub classes: bool,
    /// Its weights with one row per token id, if any.
    pub output: fn(&Config) -> Option<OutputEmbeddings>,
    /// Its tensors, under their Hugging Face names, without output embeddings that are tied to the input embeddings.
    pub tensors: fn(&Config) -> Vec<TensorSpec>,
    /// Hidden states `[rows, length, hidden]` to what `forward` returns.
    pub outputs: fn(&Forward, &Tensor) -> Result<Tensor>,
    /// Names of copies of tied weights that a file may hold, and the original of each. If the embeddings are not tied the former
    /// are separate weights.
    pub ties: fn(&Config) -> Vec<(String, String)>,
    /// The targets of a batch.
    pub targets: fn(&TokenRows, &Config) -> Result<Targets>,
    /// The summed loss of hidden states `[rows × length, hidden]`.
    pub loss: fn(&Forward, &Tensor, &Targets, &LossPlan) -> Result<Tensor>,
    /// The `task_type` of a PEFT folder, if PEFT has one.
    pub peft_task: Option<&'static str>,
}

/// A head to be put on a model.
#[derive(Clone, Debug, Default)]
pub struct NewHead {
    pub name: String,
    /// The seed of its new weights.
    pub seed: u64,
    /// Its classes; `None`: those of the config.
    pub labels: Option<Vec<String>>,
    pub problem: Option<Problem>,
    /// A conditional random field over the token labels.
    pub crf: bool,
    pub pooling: Option<Pooling>,
    pub normalize: Option<bool>,
}

impl NewHead {
    pub fn named(name: &str, seed: u64) -> NewHead {
        NewHead { name: name.into(), seed, ..NewHead::default() }
    }

    /// Writes classes and problem into a `config.json`.
    pub fn write(&self, json: &mut Map<String, Value>) {
        if let Some(labels) = &self.labels {
            let names = labels.iter().enumerate();
            let ids = names.clone().map(|(id, name)| (id.to_string(), json!(name))).collect();
            json.insert("id2label".into(), Value::Object(ids));
            json.insert("label2id".into(), Value::Object(names.map(|(id, name)| (name.clone(), json!(id))).collect()));
            json.remove("num_labels");
            // the file's value refers to other classes
            json.remove("problem_type");
        }
        if self.crf {
            json.insert("crf".into(), json!(true));
        } else {
            json.remove("crf");
        }
        if let Some(problem) = self.problem {
            json.insert("problem_type".into(), json!(problem.name()));
        }
    }
}

/// The targets of a batch, and their number: the divisor of a mean loss.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Targets of tokens or sequences, as the head reads them; -100 for no loss.
    pub ids: Vec<i64>,
    /// Numeric targets of sequences, for regression.
    pub values: Vec<f32>,
    /// Targets of sequences, if the ids are targets of tokens.
    pub pairs: Vec<i64>,
    pub count: usize,
}

impl Targets {
    /// The positions of targets with a loss, and their values.
    pub fn labeled(&self) -> (Vec<i64>, Vec<i64>) {
        let all = self.ids.iter().enumerate().filter(|(_, id)| **id >= 0);
        all.map(|(at, id)| (at as i64, *id)).unzip()
    }
}

/// Options of a loss besides its targets.
#[derive(Clone, Debug)]
pub struct LossPlan {
    /// Label smoothing: the share of a target spread over all classes.
    pub smoothing: f64,
    /// Class weights; a mean is then weighted by the targets' classes.
    pub class_weight: Option<Vec<f64>>,
    /// Weight of positive targets in multi-label problems: one number per label, or one for all.
    pub pos_weight: Option<Vec<f64>>,
    /// The loss is multiplied by (1 - p)^gamma for a target of probability p (focal loss).
    pub gamma: f64,
    /// Factor of cosines when embeddings are compared.
    pub scale: f64,
    /// Also train positives to find their anchors.
    pub symmetric: bool,
}

impl Default for LossPlan {
    fn default() -> LossPlan {
        LossPlan { smoothing: 0.0, class_weight: None, pos_weight: None, gamma: 0.0, scale: 20.0, symmetric: false }
    }
}

impl LossPlan {
    /// The name of a given option that only heads with classes support, if any.
    pub fn of_classes(&self) -> Option<&'static str> {
        let given = [
            ("class_weight", self.class_weight.is_some()),
            ("pos_weight", self.pos_weight.is_some()),
            ("gamma", self.gamma != 0.0),
        ];
        given.into_iter().find_map(|(name, given)| given.then_some(name))
    }
}

/// Only label smoothing.
impl From<f64> for LossPlan {
    fn from(smoothing: f64) -> LossPlan {
        LossPlan { smoothing, ..LossPlan::default() }
    }
}

/// The architecture, the head and the config of a model.
#[derive(Clone)]
pub struct Blueprint {
    pub arch: &'static Arch,
    pub head: &'static Head,
    pub config: Config,
}

impl Blueprint {
    /// Every tensor of the checkpoint.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut specs = (self.arch.tensors)(&self.config);
        specs.extend((self.head.tensors)(&self.config));
        specs
    }

    /// Gives the output embeddings their own weights.
    pub fn untie(&mut self) {
        self.config.untie();
        self.config.output = (self.head.output)(&self.config);
    }
}

/// A tensor of a checkpoint.
pub struct TensorSpec {
    pub name: String,
    pub shape: Vec<usize>,
    pub start: Start,
}

/// Initialization of a new weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Normal distribution with this standard deviation.
    Normal(f64),
    Ones,
    Zeros,
}

impl TensorSpec {
    pub fn new(name: impl Into<String>, shape: &[usize], start: Start) -> TensorSpec {
        TensorSpec { name: name.into(), shape: shape.to_vec(), start }
    }
}

impl Arch {
    pub fn model_type(&self) -> &'static str {
        self.layout.model_type
    }

    /// This architecture's config key for the usual `key`.
    pub fn own_key<'a>(&self, key: &'a str) -> &'a str {
        self.keys.iter().find(|(usual, _)| *usual == key).map_or(key, |(_, own)| own)
    }

    /// The head of this name.
    pub fn head(&self, name: &str) -> Result<&'static Head> {
        if let Some((_, head)) = self.heads.iter().find(|(_, head)| head.name == name) {
            return Ok(head);
        }
        Err(Error::new("model", format!("a {} has no head `{name}`", self.model_type()))
            .choose(name, self.heads.iter().map(|(_, head)| head.name)))
    }

    /// The transformers class of this architecture with a head.
    pub fn class(&self, head: &Head) -> &'static str {
        self.heads.iter().find(|(_, own)| own.name == head.name).map_or("", |(class, _)| class)
    }

    /// All layers and the final norm: hidden states `[rows, length, hidden]`. With `recompute` a layer keeps only its input, and
    /// recomputes the rest for its gradient.
    pub fn hidden_states(&'static self, pass: &Forward, recompute: bool) -> Result<Tensor> {
        let mut x = (self.embed)(pass)?;
        for layer in 0..pass.config().layers {
            crate::cancel::check()?;
            x = if recompute { self.recomputed(pass, layer, &x)? } else { (self.block)(pass, layer, &x)? };
        }
        (self.finish)(pass, &x)
    }

    fn recomputed(&'static self, pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
        let trainable = pass.trainable_below(&format!("{}{}.", self.layout.blocks, pass.config().group_of(layer)));
        let inputs: Vec<&Tensor> = std::iter::once(x).chain(&trainable).collect();
        if !Tensor::records(&inputs) {
            return (self.block)(pass, layer, x);
        }
        let y = no_grad(|| (self.block)(pass, layer, x))?;
        let (pass, input) = (pass.clone(), x.clone());
        Ok(Tensor::derive_from(y.value(), &inputs, move |grad, flow| {
            let y = (self.block)(&pass, layer, &input)?;
            flow.seed(&y, grad)
        }))
    }
}
