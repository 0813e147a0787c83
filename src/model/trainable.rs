//! Which parts of a model are trained: new embedding rows, embeddings, layers, adapters, or all.
//!
//! While only new embedding rows are trained they are a weight of their own, `….new_rows` beside `….weight`, which then
//! holds the old rows and is frozen. So the old rows cannot move, and have neither gradients nor optimizer state.

use super::weights::{Weights, embeddings_of, rows_name};
use super::{Config, Model};
use crate::tensor::{DType, Tensor};
use crate::{Error, Result, bail};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A part of a model that can be trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The new rows of the input embeddings, of the output embeddings. Where they are tied each is both.
    NewInput,
    NewOutput,
    /// All rows of the embeddings.
    Input,
    Output,
    /// Everything but the embeddings and the adapters.
    Layers,
    Lora,
    Bottleneck,
}

/// The names of parts.
const PARTS: &[(&str, &[Part])] = &[
    ("new_embeddings", &[Part::NewInput, Part::NewOutput]),
    ("new_input_embeddings", &[Part::NewInput]),
    ("new_output_embeddings", &[Part::NewOutput]),
    ("embeddings", &[Part::Input, Part::Output]),
    ("input_embeddings", &[Part::Input]),
    ("output_embeddings", &[Part::Output]),
    ("layers", &[Part::Layers]),
    ("lora", &[Part::Lora]),
    ("bottleneck", &[Part::Bottleneck]),
    ("all", &[Part::Input, Part::Output, Part::Layers, Part::Lora, Part::Bottleneck]),
];

/// The parts of these names.
pub fn parts(who: &str, words: &[impl AsRef<str>]) -> Result<BTreeSet<Part>> {
    let mut found = BTreeSet::new();
    for word in words {
        let word = word.as_ref();
        let Some((_, parts)) = PARTS.iter().find(|(name, _)| *name == word) else {
            let names = PARTS.iter().map(|(name, _)| *name);
            return Err(Error::unknown(who, "part", word, names));
        };
        found.extend(*parts);
    }
    Ok(found)
}

impl Model {
    /// Makes these parts trainable and freezes all others; returns the number of trainable weights. New rows are those
    /// from `from` on, or what the last resize added.
    pub fn train_only(&self, parts: &BTreeSet<Part>, from: Option<usize>) -> Result<usize> {
        self.check_trainable("train_only")?;
        const WHO: &str = "train_only";
        let mut inner = self.write();
        if parts.is_empty() {
            return Err(Error::new(WHO, "no parts given").help("`net.freeze(\"*\")` freezes all weights"));
        }
        for (part, held, how) in [
            (Part::Lora, !inner.weights.lora.is_empty(), "no LoRA is attached"),
            (Part::Bottleneck, !inner.weights.bottlenecks.is_empty(), "no bottleneck adapter is attached"),
        ] {
            // "all" is all that there is
            if parts.contains(&part) && !held && !parts.contains(&Part::Layers) {
                return Err(Error::new(WHO, how).help("attach it first"));
            }
        }
        let mut weights = Weights::clone(&inner.weights);
        weights.join()?;
        weights.freeze_all(true);
        let config = inner.config.clone();
        for (table, whole, new) in tables(&config) {
            if whole.iter().any(|part| parts.contains(part)) {
                weights.set_frozen(&table, false)?;
            } else if new.iter().any(|part| parts.contains(part)) {
                let Some(first) = from.or(inner.grown_from) else {
                    return Err(Error::new(WHO, "cannot tell which embedding rows are new: this model was not resized")
                        .help("give the first new id, as in `net.train_only(\"new_embeddings\", #{ first_new_id: old.len() })`"));
                };
                weights.divide(&table, first)?;
            }
        }
        if parts.contains(&Part::Layers) {
            let names: BTreeSet<String> = tables(&config).into_iter().map(|(table, ..)| table).collect();
            weights
                .iter_mut()
                .filter(|(name, _)| !names.contains(&***name))
                .for_each(|(_, weight)| weight.frozen = weight.blocks.is_some());
        }
        weights.lora.values_mut().for_each(|adapter| adapter.frozen = !parts.contains(&Part::Lora));
        weights.bottlenecks.values_mut().for_each(|adapter| adapter.frozen = !parts.contains(&Part::Bottleneck));
        weights.forget_trainable_before();
        let count = weights.trainable().len();
        inner.weights = Arc::new(weights);
        Ok(count)
    }

