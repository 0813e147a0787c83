//! PEFT adapter folders: `adapter_config.json` and `adapter_model.safetensors`.

use super::attach::linears;
use super::lora::{LoraLayer, PREFIX};
use crate::format::safetensors::{self, Safetensors};
use crate::model::Model;
use crate::model::save::replace;
use crate::model::weights::{Weights, embeddings_of};
use crate::tensor::{Array, DType};
use crate::{Error, Result, bail, files};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";

/// Whether a folder holds an adapter and no model.
pub fn is_adapter(folder: &Path) -> bool {
    files::exists(&folder.join(CONFIG)) && !files::exists(&folder.join("config.json"))
}

/// The model that an adapter was made for, as its config names it: a path from the adapter's folder, or from here.
pub fn base_of(folder: &Path) -> Result<PathBuf> {
    let config = read_config(folder)?;
    let Some(base) = config["base_model_name_or_path"].as_str().filter(|base| !base.is_empty()) else {
        return Err(Error::new("model", format!("{}: the base model is not named", folder.join(CONFIG).display()))
            .help("open the base with `model(path)`, then `net.open_lora(folder)`"));
    };
    let beside = folder.join(base);
    if files::exists(&beside) || !files::exists(Path::new(base)) { Ok(beside) } else { Ok(base.into()) }
}

fn read_config(folder: &Path) -> Result<Value> {
    let path = folder.join(CONFIG);
    let text = files::text("open_lora", &path)?;
    serde_json::from_str(&text)
        .map_err(|error| Error::new("open_lora", format!("{} is not JSON: {error}", path.display())))
}

impl Model {
    /// Attaches the LoRA of a PEFT folder and freezes the base.
    pub fn open_lora(&self, folder: &Path) -> Result<usize> {
        const WHO: &str = "open_lora";
        let config = read_config(folder)?;
        let place = folder.join(CONFIG);
        supported(&config).map_err(|error| error.at(place.display()))?;
        let file = Safetensors::open(folder.join(TENSORS)).map_err(|error| error.attributed_to(WHO))?;
        let mut inner = self.write();
        if !inner.weights.lora.is_empty() {
            return Err(Error::new(WHO, "LoRA is attached already")
                .help("merge or detach them first, with `net.merge_lora()` or `net.detach_lora()`"));
        }
        let layers: BTreeMap<String, [usize; 2]> = linears(&inner.config, &inner.weights).into_iter().collect();
        let mut weights = Weights::clone(&inner.weights);
        for (layer, [a, b]) in pairs(&file)? {
            let Some([output, input]) = layers.get(&layer) else {
                bail!(WHO, "{}: this model has no linear layer `{layer}`", file.path().display());
            };
            let (a, b) = (file.read_f32(&a)?, file.read_f32(&b)?);
            let rank = a.dims()[0];
            if a.dims() != [rank, *input] || b.dims() != [*output, rank] || rank == 0 {
                let (path, a, b) = (file.path().display(), a.dims(), b.dims());
                bail!(WHO, "{path}: shapes {a:?} and {b:?} for the layer `{layer}` of {input} → {output}");
            }
            let alpha = pattern(&config["alpha_pattern"], &layer).or(config["lora_alpha"].as_f64());
            let Some(alpha) = alpha else { bail!(WHO, "{}: `lora_alpha` is missing", place.display()) };
            let root = config["use_rslora"].as_bool() == Some(true);
            let scale = alpha / if root { (rank as f64).sqrt() } else { rank as f64 };
            let dropout = config["lora_dropout"].as_f64().unwrap_or(0.0);
            weights.lora.insert(layer.clone(), LoraLayer::new(&layer, a, b, alpha, scale, dropout));
        }
        if weights.lora.is_empty() {
            bail!(WHO, "{} holds no adapter", file.path().display());
        }
        let count = weights.lora.len();
        weights.freeze_for_adapters();
        inner.weights = Arc::new(weights);
        Ok(count)
    }

