//! The model as a handle: every copy is the same model, and a verb changes it for all.

use super::arch;
use super::config::Fields;
use super::learn::table_of;
use super::pass::{Input, Pass};
use super::wire::{reshape, scale};
use super::{Config, Rows, Weight, Weights, config, delta, folder, gguf, peft};
use crate::kernel::decoder::Decoder;
use crate::kernel::quant::Blocks;
use crate::sync::unpoisoned;
use crate::tensor::nn::{Precision, Rotary};
use crate::tensor::{Array, DType, Rng, Tensor};
use crate::{Error, Result, bail, files};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Clone)]
pub struct Model(Arc<RwLock<Inner>>);

pub(super) struct Inner {
    pub config: Arc<Config>,
    pub weights: Arc<Weights>,
    pub precision: Precision,
    pub recompute: bool,
    /// What `generation_config.json` said.
    pub generation: Map<String, Value>,
    /// Where it was opened.
    pub source: Option<PathBuf>,
    /// What dropout is drawn from.
    pub seed: u64,
    /// How many rows the tables had before they grew.
    pub grown_from: Option<usize>,
    rotary: Option<Arc<Rotary>>,
}

/// What a loss over many targets is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduce {
    Mean,
    Sum,
}

impl Model {
    /// Opens a `.gguf` file whose quantised weights stay in their blocks, frozen; the others are stored as `dtype`.
    pub fn open_quantised(path: &Path, dtype: DType) -> Result<Model> {
        files::readable("model", path)?;
        if !files::exists(path) {
            return Err(missing(path));
        }
        if !is_gguf(path) {
            return Err(Error::new("model", format!("{} is no .gguf file, and not quantised", path.display()))
                .help("`net.to(\"q8\")` quantises the matrices of any model"));
        }
        let (config, weights) = gguf::open(path, dtype, true)?;
        Ok(Model::opened(path, config, weights))
    }

    /// Opens a Hugging Face folder or a `.gguf` file, its weights stored as `dtype`.
    pub fn open(path: &Path, dtype: DType) -> Result<Model> {
        files::readable("model", path)?;
        if !files::exists(path) {
            return Err(missing(path));
        }
        if files::is_file(path) {
            if is_gguf(path) {
                let (config, weights) = gguf::open(path, dtype, false)?;
                return Ok(Model::opened(path, config, weights));
            }
            return Err(Error::new("model", format!("{} is not a model", path.display()))
                .help("a model is a Hugging Face folder with config.json and safetensors, or a .gguf file"));
        }
        if delta::is_delta(path) {
            return Model::open_delta(path, dtype);
        }
        if peft::is_adapter(path) {
            let net = Model::open(&peft::base_of(path)?, dtype)?;
            net.open_lora(path)?;
            return Ok(net);
        }
        let config = Config::open(&path.join("config.json"))?;
        let weights = folder::read_weights(path, &config, dtype)?;
        let net = Model::opened(path, config, weights);
        if let Ok(Value::Object(generation)) = config::read_json(&path.join("generation_config.json")) {
            net.write().generation = generation;
        }
        Ok(net)
    }

    fn opened(path: &Path, config: Config, weights: Weights) -> Model {
        let net = Model::assemble(config, weights);
        net.write().source = Some(files::full(path).unwrap_or_else(|| path.into()));
        net
    }

