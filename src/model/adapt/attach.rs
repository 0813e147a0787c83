//! Attaches LoRA and bottleneck adapters to a model, and detaches them.

use super::bottleneck::Bottleneck;
use super::lora::{LoraLayer, norms};
use super::replaced::Replaced;
use super::tables::{TokenIndices, lookups, rows};
use crate::model::activation::Activation;
use crate::model::model::Inner;
use crate::model::tie::untie;
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
    /// Names of linear layers or embeddings, suffixes of names (`q_proj`), or patterns with `*`; `all-linear` is all linear
    /// layers in blocks.
    pub layers: Vec<String>,
    pub seed: u64,
    /// Train a magnitude for each output (Liu et al. 2024).
    pub dora: bool,
    /// Divide alpha by the root of the rank (Kalajdzievski 2023).
    pub rslora: bool,
    /// Ids whose embedding rows are trained in addition to LoRA, as PEFT's option of this name.
    pub token_indices: TokenIndices,
}

impl Default for Lora {
    fn default() -> Lora {
        let token_indices = TokenIndices::new();
        Lora {
            rank: 8,
            alpha: 16.0,
            dropout: 0.0,
            layers: Vec::new(),
            seed: 0,
            dora: false,
            rslora: false,
            token_indices,
        }
    }
}

impl Lora {
    /// A new adapter for a layer, initialized as in PEFT: B is 0 (A for embeddings), so that nothing changes.
    fn layer(&self, name: &str, [output, input]: [usize; 2], embedding: bool, rng: &Rng) -> Result<LoraLayer> {
        let scale = self.alpha / if self.rslora { (self.rank as f64).sqrt() } else { self.rank as f64 };
        let zeros = |rows: usize, columns: usize| Array::zeros((rows, columns), DType::F32, &Device::Cpu);
        let mut numbers = vec![0.0; self.rank * if embedding { output } else { input }];
        if embedding {
            rng.split(name).fill_normal(&mut numbers);
            let b = Array::from_vec(numbers, (output, self.rank), &Device::Cpu)?;
            return Ok(LoraLayer::of_embedding(name, [zeros(self.rank, input)?, b], self.alpha, scale));
        }
        // Kaiming uniform with a = √5, which is ±1/√in
        rng.split(name).fill_uniform(&mut numbers);
        let bound = 1.0 / (input as f32).sqrt();
        numbers.iter_mut().for_each(|x| *x = (2.0 * *x - 1.0) * bound);
        let a = Array::from_vec(numbers, (self.rank, input), &Device::Cpu)?;
        Ok(LoraLayer::new(name, [a, zeros(output, self.rank)?], self.alpha, scale, self.dropout))
    }
}

impl Model {
    /// Attaches LoRA and freezes everything else. The output does not change before the first step. Returns the number of layers.
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
        if !inner.weights.lora.is_empty() || inner.replaced.is_some() {
            return Err(Error::new(WHO, "LoRA is attached already")
                .help("merge or detach them first, with `net.merge_lora()` or `net.detach_lora()`"));
        }
        let layers = select(&inner, &lora.layers)?;
        let rows = rows(&inner.config, inner.head, &lora.token_indices)?;
        let rng = Rng::new(lora.seed).split("lora");
        let mut weights = Weights::clone(&inner.weights);
        let mut config = Config::clone(&inner.config);
        weights.freeze_for_adapters();
        let tables: BTreeSet<String> = lookups(&config, &weights).into_iter().map(|(name, _)| name).collect();
        let table = config.layout.embeddings;
        let apart = |(name, _): &(String, [usize; 2])| {
            !weights.has(&format!("{name}.weight")) || format!("{name}.weight") == table
        };
        let parted = config.tied && (layers.iter().any(apart) || rows.keys().any(|name| name != table));
        if parted {
            untie(inner.head, &mut config, &mut weights);
        }
        for (table, ids) in &rows {
            weights.divide_at(table, ids)?;
        }
        if parted
            && rows.contains_key(table)
            && let Some(output) = &config.output
            && !rows.contains_key(&output.weight)
        {
            // both sides train the same rows, as while they are tied
            weights.share_rows(table, &output.weight)?;
        }
        for (name, sizes) in &layers {
            let [output, input] = *sizes;
            let weight = format!("{name}.weight");
            let embedding = tables.contains(name);
            // a table with few rows, such as two types, accepts any rank up to its rows
            if lora.rank > if embedding { output } else { output.min(input) } {
                bail!(WHO, "rank {} for the layer `{name}` of {input} → {output}", lora.rank);
            }
            if rows.contains_key(&weight) && embedding {
                return Err(Error::new(WHO, format!("`trainable_token_indices` and `layers` both name `{name}`"))
                    .help("rows of embeddings are trained, or LoRA beside all of them"));
            }
            let layer = lora.layer(name, *sizes, embedding, &rng)?;
            let magnitude = match lora.dora {
                true => {
                    let whole = weights.whole(&weight)?;
                    Some(norms(&if embedding || config.is_transposed(name) { whole.t()? } else { whole })?)
                }
                false => None,
            };
            weights.lora.insert(name.clone(), layer.with_magnitude(name, magnitude));
        }
        weights.settle()?;
        let weights = Arc::new(weights);
        if config.tied == inner.config.tied && rows.is_empty() {
            inner.weights = weights;
        } else {
            let (config, weights) = (
                std::mem::replace(&mut inner.config, Arc::new(config)),
                std::mem::replace(&mut inner.weights, weights),
            );
            inner.replaced = Some(Replaced { config, weights, whole: BTreeSet::new(), rows, taken: None });
        }
        Ok(layers.len())
    }

    /// Merges LoRA into the weights and detaches it.
    pub fn merge_lora(&self) -> Result<usize> {
        self.take_off("merge_lora", true)
    }

    /// Detaches LoRA and restores the previous model.
    pub fn detach_lora(&self) -> Result<usize> {
        self.take_off("detach_lora", false)
    }

    fn take_off(&self, who: &str, merge: bool) -> Result<usize> {
        let mut inner = self.write();
        if inner.weights.lora.is_empty() && inner.replaced.is_none() {
            return Err(Error::new(who, "LoRA is not attached").help("attach one with `net.attach_lora(#{ … })`"));
        }
        let mut weights = Weights::clone(&inner.weights);
        let count = weights.lora.len();
        if merge {
            let names = weights.merge_targets(who)?;
            let apart =
                names.iter().map(|name| Ok(weights.rows_apart(name)?.is_some())).collect::<Result<Vec<bool>>>()?;
            if apart.contains(&true) {
                weights.join()?;
            }
            let merged = names
                .iter()
                .map(|name| weights.merged(name, inner.config.is_transposed(name)))
                .collect::<Result<Vec<Array>>>()?;
            for (name, value) in names.iter().zip(merged) {
                weights.set(name, &value)?;
            }
        }
        weights.lora.clear();
        match inner.replaced.take() {
            Some(base) if !merge => {
                weights.restore(&base.weights);
                inner.config = base.config;
            }
            _ => weights.thaw_after_adapters(),
        }
        inner.weights = Arc::new(weights);
        Ok(count)
    }
}

