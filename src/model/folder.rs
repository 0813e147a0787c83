//! Hugging Face folders: `config.json` and safetensors, in one file or in shards.

use super::arch::{self, Spec};
use super::config::read_json;
use super::{Config, Weights};
use crate::format::Safetensors;
use crate::tensor::{Array, DType};
use crate::{Error, Result, bail, cancel, files};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The weights of a folder, every one that the config says and no other, as f32 unless `dtype` says.
pub fn read_weights(folder: &Path, config: &Config, dtype: DType) -> Result<Weights> {
    let shards = shards(folder)?;
    let files: Vec<Safetensors> =
        shards.iter().map(Safetensors::open).collect::<Result<_>>().map_err(|error| error.told_by("model"))?;
    let specs = arch::tensors(config);
    let places = places(folder, config, &specs, &files)?;
    let mut weights = Weights::default();
    for spec in &specs {
        cancel::check()?;
        let (file, name) = &places[&spec.name];
        let file = &files[*file];
        check_shape(&file.path().display().to_string(), name, file.shape(name)?, spec)?;
        weights.insert(&spec.name, read(file, name, dtype).map_err(|error| error.told_by("model"))?);
    }
    Ok(weights)
}

fn read(file: &Safetensors, name: &str, dtype: DType) -> Result<Array> {
    match file.dtype(name)? {
        DType::I64 | DType::U32 | DType::U8 => {
            bail!("model", "{}: `{name}` holds whole numbers", file.path().display())
        }
        _ if dtype == DType::F32 => file.read_f32(name),
        _ => Ok(file.read(name)?.to_dtype(dtype)?),
    }
}

pub fn check_shape(file: &str, name: &str, shape: &[usize], spec: &Spec) -> Result<()> {
    if shape != spec.shape {
        bail!("model", "{file}: `{name}` has shape {shape:?}, where the config asks for {:?}", spec.shape);
    }
    Ok(())
}

/// The files that hold the weights.
fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    if files::exists(&folder.join(SINGLE)) {
        return Ok(vec![folder.join(SINGLE)]);
    }
    let index = folder.join(INDEX);
    if !files::exists(&index) {
        let error = Error::new("model", format!("{} has no {SINGLE}", folder.display()));
        return Err(if files::exists(&folder.join("pytorch_model.bin")) {
            error.help(
                "levain reads safetensors and GGUF; transformers rewrites a pytorch_model.bin with `save_pretrained`",
            )
        } else {
            error.help("a model is a Hugging Face folder with config.json and safetensors, or a .gguf file")
        });
    }
    let json = read_json(&index)?;
    let Some(map) = json.get("weight_map").and_then(Value::as_object) else {
        bail!("model", "{}: `weight_map` is missing", index.display());
    };
    let mut names = BTreeSet::new();
    for (weight, file) in map {
        match file.as_str() {
            Some(name) if Path::new(name).file_name().is_some_and(|own| own == name) => names.insert(name),
            _ => bail!("model", "{}: `{weight}` is said to be in {file}, which is no file name", index.display()),
        };
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Where each tensor is: the file's index and the name that the file uses.
fn places(
    folder: &Path,
    config: &Config,
    specs: &[Spec],
    files: &[Safetensors],
) -> Result<BTreeMap<String, (usize, String)>> {
    let wanted: BTreeSet<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let mut found = BTreeMap::new();
    let mut unknown = Vec::new();
    for (index, file) in files.iter().enumerate() {
        for name in file.names() {
            let whole = format!("{}{name}", config.arch.prefix);
            if wanted.contains(name.as_str()) {
                found.insert(name.clone(), (index, name));
            } else if wanted.contains(whole.as_str()) {
                found.entry(whole).or_insert((index, name));
            } else if !is_computed(&name, config) {
                unknown.push(name);
            }
        }
    }
    let missing: Vec<&str> = wanted.into_iter().filter(|name| !found.contains_key(*name)).collect();
    complain(&folder.display().to_string(), config, &missing, &unknown)?;
    Ok(found)
}

/// The error for weights that are missing or that nothing uses.
pub fn complain(place: &str, config: &Config, missing: &[impl AsRef<str>], unknown: &[impl AsRef<str>]) -> Result<()> {
    let kind = config.arch.kind;
    if let Some(first) = missing.first() {
        let more = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
        bail!("model", "{place}: the weight `{}`{more} of this {kind} is missing", first.as_ref());
    }
    if let Some(first) = unknown.first() {
        let more = if unknown.len() > 1 { format!(" and {} more", unknown.len() - 1) } else { String::new() };
        bail!("model", "{place}: the weight `{}`{more} is not part of a {kind} of this config", first.as_ref());
    }
    Ok(())
}

/// What some checkpoints hold and no model needs: tables of angles and masks, a second copy of a tied table.
fn is_computed(name: &str, config: &Config) -> bool {
    name.ends_with("rotary_emb.inv_freq")
        || (config.tied && name == "lm_head.weight")
        || (config.arch.transposed && (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")))
}
