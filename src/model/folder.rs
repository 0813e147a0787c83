//! Hugging Face folders: `config.json` and safetensors or `pytorch_model.bin`, in one file or shards.

use super::Weights;
use super::config::Config;
use super::fields::read_json;
use super::head::embed;
use super::init::initial;
use super::spec::{Blueprint, NewHead, TensorSpec};
use crate::format::Shard;
use crate::progress;
use crate::tensor::{Array, DType, Rng};
use crate::{Error, Result, bail, cancel, files};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub const SINGLE: &str = "model.safetensors";
pub const INDEX: &str = "model.safetensors.index.json";
/// A single file, or the index of several; weights missing from safetensors files may be in PyTorch's.
const FILES: [(&str, &str); 2] = [(SINGLE, INDEX), ("pytorch_model.bin", "pytorch_model.bin.index.json")];

/// Reads the weights of a folder as `dtype`: exactly those that the config requires. With a new head its weights may be missing,
/// and those of another head are skipped. Embeddings that the config ties but that differ in the files become two weights, as in
/// transformers 5.
pub fn read_weights(
    folder: &Path,
    mut blueprint: Blueprint,
    dtype: DType,
    new_head: Option<&NewHead>,
) -> Result<(Blueprint, Weights)> {
    let shards = shards(folder)?;
    let open = |path: &PathBuf| Shard::open(path).map_err(|error| error.attributed_to("model"));
    let files = shards.iter().map(open).collect::<Result<Vec<Shard>>>()?;
    let head: BTreeSet<String> = match new_head {
        Some(_) => (blueprint.head.tensors)(&blueprint.config).into_iter().map(|spec| spec.name).collect(),
        None => BTreeSet::new(),
    };
    let mut places = Places::find(folder, &blueprint, &files, &head, &[])?;
    let ties = (blueprint.head.ties)(&blueprint.config);
    if let Some((copy, of)) = places.untied(&files, &ties)? {
        let place = folder.display();
        progress::warn("model", format!("{place}: the config ties `{copy}` to `{of}`, and they differ: both are kept"));
        blueprint.untie();
        places = Places::find(folder, &blueprint, &files, &head, &ties)?;
    }
    let mut weights = Weights::default();
    let read = |file: &Shard, name: &str| read(file, name, dtype).map_err(|error| error.attributed_to("model"));
    for spec in blueprint.tensors() {
        cancel::check()?;
        let found = places.wanted.get(&spec.name).map(|(file, name)| (&files[*file], name));
        if let Some((file, name)) = found {
            let shape = file.shape(name)?;
            if shape == spec.shape || !head.contains(&spec.name) {
                check_shape(&file.path().display().to_string(), name, shape, &spec)?;
                weights.insert(&spec.name, read(file, name)?);
                continue;
            }
        }
        // of a new head, or of a head with other classes
        let seed = new_head.map_or(0, |head| head.seed);
        weights.insert(&spec.name, initial(&spec, &Rng::new(seed), dtype)?);
        weights.fresh.push(spec.name.as_str().into());
    }
    for (name, (file, own)) in &places.unused {
        weights.unused.insert(name.as_str().into(), read(&files[*file], own)?);
    }
    tell(folder, &blueprint, &weights, &places.left);
    Ok((blueprint, weights))
}

/// Prints notes about an opened model, one per line.
fn tell(folder: &Path, blueprint: &Blueprint, weights: &Weights, left: &[String]) {
    let place = folder.display();
    let several = |names: &[&str]| match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first, .., last] => format!("{} weights, `{first}` to `{last}`,", names.len()),
    };
    let verb = |names: &[&str]| if names.len() == 1 { "is" } else { "are" };
    let fresh: Vec<&str> = weights.fresh.iter().map(|name| &**name).collect();
    if !fresh.is_empty() {
        let head = blueprint.head.name;
        progress::warn("model", format!("{place}: the {head} head is new: {} drawn from the seed", several(&fresh)));
    }
    let unused: Vec<&str> = weights.unused.keys().map(|name| &**name).collect();
    if !unused.is_empty() {
        let (names, verb) = (several(&unused), verb(&unused));
        progress::warn("model", format!("{place}: {names} {verb} used by nothing here, and saved again"));
    }
    let left: Vec<&str> = left.iter().map(String::as_str).collect();
    if !left.is_empty() {
        let (names, verb) = (several(&left), verb(&left));
        progress::warn("model", format!("{place}: {names} {verb} of another head, and left out"));
    }
}

fn read(file: &Shard, name: &str, dtype: DType) -> Result<Array> {
    match file.dtype(name)? {
        DType::I64 | DType::U32 | DType::U8 => {
            bail!("model", "{}: `{name}` holds whole numbers", file.path().display())
        }
        _ if dtype == DType::F32 => file.read_f32(name),
        _ => Ok(file.read(name)?.to_dtype(dtype)?),
    }
}

pub fn check_shape(file: &str, name: &str, shape: &[usize], spec: &TensorSpec) -> Result<()> {
    if shape != spec.shape {
        bail!("model", "{file}: `{name}` has shape {shape:?}, and the config asks for {:?}", spec.shape);
    }
    Ok(())
}