/// Every linear layer in the layers and in the head: its name and `[out, in]`.
pub fn linears(config: &Config, weights: &Weights) -> Vec<(String, [usize; 2])> {
    let layout = config.layout;
    let dense = layout.heads.dense.map(|dense| dense.name);
    let inside = |name: &str| {
        let outer = layout.outer.contains(&name) || dense == Some(name);
        name.starts_with(layout.blocks) || !name.starts_with(layout.prefix) || outer
    };
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

/// The layers that the names select, at least one per name: linear layers, and input or output embeddings if named.
fn select(inner: &Inner, wanted: &[String]) -> Result<Vec<(String, [usize; 2])>> {
    let (config, weights) = (&inner.config, &inner.weights);
    let mut all = linears(config, weights);
    if wanted.is_empty() {
        return Err(Error::new("attach_lora", "no layers are named").help(format!("this model has {}", ends(&all))));
    }
    let layer = |name: &str| name.strip_suffix(".weight").unwrap_or(name).to_string();
    let mut tables = lookups(config, weights);
    if config.tied {
        let copies = (inner.head.ties)(config).into_iter().filter(|(_, of)| of == config.layout.embeddings);
        tables.extend(copies.map(|(copy, _)| (layer(&copy), [config.vocab, config.embedding])));
    }
    let named = |pattern: &str, layer: &str| {
        layer == pattern || layer.strip_suffix(pattern).is_some_and(|rest| rest.ends_with('.'))
    };
    let means = |pattern: &str, layer: &str| match pattern {
        "all-linear" => layer.starts_with(config.layout.blocks),
        _ => glob(pattern, layer) || named(pattern, layer),
    };
    all.retain(|(layer, _)| wanted.iter().any(|pattern| means(pattern, layer)));
    tables.retain(|(layer, _)| wanted.iter().any(|pattern| named(pattern, layer)));
    for pattern in wanted {
        let found =
            all.iter().any(|(layer, _)| means(pattern, layer)) || tables.iter().any(|(layer, _)| named(pattern, layer));
        if !found {
            let error = Error::new("attach_lora", format!("no linear layer is called `{pattern}`"));
            let all = linears(config, weights);
            let all: Vec<_> = all.into_iter().chain(lookups(config, weights)).collect();
            let short: BTreeSet<&str> = all.iter().filter_map(|(layer, _)| layer.rsplit('.').next()).collect();
            return Err(error.meant(pattern, short).or_help(format!("this model has {}", ends(&all))));
        }
    }
    all.extend(tables);
    Ok(all)
}

fn ends(all: &[(String, [usize; 2])]) -> String {
    let short: BTreeSet<&str> = all.iter().filter_map(|(layer, _)| layer.rsplit('.').next()).collect();
    short.into_iter().collect::<Vec<_>>().join(", ")
}

/// The bottleneck adapters to attach.
#[derive(Clone, Debug)]
pub struct Bottlenecks {
    /// The bottleneck width; by default a sixteenth of the layer's.
    pub rank: Option<usize>,
    pub activation: Activation,
    /// After attention too, or only after the feed-forward layer.
    pub attention: bool,
    pub seed: u64,
}

impl Model {
    /// Attaches bottleneck adapters and freezes everything else. The last product starts at 0, so the output does not change
    /// before the first step. Returns their number.
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
        weights.settle()?;
        inner.weights = Arc::new(weights);
        Ok(count)
    }

    /// Detaches the bottleneck adapters and restores the previous model.
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

/// The linear layers that add to the residual stream, with their output sizes.
fn places(config: &Config, weights: &Weights, attention: bool) -> Vec<(String, usize)> {
    let [of_attention, of_mlp] = config.layout.outputs;
    let ends = |layer: &str| {
        let place = layer.strip_prefix(config.layout.blocks).and_then(|rest| rest.split_once('.'));
        place.is_some_and(|(_, name)| name == of_mlp || (attention && name == of_attention))
    };
    let found = linears(config, weights).into_iter().filter(|(layer, _)| ends(layer));
    found.map(|(layer, [output, _])| (layer, output)).collect()
}
