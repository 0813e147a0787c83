//! The weights of a model by their Hugging Face names, and whether they are trainable.

use super::adapt::bottleneck::Bottleneck;
use super::adapt::lora::LoraLayer;
use crate::kernel::decoder::FrozenWeight;
use crate::kernel::quant::Blocks;
use crate::progress;
use crate::sync::unpoisoned;
use crate::tensor::{Array, DType, Device, Tensor};
use crate::text::glob;
use crate::{Error, Result, bail};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A named parameter. A frozen one is a constant in training, and costs neither memory nor time.
#[derive(Clone)]
pub struct Weight {
    pub param: Tensor,
    pub frozen: bool,
    /// The quantized numbers, if quantized: the parameter is then empty and frozen.
    pub blocks: Option<Arc<Blocks>>,
}

impl Weight {
    /// The numbers, dequantized to f32 if quantized.
    pub fn value(&self) -> Result<Array> {
        match &self.blocks {
            Some(blocks) => blocks.array(),
            None => Ok(self.param.value()),
        }
    }

    /// Whether it was trained or set since its creation.
    pub fn is_changed(&self) -> bool {
        self.param.as_param().is_some_and(|param| param.is_changed())
    }

    pub fn dims(&self) -> Vec<usize> {
        match &self.blocks {
            Some(blocks) => blocks.dims().to_vec(),
            None => self.param.value().dims().to_vec(),
        }
    }

    /// Its storage type: `f32`, `bf16`, `q8_0`, …
    pub fn kind(&self) -> String {
        match &self.blocks {
            Some(blocks) => blocks.kind(),
            None => self.param.dtype().as_str().into(),
        }
    }

    /// A frozen weight as a matmul operand.
    pub fn as_frozen(&self) -> FrozenWeight {
        match &self.blocks {
            Some(blocks) => FrozenWeight::Blocks(blocks.clone()),
            None => FrozenWeight::Plain(self.param.value()),
        }
    }
}

/// Separate rows that remain in their embedding table: see `rows_apart`.
#[derive(Clone)]
pub struct Scattered {
    pub ids: Arc<[u32]>,
    /// The weight of the rows; another table's if both share them.
    pub weight: String,
}

/// All weights in name order, and the adapters attached to them.
#[derive(Clone, Default)]
pub struct Weights {
    table: BTreeMap<Arc<str>, Weight>,
    /// LoRA, by the name of its linear layer.
    pub lora: BTreeMap<String, LoraLayer>,
    /// Bottleneck adapters, by the name of the linear layer that they follow.
    pub bottlenecks: BTreeMap<String, Bottleneck>,
    /// Separate rows that are not cut off their table, by the name of the embeddings.
    pub scattered: BTreeMap<String, Scattered>,
    /// Weights of the file that no computation uses: they are saved again.
    pub unused: BTreeMap<Arc<str>, Array>,
    /// Weights missing in the file: those of a new head.
    pub fresh: Vec<Arc<str>>,
    /// The trainable weights before adapters were attached.
    trainable_before: Vec<Arc<str>>,
    /// The device of the numbers; `None` is the CPU. Weights that share their parameters share it.
    device: Arc<Mutex<Option<Device>>>,
}

impl Weights {
    pub fn insert(&mut self, name: &str, value: Array) {
        let param = Tensor::param(value, Some(name));
        self.table.insert(name.into(), Weight { param, frozen: false, blocks: None });
    }

    /// The device of the numbers.
    pub fn device(&self) -> Device {
        unpoisoned(self.device.lock()).clone().unwrap_or(Device::Cpu)
    }

    /// Moves all weights and adapters. Quantized blocks are supported only by CPU kernels.
    pub fn move_to(&self, device: &Device) -> Result<()> {
        let quantized = self.table.iter().find(|(_, weight)| weight.blocks.is_some());
        if let Some((name, weight)) = quantized.filter(|_| !device.is_cpu()) {
            let what = format!("`{name}` is {}, and quantized weights stay on the CPU", weight.kind());
            return Err(Error::new("to", what).help("`net.to(\"bf16\")` widens all weights first"));
        }
        *unpoisoned(self.device.lock()) = Some(device.clone());
        self.settle()
    }

    /// Moves newly inserted or attached parts to the device of the others.
    pub fn settle(&self) -> Result<()> {
        let device = self.device();
        let weights = self.table.values().filter(|weight| weight.blocks.is_none()).map(|weight| weight.param.clone());
        let lora = self.lora.values().flat_map(LoraLayer::params);
        let bottlenecks = self.bottlenecks.values().flat_map(Bottleneck::params);
        for tensor in weights.chain(lora).chain(bottlenecks) {
            if let Some(param) = tensor.as_param() {
                param.relocate(&device)?;
            }
        }
        Ok(())
    }

