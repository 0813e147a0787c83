//! The model handle: all clones refer to the same model, so a change is visible to all.

use super::adapt::replaced::Replaced;
use super::candle::{CandleDecoder, no_training};
use super::config::{Config, Rope};
use super::fields::Fields;
use super::forward::Forward;
use super::head::{classes, token};
use super::input::Input;
use super::rows::{Reduce, TokenRows};
use super::rows_apart::embeddings_of;
use super::sentence::Sentence;
use super::spec::{Arch, Blueprint, Head, LossPlan, Targets};

use super::weights::{Weight, Weights};
use crate::kernel::{self, decoder::Decoder};
use crate::sync::unpoisoned;
use crate::tensor::nn::{Precision, Rotary};
use crate::tensor::{Array, DType, Tensor, no_grad, ops, rng};
use crate::token::Tokenizer;
use crate::{Error, Result, bail, text};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Clone)]
pub struct Model(Arc<RwLock<Inner>>);

pub(super) struct Inner {
    pub arch: &'static Arch,
    pub head: &'static Head,
    pub config: Arc<Config>,
    pub weights: Arc<Weights>,
    pub precision: Precision,
    pub recompute: bool,
    /// `generation_config.json`.
    pub generation: Map<String, Value>,
    /// Embedding settings of a sentence-transformers folder.
    pub sentence: Arc<Sentence>,
    /// The path it was opened from.
    pub source: Option<PathBuf>,
    /// Number of embedding rows before they grew.
    pub grown_from: Option<usize>,
    /// Number of embedding rows unchanged from the base; `None` if they were reordered.
    pub base_rows: Option<usize>,
    /// Weights of the base that an adapter replaced.
    pub replaced: Option<Replaced>,
    rotary: Option<Arc<Rotary>>,
    local_rotary: Option<Arc<Rotary>>,
    /// The candle model, if candle computes it.
    pub candle: Option<Arc<CandleDecoder>>,
}

impl Model {
    pub(super) fn assemble(blueprint: Blueprint, weights: Weights) -> Model {
        let Blueprint { arch, head, config } = blueprint;
        let rows = config.vocab;
        let rotary = |rope: &Option<Rope>| -> Option<Arc<Rotary>> {
            rope.as_ref().map(|rope| Arc::new(rope.rotary(config.head_dim, config.max_positions)))
        };
        let (rotary, local_rotary) = (rotary(&config.rope), rotary(&config.local_rope));
        Model(Arc::new(RwLock::new(Inner {
            arch,
            head,
            config: Arc::new(config),
            weights: Arc::new(weights),
            precision: Precision::F32,
            recompute: false,
            generation: Map::new(),
            sentence: Arc::default(),
            source: None,
            grown_from: None,
            base_rows: Some(rows),
            replaced: None,
            rotary,
            local_rotary,
            candle: None,
        })))
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        unpoisoned(self.0.read())
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        unpoisoned(self.0.write())
    }

    pub fn config(&self) -> Arc<Config> {
        self.read().config.clone()
    }

    /// The current weights; their numbers are shared, not copied.
    pub fn weights(&self) -> Arc<Weights> {
        self.read().weights.clone()
    }

    /// The trainable parameters, in name order.
    pub fn parameters(&self) -> Vec<Tensor> {
        self.read().weights.trainable()
    }

    /// The head's outputs at every position: the logits `[rows, length, vocabulary]` of a language model.
    pub fn forward(&self, rows: &TokenRows) -> Result<Tensor> {
        let inner = self.read();
        let pass = inner.pass("forward", rows)?;
        (inner.head.outputs)(&pass, &inner.arch.hidden_states(&pass, inner.recompute)?)
    }

    /// Like [`Model::forward`], with training dropout when operations are recorded.
    pub fn forward_dropping(&self, rows: &TokenRows) -> Result<Tensor> {
        let inner = self.read();
        let mut pass = inner.pass("forward", rows)?;
        pass.dropout = inner.drops().then(rng::dropout);
        (inner.head.outputs)(&pass, &inner.arch.hidden_states(&pass, inner.recompute)?)
    }

    /// Hidden states after the last layer and its norm, `[rows, length, hidden]`.
    pub fn hidden_states(&self, rows: &TokenRows) -> Result<Tensor> {
        let inner = self.read();
        inner.arch.hidden_states(&inner.pass("hidden_states", rows)?, inner.recompute)
    }

    /// The loss of the head over its targets.
    pub fn loss(&self, rows: &TokenRows, reduce: Reduce, plan: impl Into<LossPlan>) -> Result<Tensor> {
        let plan = plan.into();
        let inner = self.read();
        inner.check_plan(&plan)?;
        let targets = (inner.head.targets)(rows, &inner.config)?;
        if targets.count == 0 && rows.targets.is_some() {
            bail!("loss", "no sequence of this batch has a loss: all targets are -100");
        }
        if targets.count == 0 {
            return Err(Error::new("loss", "no token of this batch has a loss: all labels are -100")
                .help("check `loss_on`, and that sequences are not cut before their answer"));
        }
        let mut pass = inner.pass("loss", rows)?;
        pass.dropout = inner.drops().then(rng::dropout);
        let hidden = inner.arch.hidden_states(&pass, inner.recompute)?;
        let hidden = ops::reshape(&hidden, &[-1, inner.config.hidden as i64])?;
        let sum = (inner.head.loss)(&pass, &hidden, &targets, &plan)?;
        match reduce {
            Reduce::Sum => Ok(sum),
            Reduce::Mean => match classes::whole(&targets, &plan) {
                0.0 => bail!("loss", "the classes of this batch weigh nothing: all their `class_weight` is 0"),
                whole => ops::multiply(&sum, 1.0 / whole),
            },
        }
    }

