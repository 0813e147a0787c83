//! Opening models: Hugging Face folders, `.gguf` files, and adapters with their base.

use super::adapt::{adapter_file, peft};
use super::fields::read_json;
use super::head::embed;
use super::spec::{Blueprint, NewHead};
use super::{Model, Weights, arch, beside, folder, gguf, sentence};
use crate::kernel::Precision;
use crate::tensor::DType;
use crate::{Error, Result, files, progress};
use serde_json::{Map, Value};
use std::path::Path;

impl Model {
    /// Opens a Hugging Face folder or a `.gguf` file, its weights stored as `dtype`, with the head of its
    /// `architectures`.
    pub fn open(path: &Path, dtype: DType) -> Result<Model> {
        Model::open_with(path, dtype, None)
    }

    /// Like [`Model::open`], with another head: weights missing in the file are drawn from its seed, and those of another head
    /// are skipped.
    pub fn open_with(path: &Path, dtype: DType, head: Option<&NewHead>) -> Result<Model> {
        files::readable("model", path)?;
        if !files::exists(path) {
            return Err(missing(path));
        }
        if files::is_file(path) {
            if is_gguf(path) {
                let (blueprint, weights) = gguf::open(path, dtype, false)?;
                return opened(path, blueprint, weights).by_default();
            }
            return Err(Error::new("model", format!("{} is not a model", path.display()))
                .help("a model is a Hugging Face folder with config.json and safetensors, or a .gguf file"));
        }
        files::settle("model", path)?;
        if adapter_file::is_adapter_file(path) {
            let config = adapter_file::read(path)?;
            let net = Model::open_with(&adapter_file::base_of(path, &config)?, dtype, head)?;
            net.put_on(path, &config)?;
            return Ok(net);
        }
        if peft::is_adapter(path) {
            let net = Model::open_with(&peft::base_of(path)?, dtype, head)?;
            net.open_lora(path)?;
            return Ok(net);
        }
        let folder = sentence::model_folder(path);
        let place = folder.join("config.json");
        let Value::Object(json) = read_json(&place)? else {
            return Err(Error::new("model", format!("{}: not a JSON object", place.display())));
        };
        let mut blueprint = arch::read(json, head).map_err(|error| error.at(place.display()))?;
        let sentence = if blueprint.head.name == embed::HEAD.name { sentence::read(path)? } else { None };
        if let Some(sentence) = &sentence {
            let (pooling, normalize) = head.map_or((None, None), |head| (head.pooling, head.normalize));
            blueprint.config.pooling = pooling.or(sentence.pooling).unwrap_or(blueprint.config.pooling);
            blueprint.config.normalize = normalize.unwrap_or(sentence.normalize);
        }
        beside::tell(&folder, &blueprint.config)?;
        let (blueprint, weights) = folder::read_weights(&folder, blueprint, dtype, head)?;
        let net = opened(path, blueprint, weights);
        net.write().sentence = sentence.unwrap_or_default().into();
        net.write().generation = generation(&folder)?;
        net.by_default()
    }

    /// Opens a `.gguf` file and keeps its quantized weights quantized and frozen; the others are stored as `dtype`.
    pub fn open_quantized(path: &Path, dtype: DType) -> Result<Model> {
        files::readable("model", path)?;
        if !files::exists(path) {
            return Err(missing(path));
        }
        if !is_gguf(path) {
            return Err(Error::new("model", format!("{} is not a .gguf file, and not quantized", path.display()))
                .help("`net.to(\"q8\")` quantizes the matrices of any model"));
        }
        let (blueprint, weights) = gguf::open(path, dtype, true)?;
        let net = opened(path, blueprint, weights);
        net.set_precision(Precision::Int8);
        Ok(net)
    }
}

/// Reads a folder's generation config. One that is not a map is ignored, as in transformers, with a warning: it may be the only
/// place that names the tokens that end a text.
pub(in crate::model) fn generation(folder: &Path) -> Result<Map<String, Value>> {
    let path = folder.join("generation_config.json");
    let Some(bytes) = files::read_if_there("model", &path)? else { return Ok(Map::new()) };
    serde_json::from_slice(&bytes).or_else(|error| {
        progress::warn("model", format!("{}: it is not used: {error}", path.display()));
        Ok(Map::new())
    })
}

fn opened(path: &Path, blueprint: Blueprint, weights: Weights) -> Model {
    let net = Model::assemble(blueprint, weights);
    net.write().source = Some(files::full(path).unwrap_or_else(|| path.into()));
    net
}

fn is_gguf(path: &Path) -> bool {
    files::is_file(path) && path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
}

/// The error for a path that does not exist, with the nearest name in its folder.
fn missing(path: &Path) -> Error {
    let error = Error::new("model", format!("{} is not there", path.display()));
    let (Some(name), Some(parent)) = (path.file_name().and_then(|name| name.to_str()), path.parent()) else {
        return error;
    };
    match crate::nearest(name, files::beside(path).iter().map(String::as_str)) {
        Some(near) => error.help(format!("did you mean `{}`?", parent.join(near).display())),
        None => {
            let known: Vec<_> = arch::ALL.iter().map(|arch| arch.model_type()).collect();
            error.help(format!("levain builds {}", known.join(", ")))
        }
    }
}
