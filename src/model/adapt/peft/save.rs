//! Writes attached adapters as a folder that PEFT opens with the same logits.

use super::{BASE_PATH, CONFIG, TENSORS};
use crate::files::{self, Stage};
use crate::format::gguf::Gguf;
use crate::format::safetensors;
use crate::model::Model;
use crate::model::adapt::lora::{BIAS, LoraLayer, PREFIX};
use crate::model::embeddings::by_id;
use crate::model::fields::write_json;
use crate::model::model::Inner;
use crate::model::rows_apart::{embeddings_of, rows_name};
use crate::model::weights::Weights;
use crate::progress;
use crate::tensor::{Array, DType, Device};
use crate::{Error, Result, ranks};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

const WHO: &str = "save_lora";

impl Model {
    /// Writes the attached adapters as a PEFT folder, with other trained weights; `base` is the base's name in the folder.
    pub fn save_lora(&self, folder: &Path, base: Option<&str>) -> Result<()> {
        let inner = self.read();
        let weights = inner.weights.clone();
        if weights.lora.is_empty() {
            return Err(Error::new(WHO, "LoRA is not attached").help("attach one with `net.attach_lora(#{ … })`"));
        }
        if !weights.bottlenecks.is_empty() {
            return Err(Error::new(WHO, "bottleneck adapters are attached, which a PEFT folder does not keep")
                .help("`net.save_adapter(folder)` keeps them"));
        }
        let kept = Kept::of(&inner)?;
        weights.warn_of_changes(WHO, |name| kept.holds(name));
        let (base, path) = named(&inner, base);
        let config = config(&inner, &weights, &kept, base)?;
        drop(inner);
        let mut arrays = kept.arrays(&weights)?;
        let with_bias = weights.lora.values().any(|adapter| adapter.bias.is_some());
        for (layer, adapter) in &weights.lora {
            for (part, param) in adapter.parts() {
                arrays.push((format!("{PREFIX}{layer}.{part}"), param.value().to_dtype(DType::F32)?));
            }
            if with_bias && adapter.bias.is_none() && !adapter.embedding {
                let size = adapter.b.value().dims()[0];
                arrays.push((format!("{PREFIX}{layer}.{BIAS}"), Array::zeros(size, DType::F32, &Device::Cpu)?));
            }
        }
        let facts: Vec<(&str, &str)> = path.iter().map(|path| (BASE_PATH, path.as_str())).collect();
        ranks::first(&format!("{WHO} {}", folder.display()), || {
            let stage = Stage::begin(WHO, folder)?;
            safetensors::save_in(&stage, TENSORS, arrays.iter().map(|(name, array)| (name.as_str(), array)), &facts)?;
            write_json(&stage, CONFIG, &config)?;
            stage.commit()
        })
    }
}

/// The contents of an adapter's folder besides LoRA.
struct Kept {
    /// Weights that differ from the base's.
    whole: BTreeSet<String>,
    /// Ids whose rows differ from the base's, by the name of the embeddings.
    rows: BTreeMap<String, Vec<u32>>,
    /// Copies of tied weights among them: the name, and its original.
    copies: Vec<(String, String)>,
}

