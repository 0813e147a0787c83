//! Saving: a folder that transformers opens with the same logits.

use super::fields::write_json;
use super::folder::{INDEX, SINGLE};
use super::head::embed;
use super::rows_apart::{embeddings_of, rows_name};
use super::weights::Weights;
use super::{Config, Model};
use crate::files::{self, Stage};
use crate::format::safetensors;
use crate::progress;
use crate::tensor::{Array, DType};
use crate::{Error, Result, bail, cancel, ranks};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Options of saving a model.
#[derive(Clone, Copy)]
pub struct Saving {
    /// The dtype of the weights; unchanged if not given.
    pub dtype: Option<DType>,
    /// Maximum bytes per file before the weights are split.
    pub shard: usize,
}

impl Default for Saving {
    fn default() -> Saving {
        Saving { dtype: None, shard: 5_000_000_000 }
    }
}

impl Model {
    /// Writes `config.json`, `generation_config.json` and the weights into `folder`, with attached adapters merged. The files are
    /// replaced together: on an error nothing there has changed.
    pub fn save(&self, folder: &Path, saving: Saving) -> Result<()> {
        self.check_trainable("save")?;
        check_folder(folder)?;
        let (config, weights, generation, prefix) = {
            let inner = self.read();
            let mut weights = Weights::clone(&inner.weights);
            // transformers expects both copies of a weight that the head has twice, and would otherwise report it as newly
            // initialized
            let twice = if inner.config.tied { Vec::new() } else { (inner.head.ties)(&inner.config) };
            for (own, of) in twice.iter().filter(|(_, of)| !inner.weights.has(of)) {
                let value = weights.whole(own)?;
                weights.unused.entry(of.as_str().into()).or_insert(value);
            }
            // a base is saved as in transformers: without a prefix
            let prefix = if inner.head.name == embed::HEAD.name { inner.config.layout.prefix } else { "" };
            (inner.config.clone(), weights, inner.generation.clone(), prefix)
        };
        let dtype = saving.dtype.unwrap_or_else(|| stored(&weights));
        if let Some((_, weight)) = weights.iter().find(|(_, weight)| weight.blocks.is_some()) {
            let (kind, dtype) = (weight.kind(), dtype.as_str());
            progress::warn(
                "save",
                format!("the weights are quantized ({kind}), which a folder does not keep: they are saved as {dtype}"),
            );
        }
        if !matches!(dtype, DType::F32 | DType::BF16 | DType::F16) {
            bail!("save", "weights can't be stored as {}", dtype.as_str());
        }
        if !weights.bottlenecks.is_empty() {
            return Err(Error::new("save", "bottleneck adapters are attached, which can't be merged into weights")
                .help("`net.save_adapter(folder)` keeps them, `net.detach_bottleneck()` takes them off"));
        }
        weights.merge_targets("save")?;
        ranks::first(&format!("save {}", folder.display()), || {
            self.write_folder(folder, (&config, &weights, dtype, saving.shard, prefix), &generation)
        })
    }

    fn write_folder(
        &self,
        folder: &Path,
        (config, weights, dtype, shard, prefix): (&Config, &Weights, DType, usize, &str),
        generation: &Map<String, Value>,
    ) -> Result<()> {
        let mut stage = Stage::begin("save", folder)?;
        let names = write_weights(&stage, config, weights, dtype, shard, prefix)?;
        write_json(&stage, "generation_config.json", &Value::Object(generation_json(config, generation)))?;
        write_json(&stage, "config.json", &Value::Object(config_json(config, dtype)))?;
        if self.head() == embed::HEAD.name {
            self.sentence().save(&stage, config.pooling, config.normalize, config.hidden)?;
        }
        // weights of an earlier save in another format would be read instead of these, or be in the way
        let old =
            files::list("save", folder)?.into_iter().filter_map(|path| path.file_name()?.to_str().map(String::from));
        old.filter(|name| holds_weights(name) && !names.contains(name)).for_each(|name| stage.remove(&name));
        stage.commit()
    }
}

/// Whether a file holds weights of a folder, or a part of them.
fn holds_weights(name: &str) -> bool {
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let shard = name.strip_prefix("model-").and_then(|name| name.strip_suffix(".safetensors")?.split_once("-of-"));
    name == SINGLE || name == INDEX || shard.is_some_and(|(one, of)| digits(one) && digits(of))
}