    /// The parameters of some parts: the trainable ones, or with `frozen` all. Among all, new rows that are not apart are
    /// their embeddings.
    pub fn parameters_of(&self, parts: &BTreeSet<Part>, frozen: bool) -> Vec<Tensor> {
        let inner = self.read();
        let weights = &inner.weights;
        let tables = tables(&inner.config);
        let wanted = |name: &str| {
            let rows = embeddings_of(name);
            let of = tables.iter().find(|(table, ..)| table == name || rows.as_ref() == Some(table));
            match of {
                Some((_, whole, new)) => {
                    let apart = rows.is_some() || (frozen && !weights.has(&rows_name(name)));
                    let new = apart && new.iter().any(|part| parts.contains(part));
                    new || whole.iter().any(|part| parts.contains(part))
                }
                None => parts.contains(&Part::Layers),
            }
        };
        let mut found: Vec<Tensor> = weights
            .iter()
            .filter(|(name, weight)| wanted(name) && weight.blocks.is_none() && (frozen || !weight.frozen))
            .map(|(_, weight)| weight.param.clone())
            .collect();
        if parts.contains(&Part::Lora) {
            let some = weights.lora.values().filter(|adapter| frozen || !adapter.frozen);
            found.extend(some.flat_map(|adapter| adapter.params()));
        }
        if parts.contains(&Part::Bottleneck) {
            let some = weights.bottlenecks.values().filter(|adapter| frozen || !adapter.frozen);
            found.extend(some.flat_map(|adapter| adapter.params()));
        }
        found
    }

    /// The first new row, where new rows are a weight of their own.
    pub fn new_rows_from(&self) -> Option<usize> {
        let inner = self.read();
        let mut names = tables(&inner.config).into_iter().map(|(table, ..)| table);
        names
            .find(|table| inner.weights.has(&rows_name(table)))
            .and_then(|table| inner.weights.get(&table).ok().map(|old| old.dims()[0]))
    }
}

/// The embeddings of a model: their names, and the parts that they are as a whole and by their new rows.
fn tables(config: &Config) -> Vec<(String, Vec<Part>, Vec<Part>)> {
    let input = config.layout.embeddings.to_string();
    match &config.output {
        None => vec![(input, vec![Part::Input], vec![Part::NewInput])],
        Some(_) if config.tied => {
            vec![(input, vec![Part::Input, Part::Output], vec![Part::NewInput, Part::NewOutput])]
        }
        Some(output) => vec![
            (input, vec![Part::Input], vec![Part::NewInput]),
            (output.weight.clone(), vec![Part::Output], vec![Part::NewOutput]),
        ],
    }
}

impl Weights {
    /// Divides embeddings: the rows from `first` on become a trainable weight, the rest is frozen.
    pub fn divide(&mut self, table: &str, first: usize) -> Result<()> {
        let value = self.get(table)?.value()?;
        let held = value.dims()[0];
        if first == 0 || first >= held {
            bail!("train_only", "`first_new_id` is {first}, and the embeddings have {held} rows");
        }
        if self.lora.keys().any(|layer| format!("{layer}.weight") == table) {
            return Err(Error::new(
                "train_only",
                format!("LoRA is attached to `{table}`, whose new rows are to be trained"),
            )
            .help("attach it to other layers"));
        }
        // the old rows stay where they are; the new ones get numbers of their own, in f32, which training needs
        let new = value.narrow(0, first, held - first)?.to_dtype(DType::F32)?.copy()?;
        self.insert(table, value.narrow(0, 0, first)?);
        self.set_frozen(table, true)?;
        self.insert(&rows_name(table), new);
        Ok(())
    }

    /// Joins embeddings whose old rows are trainable.
    pub fn join_trainable(&mut self) -> Result<()> {
        let divided: Vec<String> = self.iter().filter_map(|(name, _)| embeddings_of(name)).collect();
        if divided.iter().any(|table| self.get(table).is_ok_and(|old| !old.frozen)) {
            let learning: Vec<String> =
                divided.into_iter().filter(|table| self.get(table).is_ok_and(|old| !old.frozen)).collect();
            self.join()?;
            learning.iter().try_for_each(|table| self.set_frozen(table, false))?;
        }
        Ok(())
    }
}