impl Kept {
    fn of(inner: &Inner) -> Result<Kept> {
        let (config, weights) = (&inner.config, &inner.weights);
        let (mut whole, mut rows) = match &inner.replaced {
            Some(replaced) => (replaced.whole.clone(), replaced.rows.clone()),
            None => Default::default(),
        };
        for (name, _) in weights.iter().filter(|(_, weight)| !weight.frozen) {
            match embeddings_of(name) {
                Some(table) => {
                    let ids = weights.ids_apart(&table)?;
                    rows.entry(table).or_insert(ids);
                }
                None => drop(whole.insert(name.to_string())),
            }
        }
        // rows that the base does not have
        for table in by_id(config) {
            let first = inner.base_rows.unwrap_or(0) as u32;
            let known = |ids: &Vec<u32>| (first..config.vocab as u32).all(|id| ids.contains(&id));
            if first as usize >= config.vocab || whole.contains(&table) || rows.get(&table).is_some_and(known) {
                continue;
            }
            let is_matrix = weights.get(&table).is_ok_and(|weight| weight.dims().len() == 2);
            if first > 0 && is_matrix && !rows.contains_key(&table) {
                rows.insert(table, (first..config.vocab as u32).collect());
            } else {
                whole.insert(table);
            }
        }
        rows.retain(|table, _| !whole.contains(table));
        // a fully trained part is a module with all its parameters
        let modules: BTreeSet<String> =
            whole.iter().filter(|name| name.ends_with(".weight")).map(|name| module(name)).collect();
        let beside = |name: &&Arc<str>| modules.contains(&module(name)) && !weights.lora.contains_key(&module(name));
        whole.extend(weights.iter().map(|(name, _)| name).filter(beside).map(|name| name.to_string()));
        let ties = if config.tied { (inner.head.ties)(config) } else { Vec::new() };
        let copies = ties.into_iter().filter(|(_, of)| whole.contains(of)).collect();
        Ok(Kept { whole, rows, copies })
    }

    fn holds(&self, name: &str) -> bool {
        embeddings_of(name).is_some() || self.rows.contains_key(name) || self.whole.contains(name)
    }

    fn arrays(&self, weights: &Weights) -> Result<Vec<(String, Array)>> {
        let mut arrays = Vec::new();
        for name in &self.whole {
            arrays.push((self.stored(name, weights), weights.whole(name)?));
        }
        for (copy, of) in &self.copies {
            arrays.push((format!("{PREFIX}{copy}"), weights.whole(of)?));
        }
        for (table, ids) in &self.rows {
            let index = Array::from_vec(ids.clone(), ids.len(), &weights.device())?;
            let rows = match (&weights.get(table)?.blocks, weights.has(&rows_name(table))) {
                (Some(blocks), false) => blocks.select(ids)?,
                _ => weights.whole(table)?.index_select(&index, 0)?.to_dtype(DType::F32)?,
            };
            arrays.push((format!("{PREFIX}{}.token_adapter.trainable_tokens_delta", module(table)), rows));
        }
        Ok(arrays)
    }

    /// The file's name for a weight: PEFT stores the layer under LoRA as its `base_layer`.
    fn stored(&self, name: &str, weights: &Weights) -> String {
        match name.rsplit_once('.') {
            Some((layer, part)) if weights.lora.contains_key(layer) => format!("{PREFIX}{layer}.base_layer.{part}"),
            _ => format!("{PREFIX}{name}"),
        }
    }

    /// `modules_to_save`.
    fn modules(&self, weights: &Weights) -> Option<Vec<String>> {
        let copies = self.copies.iter().map(|(copy, _)| copy);
        let names = self.whole.iter().chain(copies).filter(|name| name.ends_with(".weight")).map(|name| module(name));
        let found: Vec<String> = names.filter(|module| !weights.lora.contains_key(module)).collect();
        (!found.is_empty()).then_some(found)
    }

    /// `bias`.
    fn bias(&self, weights: &Weights) -> &'static str {
        let alone =
            |name: &&String| name.ends_with(".bias") && !self.whole.contains(&format!("{}.weight", module(name)));
        let biases: Vec<&String> = self.whole.iter().filter(alone).collect();
        match biases.iter().all(|name| weights.lora.contains_key(&module(name))) {
            _ if biases.is_empty() => "none",
            true => "lora_only",
            false => "all",
        }
    }

    /// `trainable_token_indices`.
    fn indices(&self) -> Option<BTreeMap<String, &Vec<u32>>> {
        let found: BTreeMap<String, &Vec<u32>> = self.rows.iter().map(|(table, ids)| (module(table), ids)).collect();
        (!found.is_empty()).then_some(found)
    }
}