    pub(super) fn assemble(config: Config, weights: Weights) -> Model {
        let rotary = config
            .rope
            .as_ref()
            .map(|rope| Arc::new(Rotary::new(config.head_dim, rope.theta, &rope.scaling, config.max_positions)));
        Model(Arc::new(RwLock::new(Inner {
            config: Arc::new(config),
            weights: Arc::new(weights),
            precision: Precision::F32,
            recompute: false,
            generation: Map::new(),
            source: None,
            seed: 0,
            grown_from: None,
            rotary,
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

    /// The weights as they are now; the numbers in them stay shared.
    pub fn weights(&self) -> Arc<Weights> {
        self.read().weights.clone()
    }

    /// What learns, in name order.
    pub fn params(&self) -> Vec<Tensor> {
        self.read().weights.learning()
    }

    /// Logits of every place, `[rows, length, vocabulary]`.
    pub fn forward(&self, rows: &Rows) -> Result<Tensor> {
        let inner = self.read();
        let pass = inner.pass("forward", rows)?;
        pass.logits(&pass.hidden(inner.recompute)?)
    }

    /// States after the last norm, `[rows, length, hidden]`.
    pub fn hidden(&self, rows: &Rows) -> Result<Tensor> {
        let inner = self.read();
        inner.pass("hidden", rows)?.hidden(inner.recompute)
    }

    /// Cross-entropy of the labels: place t predicts the label of place t + 1 of the same segment.
    pub fn loss(&self, rows: &Rows, reduce: Reduce, smoothing: f64) -> Result<Tensor> {
        let inner = self.read();
        let config = &inner.config;
        let targets = targets(rows, config.vocab)?;
        let learned = targets.iter().filter(|&&target| target >= 0).count();
        if learned == 0 {
            return Err(Error::new("loss", "no label of this batch is learned: all are -100")
                .help("check what `learn` selected, and that sequences are not cut before their answer"));
        }
        let mut pass = inner.pass("loss", rows)?;
        // in training only, which is where something is recorded
        if inner.weights.adapters.values().any(|adapter| Tensor::records(&[&adapter.a])) {
            pass.dropout = Some(Rng::new(inner.seed).split("dropout").split(rows.step));
        }
        let hidden = reshape(&pass.hidden(inner.recompute)?, &[rows.rows * rows.length, config.hidden])?;
        let sum = pass.cross_entropy(&hidden, &targets, smoothing)?;
        match reduce {
            Reduce::Sum => Ok(sum),
            Reduce::Mean => scale(&sum, 1.0 / learned as f64),
        }
    }

    /// Freezes or unfreezes the weights whose names match, and says how many did.
    pub fn freeze(&self, pattern: &str, frozen: bool) -> Result<usize> {
        let mut inner = self.write();
        let mut weights = Weights::clone(&inner.weights);
        let matched = weights.freeze(pattern, frozen)?;
        weights.join_learning()?;
        inner.weights = Arc::new(weights);
        Ok(matched)
    }

    /// The numbers of the weight `name`.
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

    /// The ids that end a text, by `config.json` and `generation_config.json`.
    pub fn ends(&self) -> Vec<u32> {
        let inner = self.read();
        let generation = Fields(&inner.generation).ids("eos_token_id");
        inner.config.eos.iter().copied().chain(generation).filter(|&id| (id as usize) < inner.config.vocab).collect()
    }

    /// Keeps only the inputs of blocks for backward, and computes the rest again: less memory, a quarter more time.
    pub fn set_recompute(&self, recompute: bool) {
        self.write().recompute = recompute;
    }

    /// Stores the weights in `dtype`.
    pub fn to(&self, dtype: DType) -> Result<()> {
        if !matches!(dtype, DType::F32 | DType::BF16 | DType::F16) {
            bail!("to", "weights can't be stored as {}", dtype.as_str());
        }
        self.widen()?;
        for (_, weight) in self.weights().iter() {
            if let Some(param) = weight.param.as_param() {
                param.set(param.value().to_dtype(dtype)?)?;
            }
        }
        Ok(())
    }
}

impl Model {
    /// Quantised weights become parameters in f32.
    fn widen(&self) -> Result<()> {
        let mut inner = self.write();
        let quantised = |(name, weight): (&Arc<str>, &Weight)| weight.blocks.is_some().then(|| name.clone());
        let names: Vec<Arc<str>> = inner.weights.iter().filter_map(quantised).collect();
        for name in names {
            let value = inner.weights.get(&name)?.value()?;
            Arc::make_mut(&mut inner.weights).insert(&name, value);
        }
        Ok(())
    }

    /// Stores every matrix in 8 bits a number, with a scale for 32 of them (Q8_0). They are frozen then.
    pub fn quantise(&self) -> Result<()> {
        let mut inner = self.write();
        if inner.config.arch.transposed {
            bail!("to", "the matrices of a {} lie the other way round, and can't be quantised", inner.config.arch.kind);
        }
        let matrices: Vec<Arc<str>> = inner
            .weights
            .iter()
            .filter(|(_, weight)| weight.blocks.is_none() && weight.dims().len() == 2)
            .map(|(name, _)| name.clone())
            .collect();
        // all are looked at first, so that what fails changes nothing; then one by one, never all of them twice
        for name in &matrices {
            Blocks::check_q8(&inner.weights.get(name)?.dims()).map_err(|error| error.at(format!("`{name}`")))?;
        }
        for name in &matrices {
            let blocks = Blocks::q8(&inner.weights.get(name)?.value()?)?;
            Arc::make_mut(&mut inner.weights).insert_blocks(name, blocks)?;
        }
        Ok(())
    }
}

impl Inner {
    /// What decodes this model at once; `None` where its blocks have to, one operation after the other.
    pub(super) fn decoder(&self) -> Result<Option<Decoder>> {
        // what stands behind a layer, and tables in two parts, it does not know
        if !self.weights.bottlenecks.is_empty() || self.weights.iter().any(|(name, _)| table_of(name).is_some()) {
            return Ok(None);
        }
        match self.config.arch.decoder {
            Some(decoder) => Ok(Some(decoder(&self.config, &self.weights)?).filter(Decoder::is_supported)),
            None => Ok(None),
        }
    }

    pub(super) fn rotary(&self) -> Option<Arc<Rotary>> {
        self.rotary.clone()
    }

    pub(super) fn pass(&self, who: &str, rows: &Rows) -> Result<Pass> {
        let input = Input::new(who, rows, self.config.vocab)?;
        let longest = input.positions.iter().max().map_or(0, |&last| last as usize + 1);
        // rotary positions go on as far as one likes, a table of them ends
        if self.rotary.is_none() && longest > self.config.max_positions {
            let room = self.config.max_positions;
            return Err(Error::new(who, format!("{longest} places, where the model has {room} positions"))
                .help("cut the sequences, with `seq` when they are packed or encoded"));
        }
        Ok(Pass {
            config: self.config.clone(),
            weights: self.weights.clone(),
            rotary: self.rotary.clone(),
            precision: self.precision,
            input: Arc::new(input),
            cache: None,
            dropout: None,
        })
    }
}

/// Labels moved to the place that predicts them, -100 where nothing is to be predicted.
fn targets(rows: &Rows, vocab: usize) -> Result<Vec<i64>> {
    let Some(labels) = rows.labels else {
        return Err(Error::new("loss", "there are no labels").help("give `#{ ids: …, labels: … }`, or a batch"));
    };
    let count = rows.rows * rows.length;
    if labels.len() != count {
        bail!("loss", "{} labels for {} rows of {}", labels.len(), rows.rows, rows.length);
    }
    if let Some(label) = labels.iter().find(|&&label| label != -100 && !(0..vocab as i64).contains(&label)) {
        return Err(Error::new("loss", format!("label {label} is outside the table of {vocab} rows")).help(
            "text of a larger tokenizer needs `net.resize(tok.len())`; a place that is not learned has the label -100",
        ));
    }
    let same = |at: usize| {
        rows.segments
            .is_none_or(|segments| segments.len() == count && segments[at] == segments[at + 1] && segments[at] != 0)
    };
    let target = |at: usize| if !(at + 1).is_multiple_of(rows.length) && same(at) { labels[at + 1] } else { -100 };
    Ok((0..count).map(target).collect())
}

fn is_gguf(path: &Path) -> bool {
    files::is_file(path) && path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
}

/// A path that is not there, with the nearest name beside it.
fn missing(path: &Path) -> Error {
    let error = Error::new("model", format!("{} is not there", path.display()));
    let (Some(name), Some(parent)) = (path.file_name().and_then(|name| name.to_str()), path.parent()) else {
        return error;
    };
    let near = crate::nearest(name, files::beside(path).iter().map(String::as_str))
        .map(|near| format!("did you mean `{}`?", parent.join(near).display()));
    let known = || arch::ALL.iter().map(|arch| arch.kind).collect::<Vec<_>>().join(", ");
    error.help(near.unwrap_or_else(|| format!("it knows {}", known())))
}
