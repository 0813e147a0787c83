//! Reads a GGUF file: its config from the metadata, its weights under their Hugging Face names.

use super::blocks::{deinterleave, deinterleaved};
use super::names::{EMBEDDINGS, GgufNames, Metadata, OUTPUT, POOLING, POOLINGS};
use super::rope;
use crate::format::gguf::{Gguf, TensorEntry};
use crate::kernel::quant::Blocks;
use crate::model::pooling::Pooling;
use crate::model::spec::{Arch, Blueprint, TensorSpec};
use crate::model::{Weights, arch, folder};
use crate::tensor::{Array, DType};
use crate::{Error, Result, bail, cancel, files};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// The tensors that the config depends on.
const FACTORS: [&str; 3] = [rope::FACTORS, rope::LONG, rope::SHORT];

/// Opens a `.gguf` file, its weights stored as `dtype`; with `keep`, quantized weights stay quantized.
pub fn open(path: &Path, dtype: DType, keep: bool) -> Result<(Blueprint, Weights)> {
    let header = Gguf::open_without(path, "tokenizer.").map_err(|error| error.attributed_to("model"))?;
    let place = path.display().to_string();
    let tell = |error: Error| error.attributed_to("model").at(&place);
    let (arch, names) = arch_of(&header).map_err(tell)?;
    let entries: BTreeMap<&str, &TensorEntry> =
        header.tensors.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    let file = files::open("model", path)?;
    let factors = factors(&file, &header, &entries).map_err(tell)?;
    let metadata = Metadata { header: &header, architecture: names.architecture, factors };
    let json = config(&metadata, arch, names, &entries);
    let mut blueprint = json.and_then(|json| arch::read(json, None)).map_err(tell)?;
    if let Some(pooling) = metadata.number(POOLING)? {
        blueprint.config.pooling = pooling_of(pooling.as_i64()).map_err(tell)?;
        // as llama.cpp's server does by default
        blueprint.config.normalize = true;
    }
    if keep && arch.layout.transposed {
        bail!(
            "model",
            "{place}: the weights of a {} are stored transposed, and cannot stay quantized",
            arch.model_type()
        );
    }
    // at most one tensor's bytes per thread, so that the file is never in memory next to its result
    let stop = cancel::current();
    let read = |(spec, entry): (TensorSpec, &TensorEntry)| {
        let held = if keep && spec.shape.len() == 2 && Blocks::keeps(entry.ggml_type()?) {
            let shape = [spec.shape[0], spec.shape[1]];
            let order =
                names.interleaved_heads(&blueprint.config, &spec.name).map(|_| deinterleaved(&blueprint.config));
            Held::Blocks(Blocks::read(entry.ggml_type()?, shape, &order.unwrap_or_default(), &|start, to| {
                cancel::under(&stop, || raw_part(&file, &header, entry, start, to))
            })?)
        } else {
            let bytes = cancel::under(&stop, || raw(&file, &header, entry))?;
            Held::Array(array(&blueprint, names, &spec, entry, &bytes, dtype)?)
        };
        Ok((spec.name, held))
    };
    let parts = places(&place, &blueprint, names, &entries)?;
    let arrays = parts.into_par_iter().map(read).collect::<Result<Vec<_>>>().map_err(tell)?;
    let mut weights = Weights::default();
    for (name, held) in arrays {
        match held {
            Held::Array(array) => weights.insert(&name, array),
            Held::Blocks(blocks) => weights.insert_blocks(&name, blocks)?,
        }
    }
    Ok((blueprint, weights))
}

/// The divisors of rotary frequencies, by the names of their tensors.
fn factors(
    file: &File,
    header: &Gguf,
    entries: &BTreeMap<&str, &TensorEntry>,
) -> Result<BTreeMap<&'static str, Vec<f32>>> {
    let present = FACTORS.into_iter().filter_map(|name| Some((name, entries.get(name)?)));
    let read = |(name, entry): (&'static str, &&TensorEntry)| {
        Ok((name, entry.decode(&raw(file, header, entry)?)?.flatten_all()?.to_vec1()?))
    };
    present.map(read).collect()
}

/// The pooling for llama.cpp's number.
fn pooling_of(number: Option<i64>) -> Result<Pooling> {
    match POOLINGS.iter().find(|(_, known)| Some(*known) == number) {
        Some((pooling, _)) => Ok(*pooling),
        None => bail!("model", "the metadata `{POOLING}` is {}, which is not supported", number.unwrap_or(-1)),
    }
}

/// The bytes of a tensor.
fn raw(file: &File, header: &Gguf, entry: &TensorEntry) -> Result<Vec<u8>> {
    let mut bytes = vec![0; entry.byte_size()?];
    raw_part(file, header, entry, 0, &mut bytes)?;
    Ok(bytes)
}

