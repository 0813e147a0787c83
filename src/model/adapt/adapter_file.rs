//! A folder with a model's additions to its base: new embedding rows, LoRA and bottleneck adapters, without the base weights.
//!
//! ```text
//! FOLDER/levain_adapter.json          the base, its hash, and what each part is
//!       /levain_adapter.safetensors   the numbers
//! ```
//!
//! With a tokenizer saved into the same folder it is complete: `model(FOLDER)` and `tokenizer(FOLDER)` open it.

use super::attach::linears;
use super::bottleneck::{ACTIVATIONS, Bottleneck, PARTS};
use super::lora::{A, B, BIAS, LoraLayer, MAGNITUDE};
use crate::files::{self, Stage};
use crate::format::safetensors::{self, Safetensors};
use crate::model::Model;
use crate::model::activation::Activation;
use crate::model::fields::read_json;
use crate::model::fields::write_json;
use crate::model::rows_apart::{embeddings_of, rows_name};
use crate::model::weights::Weights;
use crate::tensor::{Array, DType};
use crate::{Error, Result, bail, cancel, ranks};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CONFIG: &str = "levain_adapter.json";
const TENSORS: &str = "levain_adapter.safetensors";
const FORMAT: u64 = 1;

/// Whether a folder holds a model's additions to its base.
pub fn is_adapter_file(folder: &Path) -> bool {
    files::is_file(&folder.join(CONFIG))
}

impl Model {
    /// Writes this model's additions to its base; `base` is the base's path in the folder, by default the path that the model was
    /// opened from.
    pub fn save_adapter(&self, folder: &Path, base: Option<&str>) -> Result<()> {
        const WHO: &str = "save_adapter";
        let (weights, source, vocab, replaced) = {
            let inner = self.read();
            (inner.weights.clone(), inner.source.clone(), inner.config.vocab, inner.replaced.is_some())
        };
        if replaced || weights.lora.values().any(|adapter| adapter.embedding) {
            return Err(Error::new(
                WHO,
                "the adapter of this model is attached to embeddings, or replaced weights of its base",
            )
            .help("`net.save_lora(folder)` keeps them, as a PEFT folder"));
        }
        let Some(source) = source else {
            return Err(Error::new(WHO, "this model was not opened from anywhere, so that it has no base")
                .help("save it whole, with `net.save(folder)`"));
        };
        let rows: Vec<String> = weights.iter().filter_map(|(name, _)| embeddings_of(name)).collect();
        if rows.is_empty() && weights.lora.is_empty() && weights.bottlenecks.is_empty() {
            return Err(Error::new(WHO, "nothing was added to the base of this model").help(
                "`net.train_only(\"new_embeddings\")`, `net.attach_lora(…)` and `net.attach_bottleneck(…)` make such a thing",
            ));
        }
        weights.warn_of_changes(WHO, |name| embeddings_of(name).is_some());
        let mut arrays: Vec<(String, Array)> = Vec::new();
        for table in &rows {
            let name = rows_name(table);
            arrays.push((name.clone(), weights.get(&name)?.param.value().to_dtype(DType::F32)?));
        }
        for (layer, adapter) in &weights.lora {
            arrays.extend(adapter.parts().into_iter().map(|(part, param)| (format!("{layer}.{part}"), param.value())));
        }
        for (layer, adapter) in &weights.bottlenecks {
            for (part, param) in PARTS.iter().zip(adapter.params()) {
                arrays.push((format!("{layer}.adapter.{part}"), param.value()));
            }
        }
        let lora: BTreeMap<&String, Value> = weights
            .lora
            .iter()
            .map(|(layer, one)| (layer, json!({ "alpha": one.alpha, "scale": one.scale, "dropout": one.dropout })))
            .collect();
        let bottlenecks: BTreeMap<&String, &str> =
            weights.bottlenecks.iter().map(|(layer, one)| (layer, one.activation.name())).collect();
        let config = json!({
            "format": FORMAT,
            "base_model_name_or_path": base.map_or_else(|| source.display().to_string(), String::from),
            "base_hash": hash(&source)?,
            "vocab_size": vocab,
            "new_rows": { "from": self.new_rows_from()?, "tables": rows },
            "lora": lora,
            "bottlenecks": bottlenecks,
        });
        ranks::first(&format!("{WHO} {}", folder.display()), || {
            let stage = Stage::begin(WHO, folder)?;
            safetensors::save_in(&stage, TENSORS, arrays.iter().map(|(name, array)| (name.as_str(), array)), &[])?;
            write_json(&stage, CONFIG, &config)?;
            stage.commit()
        })
    }

