//! `pytorch_model.bin`: weights pickled by `torch.save`, in an archive (since torch 1.6) or as consecutive pickles.
//!
//! Nothing in a file is executed. A tensor is a view of a storage; two names of one view are tied.

mod unpickle;
mod value;
mod views;
mod zip;

use super::numbers::{decode, decode_f32};
use crate::{Error, Result, bail, files};
use candle_core::{DType, Tensor as Array};
use safetensors::Dtype;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use unpickle::Pickled;
use value::{Id, Value};
use views::{Storages, View};

const WHO: &str = "tensors";

/// Prefix of a pickle from before torch 1.6: torch writes its magic number first.
const LEGACY: &[u8] = &[0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// An open file: every tensor is known and checked, its numbers are read on request.
pub struct Pytorch {
    path: PathBuf,
    map: memmap2::Mmap,
    tensors: BTreeMap<String, View>,
}

impl Pytorch {
    pub fn open(path: impl AsRef<Path>) -> Result<Pytorch> {
        let path = path.as_ref().to_path_buf();
        let map = files::map(WHO, &path)?;
        let tensors = tensors(&map).map_err(|error| error.at(path.display()))?;
        Ok(Pytorch { path, map, tensors })
    }

    /// All names, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.view(name)?.shape)
    }

    /// The dtype returned by [`Pytorch::read`]: small integers are read as i64, bool as u8.
    pub fn dtype(&self, name: &str) -> Result<DType> {
        Ok(match self.view(name)?.dtype {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::U8 | Dtype::BOOL => DType::U8,
            _ => DType::I64,
        })
    }

    /// The tensor `name`: floats unchanged, integers as in [`super::Safetensors::read`].
    pub fn read(&self, name: &str) -> Result<Array> {
        let view = self.view(name)?;
        decode(&view.bytes(&self.map), view.dtype, &view.shape).map_err(|error| self.locate(error, name))
    }

    /// The tensor `name` in f32, converted in one pass.
    pub fn read_f32(&self, name: &str) -> Result<Array> {
        let view = self.view(name)?;
        decode_f32(&view.bytes(&self.map), view.dtype, &view.shape).map_err(|error| self.locate(error, name))
    }

    /// Whether two names are the same view of the same storage.
    pub fn is_tie(&self, name: &str, other: &str) -> bool {
        self.tensors.get(name).zip(self.tensors.get(other)).is_some_and(|(one, two)| one == two)
    }

    fn view(&self, name: &str) -> Result<&View> {
        self.tensors.get(name).ok_or_else(|| {
            let error = Error::new(WHO, format!("{} holds no tensor `{name}`", self.path.display()));
            error.meant(name, self.tensors.keys().map(String::as_str))
        })
    }

    fn locate(&self, error: Error, name: &str) -> Error {
        error.at(format!("tensor `{name}`")).at(self.path.display())
    }
}

/// The tensors of a file.
fn tensors(bytes: &[u8]) -> Result<BTreeMap<String, View>> {
    let (pickled, storages) = if bytes.starts_with(b"PK\x03\x04") {
        archive(bytes)?
    } else if bytes.starts_with(LEGACY) {
        legacy(bytes)?
    } else {
        bail!(WHO, "it is neither an archive nor a pickle that torch.save wrote");
    };
    let table = table(bytes, &pickled)?;
    let mut found = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut total = 0usize;
    for (name, id) in table {
        let view = views::view(bytes, &pickled, &storages, id).map_err(|error| error.at(format!("tensor `{name}`")))?;
        // a tied tensor counts once; overlapping views of one storage may not inflate the file
        if seen.insert(view.clone()) {
            total = total.saturating_add(view.size());
        }
        if total > 2 * bytes.len() {
            bail!(WHO, "its tensors would take more than twice its {} bytes", bytes.len());
        }
        found.insert(name, view);
    }
    Ok(found)
}

fn archive(bytes: &[u8]) -> Result<(Pickled, Storages)> {
    let entries = zip::entries(bytes)?;
    if let Some(order) = entries.get("byteorder")
        && &bytes[order.clone()] != b"little"
    {
        bail!(WHO, "its numbers are big-endian, which is not supported");
    }
    let Some(range) = entries.get("data.pkl") else {
        bail!(WHO, "the archive holds no data.pkl: it is not weights that torch.save wrote");
    };
    let pickled = Pickled::read(bytes, range.clone())?;
    let storages =
        entries.into_iter().filter_map(|(name, range)| Some((name.strip_prefix("data/")?.to_string(), range)));
    Ok((pickled, storages.collect()))
}

/// Magic number, protocol, system information, the weights, the storage keys, and the storages, one after another.
fn legacy(bytes: &[u8]) -> Result<(Pickled, Storages)> {
    let read = |start: usize| Pickled::read(bytes, start..bytes.len());
    let system = read(read(LEGACY.len())?.end)?;
    if let Value::Dict(facts) = system.get(system.root) {
        let is_big = |(key, value): &(Id, Id)| {
            system.text(bytes, *key) == Some("little_endian") && matches!(system.get(*value), Value::Bool(false))
        };
        if facts.iter().any(is_big) {
            bail!(WHO, "its numbers are big-endian, which is not supported");
        }
    }
    let pickled = read(system.end)?;
    let keys = read(pickled.end)?;
    let Value::List(names) = keys.get(keys.root) else { bail!(WHO, "it has no list of storages") };
    let widths = views::widths(bytes, &pickled);
    let (mut storages, mut at) = (Storages::new(), keys.end);
    for name in names.iter().filter_map(|id| keys.text(bytes, *id)) {
        let count = bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|count| u64::from_le_bytes(*count));
        let size =
            count.zip(widths.get(name)).and_then(|(count, width)| usize::try_from(count).ok()?.checked_mul(*width));
        match size.and_then(|size| at.checked_add(8)?.checked_add(size)).filter(|end| *end <= bytes.len()) {
            Some(end) => storages.insert(name.into(), at + 8..end),
            None => bail!(WHO, "the storage `{}` is cut off", name.chars().take(80).collect::<String>()),
        };
        at = storages[name].end;
    }
    Ok((pickled, storages))
}

/// The names and values of the state dict: the root value, or a dict that it contains.
fn table(bytes: &[u8], pickled: &Pickled) -> Result<Vec<(String, Id)>> {
    let of = |id: Id| -> Vec<(String, Id)> {
        let Value::Dict(items) = pickled.get(id) else { return Vec::new() };
        let named = items.iter().filter_map(|(key, value)| Some((pickled.text(bytes, *key)?.to_string(), *value)));
        named.filter(|(_, value)| views::is_tensor(pickled, *value)).collect()
    };
    let own = of(pickled.root);
    if !own.is_empty() {
        return Ok(own);
    }
    let Value::Dict(items) = pickled.get(pickled.root) else {
        bail!(WHO, "the pickle is not a dict of tensors");
    };
    let inner = |name: &str| {
        let mut found = items.iter().filter(|(key, _)| pickled.text(bytes, *key) == Some(name));
        found.next().map(|(_, value)| of(*value)).filter(|table| !table.is_empty())
    };
    match ["state_dict", "model_state_dict", "model", "module"].into_iter().find_map(inner) {
        Some(table) => Ok(table),
        None => bail!(WHO, "the pickle is not a dict of tensors, and holds none as `state_dict` or `model`"),
    }
}
