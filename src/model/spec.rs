//! What a model is made by: an architecture, which turns tokens into hidden states, and a head, which makes of them
//! what is asked for.

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

/// An architecture: how it reads its config, which tensors it has, and what a layer computes.
pub struct Arch {
    pub layout: &'static Layout,
    /// Its heads by the class of transformers, as in `architectures`; the first is that of a new model.
    pub heads: &'static [(&'static str, &'static Head)],
    /// Keys of `config.json` that this architecture calls otherwise than most: the usual name, its own.
    pub keys: &'static [(&'static str, &'static str)],
    /// `config.json` of a new model with these fields given: every key that the architecture has.
    pub defaults: fn(&Fields) -> Result<Value>,
    pub config: fn(&Fields) -> Result<Config>,
    /// Every tensor of the checkpoint below the head, under its Hugging Face name.
    pub tensors: fn(&Config) -> Vec<TensorSpec>,
    /// Input ids to the first layer's input `[rows, length, hidden]`.
    pub embed: fn(&Forward) -> Result<Tensor>,
    pub block: fn(&Forward, usize, &Tensor) -> Result<Tensor>,
    /// What follows the last layer.
    pub finish: fn(&Forward, &Tensor) -> Result<Tensor>,
    /// Its names in GGUF, where llama.cpp has it.
    pub gguf: Option<&'static GgufNames>,
    /// All of it as the one fused operation that decoding has for its like.
    pub decoder: Option<fn(&Config, &Weights) -> Result<Decoder>>,
}

/// A head: an objective over hidden states, and the weights that it has for it.
pub struct Head {
    /// What `model(path, #{ head: … })` calls it.
    pub name: &'static str,
    /// It predicts the next token, so that it can generate.
    pub next_token: bool,
    /// Its outputs are the classes of `id2label`.
    pub classes: bool,
    /// Its weights with one row a token id, if it has such.
    pub output: fn(&Config) -> Option<OutputEmbeddings>,
    /// Its tensors, under their Hugging Face names. Output embeddings that are the input embeddings are not among them.
    pub tensors: fn(&Config) -> Vec<TensorSpec>,
    /// Hidden states `[rows, length, hidden]` to what `forward` returns.
    pub outputs: fn(&Forward, &Tensor) -> Result<Tensor>,
    /// The names that a file may hold copies of tied weights under, and what they are copies of. Where the embeddings are
    /// not tied the first are weights of their own.
    pub ties: fn(&Config) -> Vec<(String, String)>,
    /// What it is to predict.
    pub targets: fn(&TokenRows, &Config) -> Result<Targets>,
    /// The summed loss of hidden states `[rows × length, hidden]`.
    pub loss: fn(&Forward, &Tensor, &Targets, &LossPlan) -> Result<Tensor>,
    /// The `task_type` of a PEFT folder, where PEFT has one for it.
    pub peft_task: Option<&'static str>,
}

/// A head that is put on a model.
#[derive(Clone, Debug, Default)]
pub struct NewHead {
    pub name: String,
    /// What its new weights are drawn from.
    pub seed: u64,
    /// Its classes; none: those of the config.
    pub labels: Option<Vec<String>>,
    pub problem: Option<Problem>,
    /// A conditional random field over the labels of tokens.
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
            // that of the file is about other classes
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

/// The targets of a batch, and how many of them there are: a mean loss is divided by it.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Of tokens or of sequences, as the head reads them; -100 where there is no loss.
    pub ids: Vec<i64>,
    /// Numbers of sequences, where the head learns such.
    pub values: Vec<f32>,
    /// Of sequences, where the ids are those of tokens.
    pub pairs: Vec<i64>,
    pub count: usize,
}

impl Targets {
    /// Where the targets are that have a loss, and what they are.
    pub fn labeled(&self) -> (Vec<i64>, Vec<i64>) {
        let all = self.ids.iter().enumerate().filter(|(_, id)| **id >= 0);
        all.map(|(at, id)| (at as i64, *id)).unzip()
    }
}

/// What a loss is told beside its targets.
#[derive(Clone, Debug)]
pub struct LossPlan {
    /// The share of a target that is spread over all classes.
    pub smoothing: f64,
    /// What each class weighs; a mean is then over what the targets weigh.
    pub class_weight: Option<Vec<f64>>,
    /// What positive targets weigh, where several labels may be true: one number for each, or one for all.
    pub pos_weight: Option<Vec<f64>>,
    /// A loss is multiplied by (1 - p)^gamma of its target's probability p (focal loss).
    pub gamma: f64,
    /// What cosines are multiplied by, where embeddings are compared.
    pub scale: f64,
    /// Positives look for their anchors too.
    pub symmetric: bool,
}

impl Default for LossPlan {
    fn default() -> LossPlan {
        LossPlan { smoothing: 0.0, class_weight: None, pos_weight: None, gamma: 0.0, scale: 20.0, symmetric: false }
    }
}

impl LossPlan {
    /// An option of heads with classes that is given, if one is.
    pub fn of_classes(&self) -> Option<&'static str> {
        let given = [
            ("class_weight", self.class_weight.is_some()),
            ("pos_weight", self.pos_weight.is_some()),
            ("gamma", self.gamma != 0.0),
        ];
        given.into_iter().find_map(|(name, given)| given.then_some(name))
    }
}

/// Label smoothing alone.
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

    /// The same with output embeddings of their own.
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

/// What a new weight starts as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Normal with this standard deviation.
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

    /// What this architecture's config calls the key that others call `key`.
    pub fn own_key<'a>(&self, key: &'a str) -> &'a str {
        self.keys.iter().find(|(usual, _)| *usual == key).map_or(key, |(_, own)| own)
    }

    /// The head called `name`.
    pub fn head(&self, name: &str) -> Result<&'static Head> {
        if let Some((_, head)) = self.heads.iter().find(|(_, head)| head.name == name) {
            return Ok(head);
        }
        Err(Error::new("model", format!("a {} has no head `{name}`", self.model_type()))
            .choose(name, self.heads.iter().map(|(_, head)| head.name)))
    }

    /// The class of transformers for this architecture with a head.
    pub fn class(&self, head: &Head) -> &'static str {
        self.heads.iter().find(|(_, own)| own.name == head.name).map_or("", |(class, _)| class)
    }

    /// All layers and what follows them: hidden states `[rows, length, hidden]`. With `recompute` a layer keeps only
    /// its input, and computes the rest again for its gradient.
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