    /// Writes the attached adapters as a PEFT folder; `base` is what it names as its base model.
    pub fn save_lora(&self, folder: &Path, base: Option<&str>) -> Result<()> {
        const WHO: &str = "save_lora";
        let (weights, source, task) = {
            let inner = self.read();
            (inner.weights.clone(), inner.source.clone(), inner.head.peft_task)
        };
        let Some(first) = weights.lora.values().next() else {
            return Err(Error::new(WHO, "LoRA is not attached").help("attach one with `net.attach_lora(#{ … })`"));
        };
        if weights.iter().any(|(name, _)| embeddings_of(name).is_some()) || !weights.bottlenecks.is_empty() {
            return Err(Error::new(
                WHO,
                "this model has more than LoRA beside its base, which a PEFT folder does not keep",
            )
            .help("`net.save_adapter(folder)` keeps new rows and adapters too"));
        }
        let base = base.map(String::from).or(source.map(|path| path.display().to_string()));
        let targets: BTreeSet<&String> = weights.lora.keys().collect();
        let alphas: BTreeMap<&str, f64> = weights
            .lora
            .iter()
            .filter(|(_, adapter)| adapter.alpha != first.alpha)
            .map(|(layer, adapter)| (layer.as_str(), adapter.alpha))
            .collect();
        let ranks: BTreeMap<&str, usize> = weights
            .lora
            .iter()
            .filter(|(_, adapter)| adapter.rank() != first.rank())
            .map(|(layer, adapter)| (layer.as_str(), adapter.rank()))
            .collect();
        let root = first.scale != first.alpha / first.rank() as f64;
        let config = json!({
            "peft_type": "LORA",
            "task_type": task,
            "base_model_name_or_path": base,
            "r": first.rank(),
            "lora_alpha": short(first.alpha),
            "lora_dropout": first.dropout,
            "target_modules": targets,
            "rank_pattern": ranks,
            "alpha_pattern": alphas,
            "use_rslora": root,
            "bias": "none",
            "fan_in_fan_out": self.config().layout.transposed,
            "inference_mode": true,
            "init_lora_weights": true,
            "modules_to_save": null,
        });
        replace(folder, |part| {
            let mut arrays: Vec<(String, Array)> = Vec::new();
            for (layer, adapter) in &weights.lora {
                arrays.push((format!("{PREFIX}{layer}.lora_A.weight"), adapter.a.value().to_dtype(DType::F32)?));
                arrays.push((format!("{PREFIX}{layer}.lora_B.weight"), adapter.b.value().to_dtype(DType::F32)?));
            }
            safetensors::save(part.join(TENSORS), arrays.iter().map(|(name, array)| (name.as_str(), array)), &[])?;
            files::write_all("save_lora", &part.join(CONFIG), format!("{config:#}\n").as_bytes())?;
            Ok(vec![TENSORS.into(), CONFIG.into()])
        })
    }
}

/// A whole number as such, which older readers insist on.
fn short(alpha: f64) -> Value {
    if alpha.fract() == 0.0 { json!(alpha as i64) } else { json!(alpha) }
}

/// What would compute something else than plain LoRA.
fn supported(config: &Value) -> Result<()> {
    let kind = config["peft_type"].as_str().unwrap_or("");
    if kind != "LORA" {
        bail!("open_lora", "`peft_type` is `{kind}`, not LORA");
    }
    for flag in ["use_dora", "use_qalora", "use_bdlora", "lora_bias"] {
        if config[flag].as_bool() == Some(true) {
            bail!("open_lora", "`{flag}` is not supported");
        }
    }
    for list in ["modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters"] {
        let value = &config[list];
        if !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()) {
            bail!("open_lora", "`{list}` is not supported");
        }
    }
    match config["bias"].as_str() {
        None | Some("none") => Ok(()),
        Some(bias) => bail!("open_lora", "`bias: {bias}` is not supported"),
    }
}

/// The tensors of the file by layer: the names of A and B.
fn pairs(file: &Safetensors) -> Result<BTreeMap<String, [String; 2]>> {
    let mut found: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    for name in file.names() {
        let inner = name.strip_prefix(PREFIX).unwrap_or(&name);
        let part = [".lora_A.weight", ".lora_B.weight"].iter().position(|end| inner.ends_with(end));
        let Some(part) = part else {
            bail!("open_lora", "{}: `{name}` is not part of a LoRA adapter", file.path().display());
        };
        let layer = inner[..inner.len() - ".lora_A.weight".len()].to_string();
        found.entry(layer).or_default()[part] = Some(name);
    }
    found
        .into_iter()
        .map(|(layer, pair)| match pair {
            [Some(a), Some(b)] => Ok((layer, [a, b])),
            [a, _] => {
                let missing = if a.is_none() { "A" } else { "B" };
                bail!("open_lora", "{}: the {missing} of `{layer}` is missing", file.path().display());
            }
        })
        .collect()
}

/// The value that a pattern table gives a layer, by the end of its name.
fn pattern(table: &Value, layer: &str) -> Option<f64> {
    let fits = |key: &str| layer == key || layer.strip_suffix(key).is_some_and(|rest| rest.ends_with('.'));
    table.as_object()?.iter().find(|(key, _)| fits(key))?.1.as_f64()
}