    /// Applies the folder's contents to a base.
    pub(in crate::model) fn put_on(&self, folder: &Path, config: &Value) -> Result<()> {
        let fault = fault(folder);
        let source = self.read().source.clone().unwrap_or_default();
        if config["base_hash"].as_str() != Some(hash(&source)?.as_str()) {
            return Err(fault(&format!("the base {} is not the one that this was made on", source.display()))
                .help("its files have changed, or are another model's: rows and adapters mean nothing there"));
        }
        let file = Safetensors::open(folder.join(TENSORS)).map_err(|error| error.attributed_to("model"))?;
        self.put_parts_on(config, &file, &fault)
    }

    fn put_parts_on(&self, config: &Value, file: &Safetensors, fault: &dyn Fn(&str) -> Error) -> Result<()> {
        let count = |value: &Value, name: &str| {
            value.as_u64().map(|count| count as usize).ok_or_else(|| fault(&format!("`{name}` is no count")))
        };
        let vocab = count(&config["vocab_size"], "vocab_size")?;
        self.resize_embeddings(vocab, false)?;
        let mut inner = self.write();
        let mut weights = Weights::clone(&inner.weights);
        for table in config["new_rows"]["tables"].as_array().into_iter().flatten() {
            let Some(table) = table.as_str().filter(|table| weights.has(table)) else {
                return Err(fault(&format!("this model has no embeddings {table}")));
            };
            let from = count(&config["new_rows"]["from"], "from")?;
            weights.divide(table, from)?;
            let name = rows_name(table);
            weights.set(&name, &file.read_f32(&name)?)?;
            weights.set_frozen(&name, false)?;
        }
        let layers: BTreeMap<String, [usize; 2]> = linears(&inner.config, &weights).into_iter().collect();
        let known = |layer: &String| {
            let sizes = layers.get(layer).copied();
            sizes.ok_or_else(|| fault(&format!("this model has no linear layer `{layer}`")))
        };
        let shaped = |array: &Array, name: &str, dims: &[usize]| {
            if array.dims() == dims { Ok(()) } else { Err(fault(&format!("`{name}` has shape {:?}", array.dims()))) }
        };
        if !weights.iter().any(|(name, _)| embeddings_of(name).is_some()) {
            weights.freeze_for_adapters();
        } else {
            let rows: Vec<Arc<str>> =
                weights.iter().map(|(name, _)| name.clone()).filter(|name| embeddings_of(name).is_some()).collect();
            weights.freeze_all(true);
            rows.iter().try_for_each(|name| weights.set_frozen(name, false))?;
        }
        for (layer, facts) in config["lora"].as_object().into_iter().flatten() {
            let [output, input] = known(layer)?;
            let [a, b] = [A, B].map(|part| file.read_f32(&format!("{layer}.{part}")));
            let (a, b) = (a?, b?);
            let rank = a.dims().first().copied().unwrap_or(0);
            shaped(&a, layer, &[rank, input])?;
            shaped(&b, layer, &[output, rank])?;
            let number = |name: &str| facts[name].as_f64().ok_or_else(|| fault(&format!("`{name}` is no number")));
            let part = |part: &str| -> Result<Option<Array>> {
                let name = format!("{layer}.{part}");
                let value = file.contains(&name).then(|| file.read_f32(&name)).transpose()?;
                value.iter().try_for_each(|value| shaped(value, &name, &[output]))?;
                Ok(value)
            };
            let adapter = LoraLayer::new(layer, [a, b], number("alpha")?, number("scale")?, number("dropout")?);
            let adapter = adapter.with_bias(layer, part(BIAS)?).with_magnitude(layer, part(MAGNITUDE)?);
            weights.lora.insert(layer.clone(), adapter);
        }
        for (layer, activation) in config["bottlenecks"].as_object().into_iter().flatten() {
            let [output, _] = known(layer)?;
            let activation = Activation::named("model", activation.as_str().unwrap_or_default(), &ACTIVATIONS)?;
            let [a, b, c, d] = PARTS.map(|part| file.read_f32(&format!("{layer}.adapter.{part}")));
            let numbers = [a?, b?, c?, d?];
            let rank = numbers[0].dims().first().copied().unwrap_or(0);
            for (array, dims) in numbers.iter().zip([vec![rank, output], vec![rank], vec![output, rank], vec![output]])
            {
                shaped(array, layer, &dims)?;
            }
            weights.bottlenecks.insert(layer.clone(), Bottleneck::new(layer, numbers, activation));
        }
        weights.settle()?;
        inner.weights = Arc::new(weights);
        Ok(())
    }
}

