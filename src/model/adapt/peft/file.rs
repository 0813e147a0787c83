//! `adapter_model.safetensors`: the role and layer of each tensor.

use super::{CONFIG, TENSORS};
use crate::format::safetensors::Safetensors;
use crate::model::adapt::lora::{A, B, BIAS, EMBEDDING_A, EMBEDDING_B, MAGNITUDE, PREFIX};
use crate::tensor::Array;
use crate::{Error, Result, bail, files};
use std::collections::BTreeMap;
use std::path::Path;

const WHO: &str = "open_lora";

/// The tensors of an adapter's file, under their names there, without [`PREFIX`].
pub struct AdapterTensors {
    file: Safetensors,
    prefix: &'static str,
    /// The parts of each layer's LoRA.
    pub lora: BTreeMap<String, Vec<&'static str>>,
    /// The layers with rows that replace the base's.
    pub rows: Vec<String>,
    /// Weights and biases of the base, and their names in the file.
    pub whole: BTreeMap<String, String>,
}

/// PEFT's infix between a wrapped layer's name and the base's own part.
pub const BASE_LAYER: &str = ".base_layer.";
/// The same for a fully trained module, and for the module it replaces.
const TRAINED: &str = ".modules_to_save.";
const ORIGINAL: &str = ".original_module.";
const ROWS: [&str; 2] = [".token_adapter.trainable_tokens_delta", ".trainable_tokens_delta"];

impl AdapterTensors {
    pub fn open(folder: &Path) -> Result<AdapterTensors> {
        let path = folder.join(TENSORS);
        if !files::exists(&path) && files::exists(&folder.join("adapter_model.bin")) {
            return Err(Error::new(WHO, format!("{} has an adapter_model.bin and no {TENSORS}", folder.display()))
                .help("a pickle is not read; PEFT rewrites it with `model.save_pretrained(folder, safe_serialization=True)`"));
        }
        let file = Safetensors::open(path).map_err(|error| error.attributed_to(WHO))?;
        let names = file.names();
        let prefix = if names.iter().all(|name| name.starts_with(PREFIX)) { PREFIX } else { "" };
        let mut found =
            AdapterTensors { file, prefix, lora: BTreeMap::new(), rows: Vec::new(), whole: BTreeMap::new() };
        for name in names {
            found.sort(&name[prefix.len()..])?;
        }
        Ok(found)
    }

    fn sort(&mut self, name: &str) -> Result<()> {
        const PARTS: [&str; 6] = [A, B, EMBEDDING_A, EMBEDDING_B, BIAS, MAGNITUDE];
        let part = PARTS.into_iter().find_map(|part| Some((name.strip_suffix(part)?.strip_suffix('.')?, part)));
        if let Some((layer, part)) = part {
            self.lora.entry(layer.into()).or_default().push(part);
        } else if let Some(layer) = ROWS.iter().find_map(|end| name.strip_suffix(end)) {
            self.rows.push(layer.into());
        } else if name.contains(ORIGINAL) {
        } else if name.ends_with(".weight") || name.ends_with(".bias") {
            // names are sorted: a plain name, which takes precedence, comes after the wrapped one
            let own = name.replace(".token_adapter", "").replace(BASE_LAYER, ".").replace(TRAINED, ".");
            self.whole.insert(own, name.into());
        } else {
            bail!(WHO, "{}: `{name}` is not part of a LoRA adapter", self.place());
        }
        Ok(())
    }

    pub fn place(&self) -> String {
        self.file.path().display().to_string()
    }

    /// A part of a layer's LoRA, if present.
    pub fn part(&self, layer: &str, part: &str) -> Result<Option<Array>> {
        let has = self.lora.get(layer).is_some_and(|parts| parts.contains(&part));
        if has { self.read(&format!("{layer}.{part}")).map(Some) } else { Ok(None) }
    }

    /// A and B of a layer, and whether it is an embedding.
    pub fn pair(&self, layer: &str) -> Result<([Array; 2], bool)> {
        let embedding = self.lora.get(layer).is_some_and(|parts| parts.contains(&EMBEDDING_A));
        let names = if embedding { [EMBEDDING_A, EMBEDDING_B] } else { [A, B] };
        match [self.part(layer, names[0])?, self.part(layer, names[1])?] {
            [Some(a), Some(b)] => Ok(([a, b], embedding)),
            [a, _] => bail!(WHO, "{}: `{layer}.{}` is missing", self.place(), names[usize::from(a.is_some())]),
        }
    }

    pub fn rows_of(&self, layer: &str) -> Result<Array> {
        let name = ROWS.iter().map(|end| format!("{layer}{end}")).find(|name| self.has(name));
        self.read(&name.unwrap_or_default())
    }

    /// A weight of the base.
    pub fn weight(&self, name: &str) -> Result<Array> {
        self.read(self.stored(name))
    }

    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        self.file.shape(&format!("{}{}", self.prefix, self.stored(name)))
    }

    /// The file's name for a weight of the base.
    fn stored<'a>(&'a self, name: &'a str) -> &'a str {
        self.whole.get(name).map_or(name, String::as_str)
    }

    fn has(&self, name: &str) -> bool {
        self.file.contains(&format!("{}{name}", self.prefix))
    }

    fn read(&self, name: &str) -> Result<Array> {
        self.file.read_f32(&format!("{}{name}", self.prefix)).map_err(|error| error.attributed_to(WHO))
    }

    /// An error about the folder.
    pub fn wrong(&self, what: impl std::fmt::Display) -> Error {
        Error::new(WHO, format!("{}: {what}", self.place())).or_help(format!("see also its {CONFIG}"))
    }
}