    /// A quantized weight.
    pub fn insert_blocks(&mut self, name: &str, blocks: Blocks) -> Result<()> {
        let param = Tensor::param(Array::zeros((0,), DType::F32, &Device::Cpu)?, Some(name));
        self.table.insert(name.into(), Weight { param, frozen: true, blocks: Some(blocks.into()) });
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Weight)> {
        self.table.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Weight)> {
        self.table.iter_mut()
    }

    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    pub fn get(&self, name: &str) -> Result<&Weight> {
        match self.table.get(name) {
            Some(weight) => Ok(weight),
            None => {
                let error = Error::new("model", format!("there is no weight `{name}`"));
                Err(error.meant(name, self.table.keys().map(|name| &**name)).or_help("`net.names()` lists them"))
            }
        }
    }

    /// A matmul operand in f32: trainable unless it is frozen.
    pub fn working(&self, name: &str) -> Result<Tensor> {
        let weight = self.get(name)?;
        if weight.blocks.is_some() {
            return Ok(weight.value()?.into());
        }
        let tensor = if weight.frozen { weight.param.detach() } else { weight.param.clone() };
        if tensor.dtype() == DType::F32 { Ok(tensor) } else { widen(&tensor) }
    }

    /// A matmul operand, in bf16 if it is frozen: kernels read it directly.
    pub fn factor(&self, name: &str) -> Result<Tensor> {
        let weight = self.get(name)?;
        match weight.param.dtype() {
            _ if weight.blocks.is_some() => self.working(name),
            DType::BF16 if weight.frozen || !Tensor::records(&[&weight.param]) => Ok(weight.param.detach()),
            _ => self.working(name),
        }
    }

    /// The numbers of a weight that is not a matrix, in f32.
    pub fn plain(&self, name: &str) -> Result<Array> {
        Ok(self.get(name)?.value()?.to_dtype(DType::F32)?)
    }

    /// The trainable parameters in name order: weights that are not frozen, then adapters.
    pub fn trainable(&self) -> Vec<Tensor> {
        self.trainable_below("")
    }

    /// The trainable parameters below a path that ends in a dot.
    pub fn trainable_below(&self, path: &str) -> Vec<Tensor> {
        let below = |name: &str| name.starts_with(path);
        let weights = self.table.iter().filter(|(name, weight)| !weight.frozen && below(name));
        let adapters = self.lora.iter().filter(|(layer, adapter)| !adapter.frozen && below(layer));
        let bottlenecks = self.bottlenecks.iter().filter(|(layer, adapter)| !adapter.frozen && below(layer));
        weights
            .map(|(_, weight)| weight.param.clone())
            .chain(adapters.flat_map(|(_, adapter)| adapter.params()))
            .chain(bottlenecks.flat_map(|(_, adapter)| adapter.params()))
            .collect()
    }

    pub fn remove(&mut self, name: &str) {
        self.table.remove(name);
    }

    /// Adds a second weight with the same numbers.
    pub fn copy(&mut self, from: &str, to: &str) {
        let Some(weight) = self.table.get(from).cloned() else { return };
        if self.trainable_before.iter().any(|name| &**name == from) {
            self.trainable_before.push(to.into());
        }
        let param = Tensor::param(weight.param.value(), Some(to));
        self.table.insert(to.into(), Weight { param, ..weight });
    }

    /// Keeps a weight that is no longer used in computation.
    pub fn retire(&mut self, name: &str) {
        if let Some(weight) = self.table.remove(name) {
            self.unused.insert(name.into(), weight.param.value());
        }
    }

    /// Restores the weights of the base that an adapter replaced.
    pub fn restore(&mut self, base: &Weights) {
        self.table.clone_from(&base.table);
        self.scattered.clone_from(&base.scattered);
        self.unused.clone_from(&base.unused);
        self.trainable_before.clone_from(&base.trainable_before);
        if !self.bottlenecks.is_empty() {
            self.freeze_for_adapters();
        }
    }

    pub fn set_frozen(&mut self, name: &str, frozen: bool) -> Result<()> {
        if self.get(name)?.blocks.is_some() && !frozen {
            return Err(Error::new("train_only", format!("`{name}` is quantized, and can't be trained"))
                .help("`net.to(\"f32\")` widens all weights; LoRA trains beside quantized ones"));
        }
        self.table.entry(name.into()).and_modify(|weight| weight.frozen = frozen);
        Ok(())
    }