/// The module of a parameter.
fn module(name: &str) -> String {
    name.rsplit_once('.').map_or(name, |(module, _)| module).into()
}

/// The name of the base, and the path it was opened from if different.
fn named(inner: &Inner, given: Option<&str>) -> (Option<String>, Option<String>) {
    const HELP: &str = "PEFT finds no base by it: name one with `save_lora(folder, #{ base: \"ORGANIZATION/NAME\" })`";
    if let Some(given) = given {
        return (Some(given.into()), None);
    }
    let Some(source) = &inner.source else {
        progress::warn(WHO, format!("this model was not opened from anywhere, and its adapter names no base. {HELP}"));
        return (None, None);
    };
    let path = source.display().to_string();
    if files::is_folder(source) {
        return (Some(path), None);
    }
    match Gguf::open(source).ok().and_then(|header| header.hub_name()) {
        Some(name) => (Some(name), Some(path)),
        None => {
            progress::warn(WHO, format!("the base {path} is a GGUF file, which says no name of it on the hub. {HELP}"));
            (Some(path), None)
        }
    }
}

fn config(inner: &Inner, weights: &Weights, kept: &Kept, base: Option<String>) -> Result<Value> {
    let layers = &weights.lora;
    let Some(first) = layers.values().next() else { return Err(Error::new(WHO, "LoRA is not attached")) };
    if layers.values().any(|one| one.magnitude.is_some() != first.magnitude.is_some()) {
        return Err(Error::new(
            WHO,
            "some layers have a magnitude (DoRA) and some have none, which a PEFT folder can't say",
        ));
    }
    // a single layer's rank is ambiguous: √1 is 1
    let rooted = |one: &LoraLayer| {
        one.scale != one.alpha / one.rank() as f64 && one.scale == one.alpha / (one.rank() as f64).sqrt()
    };
    let root = layers.values().any(rooted);
    let alpha = |one: &LoraLayer| {
        let by = if root { (one.rank() as f64).sqrt() } else { one.rank() as f64 };
        if one.alpha / by == one.scale { one.alpha } else { one.scale * by }
    };
    let pattern = |layer: &String| layer.replace('.', r"\.");
    let alphas: BTreeMap<String, Value> = layers
        .iter()
        .filter(|(_, one)| alpha(one) != alpha(first))
        .map(|(layer, one)| (pattern(layer), short(alpha(one))))
        .collect();
    let ranks: BTreeMap<String, usize> = layers
        .iter()
        .filter(|(_, one)| one.rank() != first.rank())
        .map(|(layer, one)| (pattern(layer), one.rank()))
        .collect();
    let taken = inner.replaced.as_ref().and_then(|replaced| replaced.taken);
    let dropout = layers.values().map(|one| one.dropout).fold(0.0, f64::max);
    Ok(json!({
        "peft_type": "LORA",
        "task_type": inner.head.peft_task,
        "base_model_name_or_path": base,
        "r": first.rank(),
        "lora_alpha": short(alpha(first)),
        "lora_dropout": dropout,
        "target_modules": layers.keys().collect::<Vec<_>>(),
        "rank_pattern": ranks,
        "alpha_pattern": alphas,
        "use_rslora": root,
        "use_dora": first.magnitude.is_some(),
        "lora_bias": layers.values().any(|one| one.bias.is_some()),
        "bias": kept.bias(weights),
        "fan_in_fan_out": inner.config.layout.transposed,
        "inference_mode": true,
        "init_lora_weights": taken.map_or(json!(true), |name| json!(name)),
        "modules_to_save": kept.modules(weights),
        "ensure_weight_tying": !kept.copies.is_empty(),
        "trainable_token_indices": kept.indices(),
    }))
}

/// Writes integral numbers as integers, which older readers require.
fn short(alpha: f64) -> Value {
    if alpha.fract() == 0.0 { json!(alpha as i64) } else { json!(alpha) }
}
