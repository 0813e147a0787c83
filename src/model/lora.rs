//! LoRA (Hu et al. 2021): a product of two narrow matrices beside a frozen one.

use super::weights::Weights;
use super::wire::scale;
use super::{Config, Model};
use crate::tensor::nn::{self, Precision};
use crate::tensor::{Array, DType, Device, Rng, Tensor};
use crate::text::glob;
use crate::{Error, Result, bail};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is attached to one linear layer: `x → scale · B(A(x))`.
#[derive(Clone)]
pub struct Adapter {
    /// `[rank, in]`
    pub a: Tensor,
    /// `[out, rank]`
    pub b: Tensor,
    /// alpha / rank
    pub scale: f64,
    pub alpha: f64,
    pub dropout: f64,
    pub frozen: bool,
}

/// What to attach.
#[derive(Clone, Debug)]
pub struct Lora {
    pub rank: usize,
    pub alpha: f64,
    pub dropout: f64,
    /// Names of linear layers, or the ends of names (`q_proj`), or patterns with `*`; `all-linear` is all in blocks.
    pub layers: Vec<String>,
    pub seed: u64,
}

/// What PEFT puts before the name of a layer.
pub const PREFIX: &str = "base_model.model.";

impl Adapter {
    /// An adapter for the layer `name` with these numbers, named as PEFT names them.
    pub fn new(name: &str, a: Array, b: Array, alpha: f64, scale: f64, dropout: f64) -> Adapter {
        let param = |part: &str, value: Array| Tensor::param(value, Some(&format!("{PREFIX}{name}.{part}.weight")));
        Adapter { a: param("lora_A", a), b: param("lora_B", b), scale, alpha, dropout, frozen: false }
    }

    pub fn params(&self) -> [Tensor; 2] {
        [self.a.clone(), self.b.clone()]
    }

    pub fn rank(&self) -> usize {
        self.a.value().dims()[0]
    }

    pub fn apply(&self, x: &Tensor, rng: Option<&mut Rng>, precision: Precision) -> Result<Tensor> {
        let [a, b] = if self.frozen { [self.a.detach(), self.b.detach()] } else { self.params() };
        let narrow = match rng {
            Some(rng) if self.dropout > 0.0 => nn::linear(&nn::dropout(x, self.dropout, rng)?, &a, None, precision)?,
            _ => nn::linear(x, &a, None, precision)?,
        };
        // the scale on the narrow side, where it is cheap
        nn::linear(&scale(&narrow, self.scale)?, &b, None, precision)
    }

    /// What it adds to the weight: scale · B A, `[out, in]`.
    fn delta(&self) -> Result<Array> {
        Ok((self.b.value().matmul(&self.a.value())? * self.scale)?)
    }
}

impl Weights {
    /// The numbers of a weight with its adapter merged in, if it has one, and a divided table whole.
    pub fn merged(&self, name: &str, transposed: bool) -> Result<Array> {
        let value = self.whole(name)?;
        let Some(adapter) = name.strip_suffix(".weight").and_then(|layer| self.adapters.get(layer)) else {
            return Ok(value);
        };
        let delta = adapter.delta()?;
        let delta = if transposed { delta.t()?.contiguous()? } else { delta };
        Ok((value.to_dtype(DType::F32)? + delta)?.to_dtype(value.dtype())?)
    }
}

impl Model {
    /// Attaches new adapters and freezes everything else. B starts at 0, so nothing changes before a step.
    /// Says how many layers got one.
    pub fn attach_lora(&self, lora: &Lora) -> Result<usize> {
        const WHO: &str = "attach_lora";
        if lora.rank == 0 {
            bail!(WHO, "rank 0 has nothing to learn");
        }
        if !(0.0..1.0).contains(&lora.dropout) {
            bail!(WHO, "dropout {} is not in 0..1", lora.dropout);
        }
        let mut inner = self.write();
        if !inner.weights.adapters.is_empty() {
            return Err(Error::new(WHO, "adapters are attached already")
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
            weights.adapters.insert(name.clone(), Adapter::new(name, a, b, lora.alpha, scale, lora.dropout));
        }
        weights.freeze_for_adapters();
        inner.seed = lora.seed;
        inner.weights = Arc::new(weights);
        Ok(layers.len())
    }

    /// Adds what the adapters learned to the weights, and takes them off.
    pub fn merge_lora(&self) -> Result<usize> {
        self.take_off("merge_lora", true)
    }

    /// Takes the adapters off: the model is as before.
    pub fn detach_lora(&self) -> Result<usize> {
        self.take_off("detach_lora", false)
    }

    fn take_off(&self, who: &str, merge: bool) -> Result<usize> {
        let mut inner = self.write();
        if inner.weights.adapters.is_empty() {
            return Err(Error::new(who, "no adapter is attached").help("attach one with `net.attach_lora(#{ … })`"));
        }
        let mut weights = Weights::clone(&inner.weights);
        let count = weights.adapters.len();
        if merge {
            let names: Vec<String> = weights.adapters.keys().map(|layer| format!("{layer}.weight")).collect();
            let merged = names
                .iter()
                .map(|name| weights.merged(name, inner.config.arch.transposed))
                .collect::<Result<Vec<Array>>>()?;
            for (name, value) in names.iter().zip(merged) {
                weights.set(name, &value)?;
            }
        }
        weights.adapters.clear();
        weights.thaw_after_adapters();
        inner.weights = Arc::new(weights);
        Ok(count)
    }
}

/// Every linear layer: its name and its `[out, in]`.
pub fn linears(config: &Config, weights: &Weights) -> Vec<(String, [usize; 2])> {
    let inside = |name: &str| name.starts_with(config.arch.blocks) || name == super::arch::HEAD;
    weights
        .iter()
        .filter_map(|(name, weight)| {
            let layer = name.strip_suffix(".weight").filter(|layer| inside(layer))?;
            match *weight.dims() {
                [rows, columns] if config.arch.transposed && layer != super::arch::HEAD => {
                    Some((layer.to_string(), [columns, rows]))
                }
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
        "all-linear" => layer != super::arch::HEAD,
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
