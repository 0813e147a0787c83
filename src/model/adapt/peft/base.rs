//! The base of a PEFT adapter, and changes of an adapter to it besides LoRA.

use super::config::{PeftConfig, Taken};
use super::file::AdapterTensors;
use crate::model::adapt::principal::{leading, principal};
use crate::model::config::Config;
use crate::model::embeddings::{by_id, resize};
use crate::model::spec::{Arch, Head};
use crate::model::weights::Weights;
use crate::progress;
use crate::tensor::{Array, Device};
use crate::{Error, Result, cancel};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const WHO: &str = "open_lora";

/// The base while an adapter is applied to it.
pub struct Base<'a> {
    pub head: &'static Head,
    pub arch: &'static Arch,
    pub config: Config,
    pub weights: Weights,
    pub adapter: &'a PeftConfig,
    pub file: &'a AdapterTensors,
    /// Names of copies of tied weights, with the original of each.
    pub ties: BTreeMap<String, String>,
    /// The same for weights that were tied and are now separate.
    pub parted: BTreeMap<String, String>,
    /// LoRA of the embeddings is also attached to the output embeddings.
    pub keeps_ties: bool,
    pub whole: BTreeSet<String>,
    pub rows: BTreeMap<String, Vec<u32>>,
    pub taken: Option<&'static str>,
}