/// A part of them, from an offset on.
fn raw_part(file: &File, header: &Gguf, entry: &TensorEntry, start: usize, to: &mut [u8]) -> Result<()> {
    cancel::check()?;
    let read = files::read_at(file, header.data + entry.offset + start as u64, to);
    read.map_err(|error| Error::new("model", format!("`{}` can't be read: {error}", entry.name)))
}

/// The architecture of a file.
fn arch_of(header: &Gguf) -> Result<(&'static Arch, &'static GgufNames)> {
    let named = header.text("general.architecture").unwrap_or("");
    if named.is_empty() {
        bail!("model", "`general.architecture` is missing");
    }
    let known = || arch::ALL.iter().filter_map(|arch| Some((*arch, arch.gguf?)));
    match known().find(|(_, names)| names.architecture == named && (names.matches)(header)) {
        Some(found) => Ok(found),
        None => Err(Error::new("model", format!("architecture `{named}` is not supported in GGUF"))
            .choose(named, known().map(|(_, names)| names.architecture))),
    }
}

/// The file's `config.json`.
fn config(
    file: &Metadata,
    arch: &Arch,
    names: &GgufNames,
    entries: &BTreeMap<&str, &TensorEntry>,
) -> Result<Map<String, Value>> {
    let Some(table) = entries.get(EMBEDDINGS).filter(|entry| entry.dims.len() == 2) else {
        bail!("model", "the weight `{EMBEDDINGS}` is missing");
    };
    let class = arch.heads.iter().find(|(_, head)| head.name == names.head).map(|(class, _)| class);
    let mut json = json!({
        "architectures": [class],
        "model_type": arch.model_type(),
        "vocab_size": table.dims[1],
        "tie_word_embeddings": !file.has_tensor(OUTPUT),
    });
    for (key, name) in [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")] {
        json[key] = json!(file.header.int(&format!("tokenizer.ggml.{name}_token_id")));
    }
    for fact in names.facts {
        json[fact.key] = match (file.number(fact.gguf)?, fact.or) {
            (Some(value), _) => value,
            (None, Some(or)) => or(&json),
            (None, None) => bail!("model", "the metadata `{}` is missing", file.key(fact.gguf)),
        };
    }
    (names.more)(file, &mut json)?;
    match json {
        Value::Object(json) => Ok(json),
        _ => unreachable!("it was written as an object"),
    }
}

/// Every required tensor with its entry in the file, in the order of the file's names.
fn places<'a>(
    place: &str,
    blueprint: &Blueprint,
    names: &GgufNames,
    entries: &BTreeMap<&str, &'a TensorEntry>,
) -> Result<Vec<(TensorSpec, &'a TensorEntry)>> {
    let config = &blueprint.config;
    let wanted: BTreeMap<String, TensorSpec> =
        blueprint.tensors().into_iter().map(|spec| (names.name(config, &spec.name), spec)).collect();
    let missing: Vec<&str> = wanted.keys().map(String::as_str).filter(|name| !entries.contains_key(name)).collect();
    let computed = |name: &str| FACTORS.contains(&name) || (config.tied && name == OUTPUT);
    let unknown: Vec<&str> =
        entries.keys().copied().filter(|name| !wanted.contains_key(*name) && !computed(name)).collect();
    folder::complain(place, config, &missing, &unknown)?;
    let mut found = Vec::new();
    for (name, spec) in wanted {
        let entry = entries[name.as_str()];
        let stored: Vec<usize> = entry.dims.iter().rev().map(|&size| size as usize).collect();
        let mut shape = spec.shape.clone();
        if is_transposed(blueprint, &spec) {
            shape.reverse();
        }
        folder::check_shape(place, &name, &stored, &TensorSpec::new(&name, &shape, spec.start))?;
        found.push((spec, entry));
    }
    Ok(found)
}

/// GGUF stores every matrix `[out, in]`.
fn is_transposed(blueprint: &Blueprint, spec: &TensorSpec) -> bool {
    spec.shape.len() == 2 && blueprint.config.is_transposed(&spec.name)
}

/// A weight as read.
enum Held {
    Array(Array),
    Blocks(Blocks),
}

/// A weight as numbers.
fn array(
    blueprint: &Blueprint,
    names: &GgufNames,
    spec: &TensorSpec,
    entry: &TensorEntry,
    bytes: &[u8],
    dtype: DType,
) -> Result<Array> {
    let config = &blueprint.config;
    let array = entry.stored(bytes)?;
    let array = match names.interleaved_heads(config, &spec.name) {
        _ if is_transposed(blueprint, spec) => array.t()?.contiguous()?,
        Some(heads) => deinterleave(config, heads, array)?,
        None => array,
    };
    let array = match names.offset(&spec.name) {
        0.0 => array,
        offset => (array.to_dtype(DType::F32)? - offset)?,
    };
    Ok(array.to_dtype(dtype)?.contiguous()?)
}
