//! What a model is made by: an architecture, which turns tokens into hidden states, and a head, which makes of them
//! what is asked for.

use super::config::{Config, Layout, OutputEmbeddings};
use super::fields::Fields;
use super::forward::Forward;
use super::gguf::names::GgufNames;
use super::rows::TokenRows;
use super::weights::Weights;
use crate::kernel::decoder::Decoder;
use crate::tensor::{Tensor, no_grad};
use crate::{Error, Result};
use serde_json::Value;

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
    /// A position attends to itself and earlier ones only.
    pub causal: bool,
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
    /// The summed loss of hidden states `[rows × length, hidden]`, with label smoothing.
    pub loss: fn(&Forward, &Tensor, &Targets, f64) -> Result<Tensor>,
    /// The `task_type` of a PEFT folder, where PEFT has one for it.
    pub peft_task: Option<&'static str>,
}

/// The targets of a batch, and how many of them there are: a mean loss is divided by it.
pub struct Targets {
    /// As the head reads them; -100 where there is no loss.
    pub ids: Vec<i64>,
    pub count: usize,
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
        let trainable = pass.trainable_below(&format!("{}{layer}.", self.layout.blocks));
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