impl<'a> Base<'a> {
    pub fn new(
        arch: &'static Arch,
        head: &'static Head,
        config: &Config,
        weights: &Weights,
        adapter: &'a PeftConfig,
        file: &'a AdapterTensors,
    ) -> Base<'a> {
        let ties = if config.tied { (head.ties)(config).into_iter().collect() } else { BTreeMap::new() };
        let (config, weights) = (config.clone(), weights.clone());
        let (whole, rows, parted) = Default::default();
        let keeps_ties = adapter.keeps_ties && config.tied;
        Base { head, arch, config, weights, adapter, file, ties, parted, keeps_ties, whole, rows, taken: None }
    }

    /// Whether a weight belongs to a fully trained module.
    pub fn is_saved(&self, name: &str) -> bool {
        name.rsplit_once('.').is_some_and(|(module, _)| self.adapter.saves(module))
    }

    /// This model's name for a weight of the file; for tied weights, the existing one.
    pub fn weight(&self, name: &str) -> Option<String> {
        let found = [name.to_string(), format!("{}{name}", self.arch.layout.prefix)]
            .into_iter()
            .map(|name| self.ties.get(&name).cloned().unwrap_or(name));
        // for untied weights, only the copy may be stored
        let copy = |name: &String| self.parted.iter().find(|(_, of)| *of == name).map(|(copy, _)| copy.clone());
        let own = |name: String| if self.weights.has(&name) { Some(name) } else { copy(&name) };
        found.into_iter().filter_map(own).find(|name| self.weights.has(name))
    }

    /// This model's name for a layer of the file, including tied output embeddings.
    pub fn layer(&self, layer: &str) -> Option<String> {
        let name = format!("{layer}.weight");
        let whole = format!("{}{name}", self.arch.layout.prefix);
        let found = [name, whole].into_iter().find(|name| self.weights.has(name) || self.ties.contains_key(name))?;
        found.strip_suffix(".weight").map(String::from)
    }

    pub fn unknown(&self, name: &str) -> Error {
        let error = self.file.wrong(format!("this {} has no `{name}`", self.config.model_type()));
        let names = self.weights.iter().map(|(name, _)| &**name);
        error.meant(name, names)
    }

    /// Resizes the embeddings to the adapter's number of rows.
    pub fn resize(&mut self) -> Result<()> {
        let tables: Vec<String> = by_id(&self.config).into_iter().chain(self.ties.keys().cloned()).collect();
        let is_table = |layer: &str| self.layer(layer).is_some_and(|layer| tables.contains(&format!("{layer}.weight")));
        let mut wanted: Vec<(String, usize)> = Vec::new();
        for name in self.file.whole.keys() {
            let own = self.weight(name);
            if own.is_some_and(|own| tables.contains(&own)) {
                wanted.push((name.clone(), self.file.shape(name)?.first().copied().unwrap_or_default()));
            }
        }
        for layer in self.file.lora.keys().filter(|layer| is_table(layer)) {
            let ([a, b], embedding) = self.file.pair(layer)?;
            wanted.push((
                layer.clone(),
                if embedding { a.dims().get(1).copied() } else { b.dims().first().copied() }.unwrap_or_default(),
            ));
        }
        let held = self.config.vocab;
        let mut rows = held;
        if let Some((name, count)) = wanted.first() {
            rows = *count;
            if let Some((other, more)) = wanted.iter().find(|(_, more)| more != count) {
                return Err(self.file.wrong(format!("`{name}` has {count} rows, and `{other}` {more}")));
            }
        } else {
            for layer in self.file.rows.iter().filter(|layer| !self.is_same(layer)) {
                let last = self.indices(layer)?.iter().max().map_or(0, |&last| last as usize + 1);
                rows = rows.max(last);
            }
        }
        if rows != held {
            let place = &self.adapter.place;
            progress::warn(
                WHO,
                format!(
                    "{place}: the embeddings of this model have {held} rows, and it was made for {rows}: they are resized"
                ),
            );
            resize(&mut self.config, &mut self.weights, rows)?;
            self.weights.freeze_all(true);
            self.whole.extend(by_id(&self.config));
        }
        Ok(())
    }

    /// Replaces a weight of the base, and returns its name here.
    pub fn replace(&mut self, name: &str) -> Result<String> {
        let Some(own) = self.weight(name) else { return Err(self.unknown(name)) };
        let value = self.file.weight(name)?;
        self.insert(&own, value)?;
        self.whole.insert(own.clone());
        Ok(own)
    }

    pub fn insert(&mut self, name: &str, value: Array) -> Result<()> {
        let old = self.weights.get(name)?;
        if old.dims() != value.dims() {
            return Err(self.file.wrong(format!("`{name}` has shape {:?}, and here {:?}", value.dims(), old.dims())));
        }
        let dtype = old.param.dtype();
        self.weights.replace(name, value.to_dtype(dtype)?);
        Ok(())
    }

    /// Subtracts from the base what PEFT subtracts when it opens such an adapter.
    pub fn take_out(&mut self) -> Result<()> {
        let Some(name) = self.adapter.taken.name() else { return Ok(()) };
        self.taken = Some(name);
        let mut parts = Vec::new();
        for layer in self.file.lora.keys().filter(|layer| self.is_targeted(layer)) {
            let weight = self.weight(&format!("{layer}.weight")).ok_or_else(|| self.unknown(layer))?;
            // the file holds the remainder
            if self.file.whole.contains_key(&format!("{layer}.weight")) {
                continue;
            }
            let transposed = self.config.is_transposed(&weight);
            if self.weights.get(&weight)?.blocks.is_some() {
                return Err(self
                    .file
                    .wrong(format!("{name} takes a part out of `{weight}`, which is quantized here"))
                    .help("open the base without `quantized`, or widen it with `net.to(\"f32\")`"));
            }
            if transposed && self.adapter.taken == Taken::Leading {
                return Err(self
                    .file
                    .wrong(format!("{name} is not defined for `{weight}`, which is stored transposed")));
            }
            let rank = self.file.pair(layer)?.0[0].dims()[0];
            parts.push((weight, transposed, rank, self.scale(layer, rank)));
        }
        let left = |(weight, transposed, rank, scale): (String, bool, usize, f64)| -> Result<(String, Array)> {
            cancel::check()?;
            let turn = |x: Array| -> Result<Array> { if transposed { Ok(x.t()?.contiguous()?) } else { Ok(x) } };
            let whole = turn(self.weights.plain(&weight)?)?;
            let part = match self.adapter.taken {
                Taken::Leading => (leading(&whole, rank)? * scale)?,
                _ => principal(&whole, rank)?,
            };
            Ok((weight, turn((whole - part)?)?))
        };
        let left = parts.into_par_iter().map(left).collect::<Result<Vec<_>>>()?;
        left.into_iter().try_for_each(|(name, value)| self.insert(&name, value))
    }

    /// Whether the adapter changes only one of two tied weights.
    pub fn parts_ties(&self, rows: &[&String]) -> bool {
        let of = |layer: &str| self.layer(layer).map(|layer| format!("{layer}.weight"));
        let copies = |layer: &str| of(layer).is_some_and(|name| self.ties.contains_key(&name));
        let originals = |layer: &str| of(layer).is_some_and(|name| self.ties.values().any(|of| *of == name));
        let module = |name: &'a String| name.strip_suffix(".weight").unwrap_or(name);
        let saved = || self.file.whole.keys().filter(|name| self.is_saved(name) && !self.keeps_ties).map(module);
        self.file.lora.keys().map(String::as_str).chain(saved()).any(|layer| copies(layer) || originals(layer))
            || rows.iter().any(|layer| copies(layer))
    }

    /// Whether rows belong again to a tied weight.
    pub fn is_same(&self, layer: &str) -> bool {
        let Some(of) = self.layer(layer).and_then(|layer| self.ties.get(&format!("{layer}.weight"))) else {
            return false;
        };
        let of_input = |layer: &String| self.layer(layer).is_some_and(|layer| format!("{layer}.weight") == *of);
        let own = self.adapter.indices(layer, false);
        let same = || own == self.adapter.indices(of.strip_suffix(".weight").unwrap_or(of), true);
        own.is_none() || self.file.rows.iter().any(of_input) && same()
    }

    pub fn indices(&self, layer: &str) -> Result<&'a [u32]> {
        let table = self.layer(layer).map(|layer| format!("{layer}.weight"));
        let is_input = table.as_deref() == Some(self.config.layout.embeddings);
        let missing =
            || self.file.wrong(format!("`trainable_token_indices` says nothing of `{layer}`, whose rows it holds"));
        self.adapter.indices(layer, is_input).ok_or_else(missing)
    }

    /// Replaces embedding rows, which remain trainable.
    pub fn replace_rows(&mut self, layer: &str) -> Result<()> {
        let Some(table) = self.weight(&format!("{layer}.weight")) else { return Err(self.unknown(layer)) };
        let ids = self.indices(layer)?;
        let new = self.file.rows_of(layer)?;
        let width = self.config.embedding;
        if new.dims() != [ids.len(), width] {
            let what =
                format!("the rows of `{layer}` have shape {:?}, for {} tokens of {width}", new.dims(), ids.len());
            return Err(self.file.wrong(what));
        }
        let old = self.weights.plain(&table)?;
        let count = old.dims()[0];
        let mut numbers: Vec<f32> = old.flatten_all()?.to_vec1()?;
        let new: Vec<f32> = new.flatten_all()?.to_vec1()?;
        for (id, row) in ids.iter().zip(new.chunks_exact(width)) {
            match numbers.get_mut(*id as usize * width..(*id as usize + 1) * width) {
                Some(place) => place.copy_from_slice(row),
                None => return Err(self.file.wrong(format!("id {id} is outside the embeddings of {count} rows"))),
            }
        }
        self.insert(&table, Array::from_vec(numbers, (count, width), &Device::Cpu)?)?;
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        let first = count - sorted.len().min(count);
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(self.file.wrong(format!("`trainable_token_indices` names id {} of `{layer}` twice", twice[0])));
        }
        match first > 0 && sorted.iter().copied().eq(first as u32..count as u32) {
            true => self.weights.divide(&table, first)?,
            false => self.weights.divide_at(&table, ids)?,
        }
        self.whole.remove(&table);
        self.rows.insert(table, ids.to_vec());
        Ok(())
    }

    /// Shares the rows of the input embeddings with untied output embeddings: as in PEFT, both train the same rows.
    pub fn share_rows(&mut self) -> Result<()> {
        for (copy, of) in self.parted.clone() {
            if self.rows.contains_key(&of) && !self.rows.contains_key(&copy) && !self.is_saved(&copy) {
                self.weights.share_rows(&of, &copy)?;
            }
        }
        Ok(())
    }

    pub fn scale(&self, layer: &str, rank: usize) -> f64 {
        self.adapter.alpha(layer) / if self.adapter.rslora { (rank as f64).sqrt() } else { rank as f64 }
    }

    pub fn is_targeted(&self, layer: &str) -> bool {
        let own = self.layer(layer);
        let is_output = own.is_some_and(|own| self.config.output.as_ref().is_some_and(|output| output.layer() == own));
        let input = self.config.layout.embeddings.strip_suffix(".weight").unwrap_or_default();
        self.adapter.targets(layer, is_output) || (is_output && self.keeps_ties && self.adapter.targets(input, false))
    }
}
