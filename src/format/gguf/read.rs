//! Reads a GGUF file's header. Every count and length is checked against the file size first, so a truncated or malicious file is
//! an error, not a panic.

use super::tensor::TensorEntry;
use super::value::Value;
use crate::{Result, bail, files};
use std::collections::HashSet;
use std::path::Path;

/// The header of a GGUF file.
#[derive(Clone, Debug)]
pub struct Gguf {
    pub version: u32,
    /// In file order.
    pub metadata: Vec<(String, Value)>,
    pub tensors: Vec<TensorEntry>,
    /// Offset of the data section in the file.
    pub data: u64,
}

impl Gguf {
    /// Reads the header of the file at `path` and checks that all tensors are inside the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Gguf> {
        let path = path.as_ref();
        let bytes = files::map("gguf", path)?;
        Gguf::parse(&bytes).map_err(|error| error.at(path.display()))
    }

    /// Like [`Gguf::open`], without the lists whose keys begin with these prefixes: a vocabulary takes longer to read than all
    /// the rest.
    pub fn open_without(path: impl AsRef<Path>, lists: &str) -> Result<Gguf> {
        let path = path.as_ref();
        let bytes = files::map("gguf", path)?;
        Gguf::read(&bytes, Some(lists)).map_err(|error| error.at(path.display()))
    }

    /// The same from the bytes of a complete file.
    pub fn parse(bytes: &[u8]) -> Result<Gguf> {
        Gguf::read(bytes, None)
    }

    fn read(bytes: &[u8], without: Option<&str>) -> Result<Gguf> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(4, "the magic number")? != b"GGUF" {
            bail!("gguf", "this is not a GGUF file (it does not begin with `GGUF`)");
        }
        let version = reader.u32("the version")?;
        if !(2..=3).contains(&version) {
            bail!("gguf", "GGUF version {version} is not one of 2, 3 (or the file is big-endian)");
        }
        let tensor_count = reader.count("the number of tensors", 8 + 4 + 4 + 8)?;
        let metadata_count = reader.count("the number of metadata entries", 8 + 4 + 1)?;
        let mut metadata = Vec::with_capacity(metadata_count);
        for _ in 0..metadata_count {
            let key = reader.text("a metadata key")?;
            let kind = reader.u32(&key)?;
            if kind == LIST && without.is_some_and(|without| key.starts_with(without)) {
                reader.pass_list(&key, 0)?;
                continue;
            }
            let value = reader.value(kind, &key, 0)?;
            metadata.push((key, value));
        }
        let mut tensors = Vec::with_capacity(tensor_count);
        for _ in 0..tensor_count {
            tensors.push(reader.tensor()?);
        }
        let mut gguf = Gguf { version, metadata, tensors, data: 0 };
        let alignment = gguf.get("general.alignment").and_then(Value::as_int).unwrap_or(32);
        if alignment <= 0 || alignment % 8 != 0 {
            bail!("gguf", "general.alignment {alignment} is not a positive multiple of 8");
        }
        gguf.data = (reader.at as u64).next_multiple_of(alignment as u64);
        gguf.check_extents(bytes.len() as u64)?;
        Ok(gguf)
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_text)
    }

    pub fn int(&self, key: &str) -> Option<i64> {
        self.get(key).and_then(Value::as_int)
    }

    pub fn float(&self, key: &str) -> Option<f64> {
        self.get(key).and_then(Value::as_float)
    }

    pub fn bool(&self, key: &str) -> Option<bool> {
        self.get(key).and_then(Value::as_bool)
    }

    pub fn list(&self, key: &str) -> Option<&[Value]> {
        self.get(key).and_then(Value::as_list)
    }

    /// The hub name of the model that the file was made from (`ORGANIZATION/NAME`), if recorded.
    pub fn hub_name(&self) -> Option<String> {
        if let Some(name) = self.text("general.source.huggingface.repository") {
            return Some(name.into());
        }
        let hub = |key: &str| {
            let (_, rest) = self.text(key)?.split_once("huggingface.co/")?;
            let mut parts = rest.split(['/', '?', '#']).filter(|part| !part.is_empty());
            Some(format!("{}/{}", parts.next()?, parts.next()?))
        };
        let letters = |text: &str| -> String {
            text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        // a base model is what this one was tuned from, unless it has this one's name
        let same = |name: &String| {
            let own = self.text("general.name").map(letters);
            name.rsplit_once('/').map(|(_, name)| letters(name)) == own
        };
        let source = hub("general.source.repo_url").or_else(|| hub("general.source.url"));
        source.or_else(|| hub("general.base_model.0.repo_url").filter(same))
    }

    fn check_extents(&self, length: u64) -> Result<()> {
        let mut names = HashSet::new();
        for tensor in &self.tensors {
            if !names.insert(&tensor.name) {
                bail!("gguf", "the tensor `{}` is there twice", tensor.name);
            }
            let Some(size) = tensor.size()? else { continue };
            let end = self.data.checked_add(tensor.offset).and_then(|start| start.checked_add(size));
            match end {
                Some(end) if end <= length => {}
                Some(end) => bail!(
                    "gguf",
                    "tensor `{}` ends at byte {end}, but the file has {length}: it is cut short or damaged",
                    tensor.name
                ),
                None => bail!("gguf", "tensor `{}` has the offset {}, beyond any file", tensor.name, tensor.offset),
            }
        }
        Ok(())
    }
}