/// The files that hold the weights.
pub(super) fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    let here = |name: &str| files::exists(&folder.join(name));
    let Some((single, index)) = FILES.into_iter().find(|(single, index)| here(single) || here(index)) else {
        return Err(Error::new("model", format!("{} has no {}", folder.display(), FILES[0].0)).help(
            "a model is a Hugging Face folder with config.json and safetensors or pytorch_model.bin, or a .gguf file",
        ));
    };
    if here(single) {
        return Ok(vec![folder.join(single)]);
    }
    let index = folder.join(index);
    let json = read_json(&index)?;
    let Some(map) = json.get("weight_map").and_then(Value::as_object) else {
        bail!("model", "{}: `weight_map` is missing", index.display());
    };
    let mut names = BTreeSet::new();
    for (weight, file) in map {
        match file.as_str() {
            Some(name) if Path::new(name).file_name().is_some_and(|own| own == name) => names.insert(name),
            _ => bail!("model", "{}: `{weight}` is said to be in {file}, which is not a file name", index.display()),
        };
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// The location of tensors by their names here: the file's index, and the name in the file.
type Place = BTreeMap<String, (usize, String)>;

struct Places {
    /// Required by the config.
    wanted: Place,
    /// Stored but unused.
    unused: Place,
    /// Copies of tied weights.
    copies: Place,
    /// Names of another head's weights.
    left: Vec<String>,
}

impl Places {
    /// A missing weight of `ties` is read from its original.
    fn find(
        folder: &Path,
        blueprint: &Blueprint,
        files: &[Shard],
        head: &BTreeSet<String>,
        ties: &[(String, String)],
    ) -> Result<Places> {
        let Blueprint { config, arch, .. } = blueprint;
        let layout = arch.layout;
        let wanted: BTreeSet<String> = blueprint.tensors().into_iter().map(|spec| spec.name).collect();
        let tied: BTreeSet<String> =
            (blueprint.head.ties)(config).into_iter().flat_map(|(copy, of)| [copy, of]).collect();
        let mut found = Places { wanted: Place::new(), unused: Place::new(), copies: Place::new(), left: Vec::new() };
        // a base has no head, but its file may have one
        let is_base = blueprint.head.name == embed::HEAD.name;
        let prefixed = files.iter().any(|file| file.names().iter().any(|name| name.starts_with(layout.prefix)));
        let is_base = is_base && prefixed;
        let mut unknown = Vec::new();
        for (index, file) in files.iter().enumerate() {
            for name in file.names() {
                let own = today(layout.renamed, &name);
                let whole = format!("{}{own}", layout.prefix);
                let kept = |name: &str| layout.unused.iter().any(|prefix| name.starts_with(prefix));
                if wanted.contains(own.as_str()) {
                    found.wanted.insert(own, (index, name));
                } else if wanted.contains(whole.as_str()) {
                    found.wanted.entry(whole).or_insert((index, name));
                } else if layout.computed.iter().any(|end| name.ends_with(end)) {
                } else if tied.contains(&own) {
                    // with untied embeddings it is a separate weight
                    let place = if config.tied { &mut found.copies } else { &mut found.unused };
                    place.insert(own, (index, name));
                } else if kept(&own) || kept(&whole) {
                    found.unused.insert(if kept(&own) { own } else { whole }, (index, name));
                } else if (head.is_empty() && !is_base) || name.starts_with(layout.prefix) {
                    unknown.push(name);
                } else {
                    found.left.push(name);
                }
            }
        }
        for (copy, of) in ties.iter().filter(|(copy, _)| wanted.contains(copy)) {
            let place = found.wanted.get(of).or(found.unused.get(of)).cloned();
            if let (Some(place), false) = (place, found.wanted.contains_key(copy)) {
                found.wanted.insert(copy.clone(), place);
            }
        }
        let missing: Vec<&String> =
            wanted.iter().filter(|name| !found.wanted.contains_key(*name) && !head.contains(*name)).collect();
        complain(&folder.display().to_string(), config, &missing, &unknown)?;
        Ok(found)
    }

    /// A supposed copy of a tied weight that differs from it: its name, and the name of the original.
    fn untied<'a>(&self, files: &[Shard], ties: &'a [(String, String)]) -> Result<Option<(&'a String, &'a String)>> {
        for (copy, of) in ties {
            if let (Some((file, name)), Some((other, original))) = (self.copies.get(copy), self.wanted.get(of))
                && !files[*file].same(name, &files[*other], original)?
            {
                return Ok(Some((copy, of)));
            }
        }
        Ok(None)
    }
}

/// The current name of a tensor of an old file.
fn today(renamed: &[(&str, &str)], name: &str) -> String {
    let found = renamed.iter().find_map(|(old, new)| Some(format!("{}{new}", name.strip_suffix(old)?)));
    found.unwrap_or_else(|| name.into())
}

/// The error for missing or unused weights.
pub fn complain(place: &str, config: &Config, missing: &[impl AsRef<str>], unknown: &[impl AsRef<str>]) -> Result<()> {
    let kind = config.model_type();
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