/// Returns an error if the path names a file: weights are saved in a folder.
fn check_folder(folder: &Path) -> Result<()> {
    const FILES: [&str; 7] = ["gguf", "safetensors", "bin", "pt", "pth", "onnx", "json"];
    let ending = folder.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    if !FILES.contains(&ending.as_str()) || files::is_folder(folder) {
        return Ok(());
    }
    let error = Error::new(
        "save",
        format!("{} is named as a .{ending} file, and a model is saved as a folder", folder.display()),
    );
    Err(match ending.as_str() {
        "gguf" => error.help("`Model::save_gguf` writes such a file, with the tokenizer in it"),
        _ => error.help("name a folder: its model.safetensors and config.json are written into it"),
    })
}

/// The dtype of most weights, f32 for quantized ones.
fn stored(weights: &Weights) -> DType {
    let mut counts = [(DType::F32, 0), (DType::BF16, 0), (DType::F16, 0)];
    for (_, weight) in weights.iter() {
        let own = counts.iter_mut().find(|(dtype, _)| *dtype == weight.param.dtype());
        own.into_iter().for_each(|(_, count)| *count += weight.dims().iter().product::<usize>());
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(DType::F32, |(dtype, _)| dtype)
}

/// Writes the weights in one or several files, their names without `prefix`, and returns the file names.
fn write_weights(
    stage: &Stage,
    config: &Config,
    weights: &Weights,
    dtype: DType,
    limit: usize,
    prefix: &str,
) -> Result<Vec<String>> {
    let bare = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_string();
    let mut shards: Vec<(usize, Vec<&str>)> = vec![(0, Vec::new())];
    // new rows are written with their embeddings
    let own = weights.iter().filter(|(name, _)| embeddings_of(name).is_none()).map(|(name, weight)| {
        let new = weights.get(&rows_name(name)).map_or(0, |rows| rows.param.value().elem_count());
        (name, weight.dims().iter().product::<usize>() + new)
    });
    let unused = weights.unused.iter().map(|(name, value)| (name, value.elem_count()));
    for (name, count) in own.chain(unused) {
        let bytes = count * dtype.size_in_bytes();
        match shards.last_mut() {
            Some((size, names)) if *size + bytes <= limit || names.is_empty() => {
                *size += bytes;
                names.push(name);
            }
            _ => shards.push((bytes, vec![name])),
        }
    }
    let total: usize = shards.iter().map(|(size, _)| size).sum();
    let count = shards.len();
    let mut files = Vec::new();
    let mut map = Map::new();
    for (index, (_, names)) in shards.into_iter().enumerate() {
        cancel::check()?;
        let file = match count {
            1 => SINGLE.to_string(),
            _ => format!("model-{:05}-of-{count:05}.safetensors", index + 1),
        };
        let arrays = names
            .into_iter()
            .map(|name| match weights.unused.get(name) {
                Some(value) => Ok((bare(name), value.to_dtype(dtype)?)),
                None => Ok((bare(name), weights.merged(name, config.is_transposed(name))?.to_dtype(dtype)?)),
            })
            .collect::<Result<Vec<(String, Array)>>>()?;
        safetensors::save_in(stage, &file, arrays.iter().map(|(name, array)| (name.as_str(), array)), &[])?;
        map.extend(arrays.iter().map(|(name, _)| (name.clone(), json!(file))));
        files.push(file);
    }
    if count > 1 {
        write_json(stage, INDEX, &json!({ "metadata": { "total_size": total }, "weight_map": map }))?;
        files.push(INDEX.into());
    }
    Ok(files)
}

fn config_json(config: &Config, dtype: DType) -> Map<String, Value> {
    let mut json = config.json.clone();
    let name = match dtype {
        DType::BF16 => "bfloat16",
        DType::F16 => "float16",
        _ => "float32",
    };
    let key = if json.contains_key("dtype") { "dtype" } else { "torch_dtype" };
    json.insert(key.into(), json!(name));
    json
}

fn generation_json(config: &Config, own: &Map<String, Value>) -> Map<String, Value> {
    if !own.is_empty() {
        return own.clone();
    }
    let mut json = Map::from_iter([("_from_model_config".to_string(), json!(true))]);
    for key in ["bos_token_id", "eos_token_id", "pad_token_id"] {
        if let Some(id) = config.json.get(key).filter(|id| !id.is_null()) {
            json.insert(key.into(), id.clone());
        }
    }
    json
}