/// The kinds of values without a fixed size.
const TEXT: u32 = 8;
const LIST: u32 = 9;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        if count > rest.len() {
            bail!(
                "gguf",
                "{what} at byte {} needs {count} bytes, but {} are left: the file is cut short or damaged",
                self.at,
                rest.len()
            );
        }
        self.at += count;
        Ok(&rest[..count])
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of items of at least `least` bytes each; a count that exceeds the file is an error.
    fn count(&mut self, what: &str, least: usize) -> Result<usize> {
        let count = self.u64(what)?;
        let left = (self.bytes.len() - self.at) / least.max(1);
        match usize::try_from(count) {
            Ok(count) if count <= left => Ok(count),
            _ => {
                bail!("gguf", "{what} is {count}, more than the rest of the file can hold: it is cut short or damaged")
            }
        }
    }

    fn text(&mut self, what: &str) -> Result<String> {
        let length = self.count(what, 1)?;
        let at = self.at;
        match std::str::from_utf8(self.take(length, what)?) {
            Ok(text) => Ok(text.to_string()),
            Err(_) => bail!("gguf", "{what} at byte {at} is not UTF-8"),
        }
    }

    fn value(&mut self, kind: u32, key: &str, depth: usize) -> Result<Value> {
        Ok(match kind {
            0 => Value::Int(u8::from_le_bytes(self.array(key)?).into()),
            1 => Value::Int(i8::from_le_bytes(self.array(key)?).into()),
            2 => Value::Int(u16::from_le_bytes(self.array(key)?).into()),
            3 => Value::Int(i16::from_le_bytes(self.array(key)?).into()),
            4 => Value::Int(self.u32(key)?.into()),
            5 => Value::Int(i32::from_le_bytes(self.array(key)?).into()),
            6 => Value::Float(f32::from_le_bytes(self.array(key)?).into()),
            7 => Value::Bool(self.array::<1>(key)?[0] != 0),
            TEXT => Value::Text(self.text(key)?),
            LIST => self.list(key, depth)?,
            10 => Value::Int(self.u64(key)? as i64),
            11 => Value::Int(self.u64(key)? as i64),
            12 => Value::Float(f64::from_le_bytes(self.array(key)?)),
            other => bail!("gguf", "`{key}` is of the unknown kind {other}"),
        })
    }

    /// The kind and the number of a list's values, and the minimum bytes of one.
    fn list_head(&mut self, key: &str, depth: usize) -> Result<(u32, usize, usize)> {
        if depth == 4 {
            bail!("gguf", "`{key}` nests lists too deep");
        }
        let kind = self.u32(key)?;
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            LIST => 12,
            _ => 8,
        };
        Ok((kind, self.count(key, least)?, least))
    }

    /// Skips a list.
    fn pass_list(&mut self, key: &str, depth: usize) -> Result<()> {
        let (kind, count, least) = self.list_head(key, depth)?;
        match kind {
            TEXT => (0..count).try_for_each(|_| {
                let length = self.count(key, 1)?;
                self.take(length, key).map(drop)
            }),
            LIST => (0..count).try_for_each(|_| self.pass_list(key, depth + 1)),
            0..=12 => self.take(count * least, key).map(drop),
            other => bail!("gguf", "`{key}` is of the unknown kind {other}"),
        }
    }

    fn list(&mut self, key: &str, depth: usize) -> Result<Value> {
        let (kind, count, _) = self.list_head(key, depth)?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(self.value(kind, key, depth + 1)?);
        }
        Ok(Value::List(list))
    }

    fn tensor(&mut self) -> Result<TensorEntry> {
        let name = self.text("a tensor's name")?;
        let rank = self.u32(&name)?;
        if rank > 8 {
            bail!("gguf", "tensor `{name}` has {rank} dimensions");
        }
        let dims = (0..rank).map(|_| self.u64(&name)).collect::<Result<_>>()?;
        let kind = self.u32(&name)?;
        let offset = self.u64(&name)?;
        Ok(TensorEntry { name, dims, kind, offset })
    }
}
