//! The trainable parts of a model: new embedding rows, embeddings, layers, adapters, or all.
//!
//! While only new embedding rows are trained they are a separate weight, `….new_rows` beside `….weight`, which holds the old rows
//! and is frozen. So the old rows cannot change, and have neither gradients nor optimizer state.

use super::rows_apart::{IdsApart, RowsApart, embeddings_of, rows_name};
use super::weights::Weights;
use super::{Config, Model};
use crate::tensor::Tensor;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A part of a model that can be trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The new rows of the input embeddings or of the output embeddings. If tied, each is both.
    NewInput,
    NewOutput,
    /// All rows of the embeddings.
    Input,
    Output,
    /// Everything except the embeddings and the adapters.
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
    /// Makes these parts trainable and freezes all others; returns the number of trainable weights. New rows start at `from`, by
    /// default at the first row added by the last resize.
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
            // "all" includes whatever exists
            if parts.contains(&part) && !held && !parts.contains(&Part::Layers) {
                return Err(Error::new(WHO, how).help("attach it first"));
            }
        }
        let mut weights = Weights::clone(&inner.weights);
        let scattered = weights.scattered.clone();
        weights.join()?;
        weights.freeze_all(true);
        let config = inner.config.clone();
        for (table, whole, new) in tables(&config) {
            if whole.iter().any(|part| parts.contains(part)) {
                weights.set_frozen(&table, false)?;
            } else if new.iter().any(|part| parts.contains(part)) {
                match (from.or(inner.grown_from), scattered.get(&table)) {
                    (None, Some(rows)) => weights.divide_at(&table, &rows.ids)?,
                    (Some(first), _) => weights.divide(&table, first)?,
                    (None, None) => return Err(Error::new(WHO, "cannot tell which embedding rows are new: this model was not resized")
                        .help("give the first new id, as in `net.train_only(\"new_embeddings\", #{ first_new_id: old.len() })`")),
                }
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

    /// The parameters of some parts: the trainable ones, or with `frozen` all. With `frozen`, embeddings stand in for new rows
    /// that are not a separate weight.
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

    /// The first new row, if new rows are a separate weight.
    pub fn new_rows_from(&self) -> Result<Option<usize>> {
        let inner = self.read();
        for (table, ..) in tables(&inner.config) {
            if let Some(RowsApart { ids: IdsApart::From(first), .. }) = inner.weights.rows_apart(&table)? {
                return Ok(Some(first as usize));
            }
        }
        Ok(None)
    }
}

/// The embeddings of a model: their names, and the parts that cover them, whole or by new rows.
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