    /// The summed negative log likelihood of the labels of a batch, without recording.
    pub fn nats(&self, rows: &TokenRows) -> Result<f64> {
        if let Some(candle) = self.candle() {
            return candle.nats(rows);
        }
        kernel::scalar(&no_grad(|| self.loss(rows, Reduce::Sum, 0.0))?.value())
    }

    pub(super) fn candle(&self) -> Option<Arc<CandleDecoder>> {
        self.read().candle.clone()
    }

    /// Returns an error if candle computes this model.
    pub(super) fn check_trainable(&self, who: &str) -> Result<()> {
        match self.candle() {
            Some(_) => no_training().map_err(|error: Error| error.attributed_to(who)),
            None => Ok(()),
        }
    }

    /// Number of weights.
    pub fn parameter_count(&self) -> usize {
        self.candle().map_or_else(|| self.weights().count(), |candle| candle.parameters)
    }

    /// The targets of a batch, as read by the head.
    pub fn targets(&self, rows: &TokenRows) -> Result<Targets> {
        let inner = self.read();
        (inner.head.targets)(rows, &inner.config)
    }

    /// The divisor of the mean loss of a batch.
    pub fn loss_weight(&self, rows: &TokenRows, plan: &LossPlan) -> Result<f64> {
        let inner = self.read();
        inner.check_plan(plan)?;
        let targets = (inner.head.targets)(rows, &inner.config)?;
        Ok(classes::whole(&targets, plan))
    }

    /// The name of its head.
    pub fn head(&self) -> &'static str {
        self.read().head.name
    }

    /// The class names of its head, if it has classes.
    pub fn labels(&self) -> Vec<String> {
        let inner = self.read();
        match inner.head.classes {
            true => Fields(&inner.config.json).label_names(inner.config.labels),
            false => Vec::new(),
        }
    }

    pub(super) fn sentence(&self) -> Arc<Sentence> {
        self.read().sentence.clone()
    }

    /// Returns an error if a tokenizer has ids without an embedding row.
    pub fn check_vocabulary(&self, who: &str, tokenizer: &Tokenizer) -> Result<()> {
        let (tokens, rows) = (tokenizer.len(), self.config().vocab);
        if tokens <= rows {
            return Ok(());
        }
        let (tokens, rows) = (text::thousands(tokens), text::thousands(rows));
        Err(Error::new(who, format!("the tokenizer has {tokens} tokens, and the embeddings {rows} rows"))
            .help("`net.resize_embeddings(tok.len())` grows them"))
    }

    /// Returns an error unless this model is causal.
    pub fn check_causal(&self, who: &str) -> Result<()> {
        let inner = self.read();
        if inner.head.next_token {
            return Ok(());
        }
        let (model, head) = (inner.config.model_type(), inner.head.name);
        Err(Error::new(who, format!("a {model} with a {head} head does not predict the next token")).help(
            "take a causal model, such as a llama; of this one, `net.forward(ids)` gives the logits of masked tokens",
        ))
    }

    /// Freezes or unfreezes the weights whose names match, and returns their number.
    pub fn freeze(&self, pattern: &str, frozen: bool) -> Result<usize> {
        let mut inner = self.write();
        let mut weights = Weights::clone(&inner.weights);
        let matched = weights.freeze(pattern, frozen)?;
        weights.join_trainable()?;
        inner.weights = Arc::new(weights);
        Ok(matched)
    }

    /// The weight `name`, dequantized if it is quantized.
    pub fn weight(&self, name: &str) -> Result<Tensor> {
        let inner = self.read();
        let weight = inner.weights.get(name)?;
        if weight.blocks.is_some() { Ok(weight.value()?.into()) } else { Ok(weight.param.clone()) }
    }

    pub fn set_weight(&self, name: &str, value: &Array) -> Result<()> {
        self.read().weights.set(name, value)
    }

    pub fn set_precision(&self, precision: Precision) {
        self.write().precision = precision;
    }

    pub fn precision(&self) -> Precision {
        self.read().precision
    }

    pub fn recompute(&self) -> bool {
        self.read().recompute
    }

    /// The ids that end a text, from `config.json` and `generation_config.json`.
    pub fn ends(&self) -> Vec<u32> {
        let inner = self.read();
        let generation = Fields(&inner.generation).ids("eos_token_id");
        inner.config.eos.iter().copied().chain(generation).filter(|&id| (id as usize) < inner.config.vocab).collect()
    }

    /// The `generation_config.json` of the model's folder.
    pub fn generation_config(&self) -> Map<String, Value> {
        self.read().generation.clone()
    }

    /// A second model that shares the numbers in memory: an adapter attached to one is not attached to the other.
    pub fn share(&self) -> Result<Model> {
        self.check_trainable("share")?;
        let inner = self.read();
        let config = Config::clone(&inner.config);
        let blueprint = Blueprint { arch: inner.arch, head: inner.head, config };
        let twin = Model::assemble(blueprint, Weights::clone(&inner.weights));
        let mut other = twin.write();
        other.precision = inner.precision;
        other.generation = inner.generation.clone();
        other.sentence = inner.sentence.clone();
        other.source = inner.source.clone();
        (other.grown_from, other.base_rows) = (inner.grown_from, inner.base_rows);
        drop(other);
        Ok(twin)
    }

    /// Keeps only the inputs of layers for backward and recomputes the rest: less memory, a quarter more time.
    pub fn set_recompute(&self, recompute: bool) {
        self.write().recompute = recompute;
    }

    /// Stores the weights in `dtype`.
    pub fn to(&self, dtype: DType) -> Result<()> {
        if !matches!(dtype, DType::F32 | DType::BF16 | DType::F16) {
            bail!("to", "weights can't be stored as {}", dtype.as_str());
        }
        self.check_trainable("to")?;
        self.widen()?;
        for (_, weight) in self.weights().iter() {
            if let Some(param) = weight.param.as_param() {
                param.recast(dtype)?;
            }
        }
        Ok(())
    }
}