    pub fn freeze_all(&mut self, frozen: bool) {
        self.table.values_mut().for_each(|weight| weight.frozen = frozen || weight.blocks.is_some());
    }

    /// Ensures that detaching adapters does not unfreeze weights that are frozen now.
    pub fn forget_trainable_before(&mut self) {
        self.trainable_before.clear();
    }

    /// Replaces a weight by a new parameter, possibly of another shape.
    pub fn replace(&mut self, name: &str, value: Array) {
        let frozen = self.table.get(name).is_some_and(|weight| weight.frozen);
        self.insert(name, value);
        if let Some(weight) = self.table.get_mut(name) {
            weight.frozen = frozen;
        }
    }

    /// Freezes all weights, and remembers which were frozen.
    pub fn freeze_for_adapters(&mut self) {
        let learning = self.table.iter().filter(|(_, weight)| !weight.frozen).map(|(name, _)| name.clone());
        self.trainable_before = learning.chain(std::mem::take(&mut self.trainable_before)).collect();
        self.freeze_all(true);
    }

    /// Undoes [`Weights::freeze_for_adapters`] once no adapter is attached.
    pub fn thaw_after_adapters(&mut self) {
        if !self.lora.is_empty() || !self.bottlenecks.is_empty() {
            return;
        }
        for name in std::mem::take(&mut self.trainable_before) {
            if let Some(weight) = self.table.get_mut(&name) {
                weight.frozen = false;
            }
        }
    }

    /// Warns about changed base weights that an adapter folder does not hold.
    pub fn warn_of_changes(&self, who: &str, holds: impl Fn(&str) -> bool) {
        let mut changed = self.table.iter().filter(|(name, weight)| weight.is_changed() && !holds(name));
        if let Some((first, _)) = changed.next() {
            let more = match changed.count() {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            let help = "save the base too, with `net.detach_lora()` and `net.save(folder)`, and name it by `base`";
            progress::warn(
                who,
                format!("`{first}`{more} of the base changed, and the adapter's folder does not hold it: {help}"),
            );
        }
    }

    /// The number of parameters without adapters.
    pub fn count(&self) -> usize {
        self.table.values().map(|weight| weight.dims().iter().product::<usize>()).sum()
    }

    /// Freezes or unfreezes the weights that match `pattern`, and returns their number.
    pub fn freeze(&mut self, pattern: &str, frozen: bool) -> Result<usize> {
        let mut matched = 0;
        let quantized = |(name, weight): (&Arc<str>, &Weight)| weight.blocks.is_some() && glob(pattern, name);
        if !frozen && self.table.iter().any(quantized) {
            return Err(Error::new("unfreeze", format!("`{pattern}` is quantized, and can't be trained"))
                .help("`net.to(\"f32\")` widens all weights; LoRA trains beside quantized ones"));
        }
        for (_, weight) in self.table.iter_mut().filter(|(name, _)| glob(pattern, name)) {
            weight.frozen = frozen;
            matched += 1;
        }
        if matched == 0 {
            let verb = if frozen { "freeze" } else { "unfreeze" };
            let error = Error::new(verb, format!("no weight matches `{pattern}`"));
            return Err(error
                .meant(pattern, self.table.keys().map(|name| &**name))
                .or_help("`*` stands for any part of a name, as in `*.self_attn.*`"));
        }
        Ok(matched)
    }

    /// Replaces the numbers of a weight, keeping its dtype.
    pub fn set(&self, name: &str, value: &Array) -> Result<()> {
        let weight = self.get(name)?;
        if weight.blocks.is_some() {
            return Err(Error::new("model", format!("the weight `{name}` is quantized, and can't be changed"))
                .help("`net.to(\"f32\")` widens all weights"));
        }
        let param = &weight.param;
        let held = param.value();
        if held.dims() != value.dims() {
            bail!("model", "shape {:?} for the weight `{name}` of shape {:?}", value.dims(), held.dims());
        }
        let Some(param) = param.as_param() else { unreachable!("weights are parameters") };
        param.set(value.to_dtype(held.dtype())?.contiguous()?)
    }
}

/// A half-precision weight in f32; its gradient is returned in its own dtype.
fn widen(weight: &Tensor) -> Result<Tensor> {
    let value = weight.value();
    let dtype = value.dtype();
    Ok(Tensor::derive(value.to_dtype(DType::F32)?, [weight], move |grad, flow| {
        flow.add(0, || Ok(grad.to_dtype(dtype)?))
    }))
}
