//! Attaching LoRA and bottleneck adapters to a model, and taking them off.

use super::bottleneck::Bottleneck;
use super::lora::LoraLayer;
use crate::model::activation::Activation;
use crate::model::weights::Weights;
use crate::model::{Config, Model};
use crate::tensor::{Array, DType, Device, Rng};
use crate::text::glob;
use crate::{Error, Result, bail};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The LoRA to attach.
#[derive(Clone, Debug)]
pub struct Lora {
    pub rank: usize,
    pub alpha: f64,
    pub dropout: f64,
    /// Names of linear layers, or the ends of names (`q_proj`), or patterns with `*`; `all-linear` is all in blocks.
    pub layers: Vec<String>,
    pub seed: u64,
}

impl Model {
    /// Attaches LoRA and freezes everything else. B starts at 0, so nothing changes before a step. Returns the number of
    /// layers.
    pub fn attach_lora(&self, lora: &Lora) -> Result<usize> {
        self.check_trainable("attach_lora")?;
        const WHO: &str = "attach_lora";
        if lora.rank == 0 {
            bail!(WHO, "rank 0 has no parameters");
        }
        if !(0.0..1.0).contains(&lora.dropout) {
            bail!(WHO, "dropout {} is not in 0..1", lora.dropout);
        }
        let mut inner = self.write();
        if !inner.weights.lora.is_empty() {
            return Err(Error::new(WHO, "LoRA is attached already")
                .help("merge or detach them first, with `net.merge_lora()` or `net.detach_lora()`"));
        }
        let layers = select(&inner.config, &inner.weights, &lora.layers)?;
        let rng = Rng::new(lora.seed).split("lora");
        let mut weights = Weights::clone(&inner.weights);
        for (name, [output, input]) in &layers {
            if lora.rank > *output.min(input) {
                bail!(WHO, "rank {} for the layer `{name}` of {input} → {output}", lora.rank);
            }
            // as PEFT: Kaiming's uniform with a = √5, which is ±1/√in
            let mut a = vec![0.0; lora.rank * input];
            rng.split(name.as_str()).fill_uniform(&mut a);
            let bound = 1.0 / (*input as f32).sqrt();
            a.iter_mut().for_each(|x| *x = (2.0 * *x - 1.0) * bound);
            let a = Array::from_vec(a, (lora.rank, *input), &Device::Cpu)?;
            let b = Array::zeros((*output, lora.rank), DType::F32, &Device::Cpu)?;
            let scale = lora.alpha / lora.rank as f64;
            weights.lora.insert(name.clone(), LoraLayer::new(name, a, b, lora.alpha, scale, lora.dropout));
        }
        weights.freeze_for_adapters();
        inner.seed = lora.seed;
        inner.weights = Arc::new(weights);
        Ok(layers.len())
    }

    /// Merges LoRA into the weights and detaches it.
    pub fn merge_lora(&self) -> Result<usize> {
        self.take_off("merge_lora", true)
    }

    /// Detaches LoRA: the model is as before.
    pub fn detach_lora(&self) -> Result<usize> {
        self.take_off("detach_lora", false)
    }

    fn take_off(&self, who: &str, merge: bool) -> Result<usize> {
        let mut inner = self.write();
        if inner.weights.lora.is_empty() {
            return Err(Error::new(who, "LoRA is not attached").help("attach one with `net.attach_lora(#{ … })`"));
        }
        let mut weights = Weights::clone(&inner.weights);
        let count = weights.lora.len();
        if merge {
            let names: Vec<String> = weights.lora.keys().map(|layer| format!("{layer}.weight")).collect();
            let merged = names
                .iter()
                .map(|name| weights.merged(name, inner.config.is_transposed(name)))
                .collect::<Result<Vec<Array>>>()?;
            for (name, value) in names.iter().zip(merged) {
                weights.set(name, &value)?;
            }
        }
        weights.lora.clear();
        weights.thaw_after_adapters();
        inner.weights = Arc::new(weights);
        Ok(count)
    }
}

/// Every linear layer in the layers and in the head: its name and its `[out, in]`.
pub fn linears(config: &Config, weights: &Weights) -> Vec<(String, [usize; 2])> {
    let head = config.output.as_ref().map_or("", |output| output.head);
    let inside = |name: &str| name.starts_with(config.layout.blocks) || (!head.is_empty() && name.starts_with(head));
    weights
        .iter()
        .filter_map(|(name, weight)| {
            let layer = name.strip_suffix(".weight").filter(|layer| inside(layer))?;
            match *weight.dims() {
                [rows, columns] if config.is_transposed(layer) => Some((layer.to_string(), [columns, rows])),
                [rows, columns] => Some((layer.to_string(), [rows, columns])),
                _ => None,
            }
        })
        .collect()
}

