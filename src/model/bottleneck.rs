//! Bottleneck adapters: a narrow layer behind a linear one, added to what that gives (Houlsby et al. 2019; Pfeiffer et
//! al. 2021). Unlike LoRA's product it is not linear, so it can't be merged into a weight.

use super::lora::linears;
use super::weights::Weights;
use super::wire::add;
use super::{Config, Model};
use crate::tensor::nn::{self, Precision};
use crate::tensor::{Array, DType, Device, Rng, Tensor, ops};
use crate::{Error, Result, bail};
use std::sync::Arc;

/// What is attached behind one linear layer: `y → y + up(f(down(y)))`.
#[derive(Clone)]
pub struct Bottleneck {
    /// `[rank, out]` and `[rank]`
    pub down: [Tensor; 2],
    /// `[out, rank]` and `[out]`
    pub up: [Tensor; 2],
    pub activation: Activation,
    pub frozen: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Relu,
    Silu,
    Gelu,
}

impl Activation {
    const NAMES: [(&'static str, Activation); 3] =
        [("relu", Activation::Relu), ("silu", Activation::Silu), ("gelu", Activation::Gelu)];

    pub fn named(who: &str, name: &str) -> Result<Activation> {
        match Self::NAMES.iter().find(|(own, _)| *own == name) {
            Some((_, activation)) => Ok(*activation),
            None => Err(Error::unknown(who, "activation", name, Self::NAMES.map(|(name, _)| name))),
        }
    }

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }

    fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Relu => ops::relu(x),
            Activation::Silu => nn::silu(x),
            Activation::Gelu => nn::gelu(x, true),
        }
    }
}

/// What to attach.
#[derive(Clone, Debug)]
pub struct Bottlenecks {
    /// Numbers in the middle; a sixteenth of the layer's where it is not given.
    pub rank: Option<usize>,
    pub activation: Activation,
    /// Behind attention too, or only behind the feed-forward.
    pub attention: bool,
    pub seed: u64,
}

/// The parts of a bottleneck as files name them, in the order of [`Bottleneck::params`].
pub const PARTS: [&str; 4] = ["down.weight", "down.bias", "up.weight", "up.bias"];

impl Bottleneck {
    /// Of numbers in the order of [`PARTS`].
    pub fn new(layer: &str, numbers: [Array; 4], activation: Activation) -> Bottleneck {
        let mut index = 0;
        let [a, b, c, d] = numbers.map(|value| {
            let param = Tensor::param(value, Some(&format!("{layer}.adapter.{}", PARTS[index])));
            index += 1;
            param
        });
        Bottleneck { down: [a, b], up: [c, d], activation, frozen: false }
    }

    pub fn params(&self) -> [Tensor; 4] {
        [&self.down[0], &self.down[1], &self.up[0], &self.up[1]].map(Tensor::clone)
    }

    pub fn apply(&self, y: &Tensor, precision: Precision) -> Result<Tensor> {
        let own = |part: &Tensor| if self.frozen { part.detach() } else { part.clone() };
        let narrow = nn::linear(y, &own(&self.down[0]), Some(&own(&self.down[1])), precision)?;
        let narrow = self.activation.apply(&narrow)?;
        add(y, &nn::linear(&narrow, &own(&self.up[0]), Some(&own(&self.up[1])), precision)?)
    }
}

impl Model {
    /// Attaches bottleneck adapters and freezes everything else. The last product starts at 0, so nothing changes
    /// before a step. Says how many there are.
    pub fn attach_adapters(&self, wanted: &Bottlenecks) -> Result<usize> {
        const WHO: &str = "attach_adapters";
        let mut inner = self.write();
        if !inner.weights.bottlenecks.is_empty() {
            return Err(Error::new(WHO, "adapters are attached already")
                .help("take them off first, with `net.detach_adapters()`"));
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

    /// Takes the bottleneck adapters off: the model is as before.
    pub fn detach_adapters(&self) -> Result<usize> {
        let mut inner = self.write();
        if inner.weights.bottlenecks.is_empty() {
            let error = Error::new("detach_adapters", "no adapter is attached");
            return Err(error.help("attach some with `net.attach_adapters(#{ … })`"));
        }
        let mut weights = Weights::clone(&inner.weights);
        let count = weights.bottlenecks.len();
        weights.bottlenecks.clear();
        weights.thaw_after_adapters();
        inner.weights = Arc::new(weights);
        Ok(count)
    }
}

/// The layers that end a block's halves, and how many numbers they give.
fn places(config: &Config, weights: &Weights, attention: bool) -> Vec<(String, usize)> {
    let ends = |layer: &str, ends: [&str; 2]| ends.iter().any(|end| layer.ends_with(end));
    linears(config, weights)
        .into_iter()
        .filter(|(layer, _)| {
            ends(layer, [".down_proj", ".mlp.c_proj"]) || (attention && ends(layer, [".o_proj", ".attn.c_proj"]))
        })
        .map(|(layer, [output, _])| (layer, output))
        .collect()
}
