//! Applies a PEFT adapter to its base.

use super::base::Base;
use super::config::PeftConfig;
use super::file::AdapterTensors;
use crate::model::Model;
use crate::model::adapt::attach::linears;
use crate::model::adapt::lora::{BIAS, LoraLayer, MAGNITUDE};
use crate::model::adapt::replaced::Replaced;
use crate::model::adapt::tables::lookups;
use crate::model::tie::untie;
use crate::progress;
use crate::tensor::{Array, DType};
use crate::{Error, Result, bail, files};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const WHO: &str = "open_lora";

impl Model {
    /// Attaches the contents of a PEFT folder and freezes the base. Returns the number of layers with LoRA.
    pub fn open_lora(&self, folder: &Path) -> Result<usize> {
        self.check_trainable(WHO)?;
        files::settle(WHO, folder)?;
        let config = PeftConfig::read(folder)?;
        let file = AdapterTensors::open(folder)?;
        let mut inner = self.write();
        if !inner.weights.lora.is_empty() || inner.replaced.is_some() {
            return Err(Error::new(WHO, "LoRA is attached already")
                .help("merge or detach it first, with `net.merge_lora()` or `net.detach_lora()`"));
        }
        let mut base = Base::new(inner.arch, inner.head, &inner.config, &inner.weights, &config, &file);
        base.put_on()?;
        let Base { config, weights, whole, rows, taken, .. } = base;
        let count = weights.lora.len();
        weights.settle()?;
        let weights = Arc::new(weights);
        if !whole.is_empty() || !rows.is_empty() || taken.is_some() || config.tied != inner.config.tied {
            inner.replaced = Some(Replaced {
                config: std::mem::replace(&mut inner.config, Arc::new(config)),
                weights: std::mem::replace(&mut inner.weights, weights),
                whole,
                rows,
                taken,
            });
        } else {
            inner.weights = weights;
        }
        Ok(count)
    }
}

impl Base<'_> {
    fn put_on(&mut self) -> Result<()> {
        self.weights.freeze_for_adapters();
        self.resize()?;
        let (saved, shared): (Vec<&String>, Vec<&String>) =
            self.file.whole.keys().partition(|name| self.is_saved(name));
        // parts shared by tied weights, before an adapter unties them
        for name in shared {
            let own = self.replace(name)?;
            if self.adapter.trains_bias && own.ends_with(".bias") {
                self.weights.set_frozen(&own, false)?;
            }
        }
        self.take_out()?;
        let (_, rows): (Vec<&String>, Vec<&String>) = self.file.rows.iter().partition(|layer| self.is_same(layer));
        if self.parts_ties(&rows) {
            let place = &self.adapter.place;
            progress::warn(
                WHO,
                format!("{place}: it changes one of the embeddings that this model ties: they are two now"),
            );
            untie(self.head, &mut self.config, &mut self.weights);
            self.parted = std::mem::take(&mut self.ties);
            let copies = self.parted.iter().filter(|(_, of)| self.whole.contains(*of)).map(|(copy, _)| copy.clone());
            self.whole.extend(copies.collect::<Vec<_>>());
        }
        for layer in rows {
            self.replace_rows(layer)?;
        }
        self.share_rows()?;
        for name in saved {
            let name = self.replace(name)?;
            self.weights.set_frozen(&name, false)?;
        }
        self.attach()?;
        if self.weights.lora.is_empty() && self.whole.is_empty() && self.rows.is_empty() {
            return Err(self.file.wrong("it holds nothing for this model"));
        }
        Ok(())
    }

    fn attach(&mut self) -> Result<()> {
        let linears: BTreeMap<String, [usize; 2]> = linears(&self.config, &self.weights).into_iter().collect();
        let lookups: BTreeMap<String, [usize; 2]> = lookups(&self.config, &self.weights).into_iter().collect();
        let mut left_out = Vec::new();
        for layer in self.file.lora.keys() {
            let Some(own) = self.layer(layer) else {
                let what = format!("this model has no linear layer `{layer}`");
                return Err(self.file.wrong(what).meant(layer, linears.keys().map(String::as_str)));
            };
            if !self.is_targeted(layer) {
                left_out.push(layer.as_str());
                continue;
            }
            let (pair, embedding) = self.file.pair(layer)?;
            let sizes = if embedding { &lookups } else { &linears };
            let Some([output, input]) = sizes.get(&own).copied() else {
                let kind = match embedding {
                    true => "table that is read row by row: LoRA of another one changes nothing in PEFT either",
                    false => "linear layer",
                };
                return Err(self.file.wrong(format!("`{layer}` is no {kind}")));
            };
            let [a, b] = &pair;
            let rank = a.dims().first().copied().unwrap_or(0);
            if a.dims() != [rank, input] || b.dims() != [output, rank] || rank == 0 {
                let (path, a, b) = (self.file.place(), a.dims(), b.dims());
                bail!(WHO, "{path}: shapes {a:?} and {b:?} for the layer `{layer}` of {input} → {output}");
            }
            if self.adapter.rank(layer) != rank as f64 {
                let said = self.adapter.rank(layer);
                return Err(self.file.wrong(format!("`{layer}` has rank {rank}, and the config says {said}")));
            }
            let (alpha, scale) = (self.adapter.alpha(layer), self.scale(layer, rank));
            let lora = match embedding {
                true => LoraLayer::of_embedding(&own, pair, alpha, scale),
                false => LoraLayer::new(&own, pair, alpha, scale, self.adapter.dropout),
            };
            let lora = lora.with_bias(&own, self.vector(layer, BIAS, output)?);
            let magnitude = self.vector(layer, MAGNITUDE, output)?;
            if magnitude.is_some() != self.adapter.dora {
                let has = if self.adapter.dora { "no" } else { "a" };
                return Err(self
                    .file
                    .wrong(format!("`{layer}` has {has} magnitude, and `use_dora` is {}", self.adapter.dora)));
            }
            self.weights.lora.insert(own.clone(), lora.with_magnitude(&own, magnitude));
        }
        self.tell("LoRA of", &left_out, "is in the file and not among `target_modules`: as in PEFT, it is not used");
        let missing: Vec<&str> = linears
            .keys()
            .map(String::as_str)
            .filter(|layer| {
                self.adapter.names_layers() && self.is_targeted(layer) && !self.weights.lora.contains_key(*layer)
            })
            .collect();
        self.tell(
            "LoRA of",
            &missing,
            "is not in the file, though `target_modules` names it: it stays as it is in the base",
        );
        Ok(())
    }

    fn vector(&self, layer: &str, part: &str, size: usize) -> Result<Option<Array>> {
        let Some(value) = self.file.part(layer, part)? else { return Ok(None) };
        if value.dims() != [size] {
            return Err(self.file.wrong(format!("`{layer}.{part}` has shape {:?}, and not [{size}]", value.dims())));
        }
        Ok(Some(value.to_dtype(DType::F32)?))
    }

    fn tell(&self, what: &str, layers: &[&str], which: &str) {
        if let Some(first) = layers.first() {
            let more = if layers.len() > 1 { format!(" and {} more", layers.len() - 1) } else { String::new() };
            progress::warn(WHO, format!("{}: {what} `{first}`{more} {which}", self.adapter.place));
        }
    }
}