/// The linear layers that the names mean, every name at least one.
fn select(config: &Config, weights: &Weights, wanted: &[String]) -> Result<Vec<(String, [usize; 2])>> {
    let all = linears(config, weights);
    if wanted.is_empty() {
        return Err(Error::new("attach_lora", "no layers are named").help(format!("this model has {}", ends(&all))));
    }
    let means = |pattern: &str, layer: &str| match pattern {
        "all-linear" => layer.starts_with(config.layout.blocks),
        _ => glob(pattern, layer) || layer.strip_suffix(pattern).is_some_and(|rest| rest.ends_with('.')),
    };
    for pattern in wanted {
        if !all.iter().any(|(layer, _)| means(pattern, layer)) {
            let error = Error::new("attach_lora", format!("no linear layer is called `{pattern}`"));
            let short: BTreeSet<&str> = all.iter().filter_map(|(layer, _)| layer.rsplit('.').next()).collect();
            return Err(error.meant(pattern, short).or_help(format!("this model has {}", ends(&all))));
        }
    }
    Ok(all.into_iter().filter(|(layer, _)| wanted.iter().any(|pattern| means(pattern, layer))).collect())
}

fn ends(all: &[(String, [usize; 2])]) -> String {
    let short: BTreeSet<&str> = all.iter().filter_map(|(layer, _)| layer.rsplit('.').next()).collect();
    short.into_iter().collect::<Vec<_>>().join(", ")
}

/// The bottleneck adapters to attach.
#[derive(Clone, Debug)]
pub struct Bottlenecks {
    /// The width in the middle; by default a sixteenth of the layer's.
    pub rank: Option<usize>,
    pub activation: Activation,
    /// After attention too, or only after the feed-forward.
    pub attention: bool,
    pub seed: u64,
}

impl Model {
    /// Attaches bottleneck adapters and freezes everything else. The last product starts at 0, so nothing changes before
    /// a step. Returns their number.
    pub fn attach_bottleneck(&self, wanted: &Bottlenecks) -> Result<usize> {
        self.check_trainable("attach_bottleneck")?;
        const WHO: &str = "attach_bottleneck";
        let mut inner = self.write();
        if !inner.weights.bottlenecks.is_empty() {
            return Err(Error::new(WHO, "adapters are attached already")
                .help("take them off first, with `net.detach_bottleneck()`"));
        }
        let rng = Rng::new(wanted.seed).split("adapters");
        let mut weights = Weights::clone(&inner.weights);
        weights.freeze_for_adapters();
        for (layer, size) in places(&inner.config, &inner.weights, wanted.attention) {
            let rank = wanted.rank.unwrap_or((size / 16).max(1));
            if rank == 0 || rank > size {
                bail!(WHO, "rank {rank} for the layer `{layer}`, which gives {size} numbers");
            }
            let mut down = vec![0.0; rank * size];
            rng.split(layer.as_str()).fill_normal(&mut down);
            down.iter_mut().for_each(|x| *x *= 0.02);
            let down = Array::from_vec(down, (rank, size), &Device::Cpu)?;
            let zeros = |dims: &[usize]| Array::zeros(dims, DType::F32, &Device::Cpu);
            let numbers = [down, zeros(&[rank])?, zeros(&[size, rank])?, zeros(&[size])?];
            weights.bottlenecks.insert(layer.clone(), Bottleneck::new(&layer, numbers, wanted.activation));
        }
        let count = weights.bottlenecks.len();
        inner.weights = Arc::new(weights);
        Ok(count)
    }

    /// Detaches the bottleneck adapters: the model is as before.
    pub fn detach_bottleneck(&self) -> Result<usize> {
        let mut inner = self.write();
        if inner.weights.bottlenecks.is_empty() {
            let error = Error::new("detach_bottleneck", "no adapter is attached");
            return Err(error.help("attach some with `net.attach_bottleneck(#{ … })`"));
        }
        let mut weights = Weights::clone(&inner.weights);
        let count = weights.bottlenecks.len();
        weights.bottlenecks.clear();
        weights.thaw_after_adapters();
        inner.weights = Arc::new(weights);
        Ok(count)
    }
}

/// The linear layers that add to the residual stream, and the sizes of their outputs.
fn places(config: &Config, weights: &Weights, attention: bool) -> Vec<(String, usize)> {
    let [of_attention, of_mlp] = config.layout.outputs;
    let ends = |layer: &str| {
        let place = layer.strip_prefix(config.layout.blocks).and_then(|rest| rest.split_once('.'));
        place.is_some_and(|(_, name)| name == of_mlp || (attention && name == of_attention))
    };
    let found = linears(config, weights).into_iter().filter(|(layer, _)| ends(layer));
    found.map(|(layer, [output, _])| (layer, output)).collect()
}