/// The metadata of an adapter folder, in a supported format.
pub fn read(folder: &Path) -> Result<Value> {
    let config = read_json(&folder.join(CONFIG))?;
    if config["format"].as_u64() != Some(FORMAT) {
        return Err(fault(folder)(&format!("its format is {}; this levain reads {FORMAT}", config["format"])));
    }
    Ok(config)
}

/// The base named in an adapter folder.
pub fn base_of(folder: &Path, config: &Value) -> Result<PathBuf> {
    match config["base_model_name_or_path"].as_str() {
        Some(named) => Ok(resolve(folder, named)),
        None => Err(fault(folder)("the base model is not named")),
    }
}

fn fault(folder: &Path) -> impl Fn(&str) -> Error {
    let place = folder.join(CONFIG);
    move |what| Error::new("model", format!("{}: {what}", place.display()))
}

/// A path relative to the folder, or to the current directory.
fn resolve(folder: &Path, base: &str) -> PathBuf {
    let beside = folder.join(base);
    if files::exists(&beside) || !files::exists(Path::new(base)) { beside } else { base.into() }
}

/// A hash of a model's files: of the `.gguf`, or of a folder's config and weights in name order. FNV-1a by words of 8 bytes:
/// detects mistakes, not forgery.
fn hash(source: &Path) -> Result<String> {
    let fault = |error: std::io::Error| Error::io("model", source, &error);
    let paths = match files::is_file(source) {
        true => vec![source.to_path_buf()],
        false => {
            let mut paths = files::list("model", source)?;
            paths.retain(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name == "config.json" || name.ends_with(".safetensors")
            });
            paths
        }
    };
    if paths.is_empty() {
        bail!("model", "{} holds no weights", source.display());
    }
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    let mut mix = |word: u64| state = (state ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    let mut block = vec![0; 1 << 20];
    for path in paths {
        let mut open = files::open("model", &path)?;
        mix(open.metadata().map_err(fault)?.len());
        loop {
            cancel::check()?;
            let read = fill(&mut open, &mut block).map_err(fault)?;
            block[read..].iter_mut().take(8).for_each(|byte| *byte = 0);
            block[..read.next_multiple_of(8)]
                .chunks_exact(8)
                .for_each(|word| mix(u64::from_le_bytes(word.try_into().unwrap_or_default())));
            if read < block.len() {
                break;
            }
        }
    }
    Ok(format!("{state:016x}"))
}

/// Reads until the block is full or the file ends.
fn fill(file: &mut File, block: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