impl Model {
    /// Converts quantized weights to f32 parameters.
    fn widen(&self) -> Result<()> {
        let mut inner = self.write();
        let quantized = |(name, weight): (&Arc<str>, &Weight)| weight.blocks.is_some().then(|| name.clone());
        let names: Vec<Arc<str>> = inner.weights.iter().filter_map(quantized).collect();
        for name in names {
            let value = inner.weights.get(&name)?.value()?;
            Arc::make_mut(&mut inner.weights).insert(&name, value);
        }
        if inner.precision == Precision::Int8 {
            inner.precision = Precision::F32;
        }
        Ok(())
    }
}

impl Inner {
    /// Returns an error if a plan does not fit the head.
    fn check_plan(&self, plan: &LossPlan) -> Result<()> {
        if self.head.classes {
            return classes::check(plan, &self.config, self.head.name == token::HEAD.name);
        }
        match plan.of_classes() {
            Some(name) => Err(Error::new("loss", format!("`{name}` is not for a {} head", self.head.name))
                .help("it is of heads with classes: `sequence` and `token`")),
            None => Ok(()),
        }
    }

    /// The fused decoder of this model, if supported.
    pub(super) fn decoder(&self) -> Result<Option<Decoder>> {
        // the fused decoder supports neither bottleneck adapters nor split embeddings
        let apart = self.weights.iter().filter_map(|(name, _)| embeddings_of(name));
        let (scattered, cut): (Vec<String>, Vec<String>) =
            apart.partition(|table| self.weights.scattered.contains_key(table));
        if !self.weights.bottlenecks.is_empty() || !cut.is_empty() {
            return Ok(None);
        }
        match self.arch.decoder {
            Some(decoder) => {
                let mut weights = Cow::Borrowed(&*self.weights);
                if !scattered.is_empty() {
                    weights.to_mut().join()?;
                }
                let decoder = Decoder { precision: self.precision, ..decoder(&self.config, &weights)? };
                Ok(Some(decoder).filter(Decoder::is_supported))
            }
            None => Ok(None),
        }
    }

    /// Whether dropout applies: only in training, when operations are recorded.
    fn drops(&self) -> bool {
        let recorded = |param: &Tensor| Tensor::records(&[param]);
        let of_lora = || self.weights.lora.values().any(|adapter| adapter.dropout > 0.0 && recorded(&adapter.a));
        self.config.dropout.any() && self.weights.trainable().iter().any(recorded) || of_lora()
    }

    pub(super) fn rotary(&self) -> Option<Arc<Rotary>> {
        self.rotary.clone()
    }

    pub(super) fn pass(&self, who: &str, rows: &TokenRows) -> Result<Forward> {
        let input = Input::new(who, rows, &self.config)?;
        let longest = input.positions.iter().max().map_or(0, |&last| last as usize + 1);
        // rotary and relative positions are unlimited, position embeddings are not
        let endless = self.rotary.is_some() || self.config.relative.is_some_and(|relative| !relative.absolute);
        if !endless && longest > self.config.max_positions {
            let room = self.config.max_positions;
            return Err(Error::new(who, format!("{longest} positions, and the model has {room}"))
                .help("cut the sequences with `max_length`, when they are encoded or packed"));
        }
        Ok(Forward {
            config: self.config.clone(),
            weights: self.weights.clone(),
            rotary: self.rotary.clone(),
            local_rotary: self.local_rotary.clone(),
            precision: self.precision,
            input: Arc::new(input),
            cache: None,
            dropout: None,
            observer: None,
        })
    }
}
