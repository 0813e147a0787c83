//! safetensors, the file format of weights: a JSON header, then the numbers, so that one tensor can be read without the rest.

use super::numbers::{decode, decode_f32, encode};
use crate::{Error, Result, bail, cancel, files};
use candle_core::{DType, Tensor as Array};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

const WHO: &str = "tensors";

/// An open file: its header is read and checked, its numbers are read on request.
pub struct Safetensors {
    path: PathBuf,
    map: memmap2::Mmap,
    /// Offset of the numbers.
    start: usize,
    header: Metadata,
}

impl Safetensors {
    pub fn open(path: impl AsRef<Path>) -> Result<Safetensors> {
        let path = path.as_ref().to_path_buf();
        let map = files::map(WHO, &path)?;
        match SafeTensors::read_metadata(&map) {
            Ok((length, header)) => Ok(Safetensors { path, start: 8 + length, map, header }),
            Err(error) => Err(Error::new(WHO, complaint(&map, error)).at(path.display())),
        }
    }

    /// All names, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.header.offset_keys();
        names.sort();
        names
    }

    pub fn contains(&self, name: &str) -> bool {
        self.header.info(name).is_some()
    }

    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.info(name)?.shape)
    }

    /// The dtype returned by [`Safetensors::read`]: i32 is read as i64, bool as u8.
    pub fn dtype(&self, name: &str) -> Result<DType> {
        Ok(match self.info(name)?.dtype {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::I64 | Dtype::U64 | Dtype::I32 | Dtype::I16 | Dtype::I8 => DType::I64,
            Dtype::U32 | Dtype::U16 => DType::U32,
            Dtype::U8 | Dtype::BOOL => DType::U8,
            other => bail!(WHO, "{}: tensor `{name}`: dtype {other:?} can't be read", self.path.display()),
        })
    }

    /// The tensor `name` as stored.
    pub fn read(&self, name: &str) -> Result<Array> {
        let info = self.info(name)?;
        decode(self.bytes(info), info.dtype, &info.shape).map_err(|error| self.locate(error, name))
    }

    /// The tensor `name` in f32, converted in one pass.
    pub fn read_f32(&self, name: &str) -> Result<Array> {
        let info = self.info(name)?;
        decode_f32(self.bytes(info), info.dtype, &info.shape).map_err(|error| self.locate(error, name))
    }

    /// Whether a tensor equals one of another file in shape and numbers.
    pub fn same(&self, name: &str, other: &Safetensors, other_name: &str) -> Result<bool> {
        let (one, two) = (self.info(name)?, other.info(other_name)?);
        if one.shape != two.shape || one.dtype == two.dtype {
            return Ok(one.shape == two.shape && self.bytes(one) == other.bytes(two));
        }
        let numbers =
            |file: &Safetensors, name: &str| -> Result<Vec<f32>> { Ok(file.read_f32(name)?.flatten_all()?.to_vec1()?) };
        Ok(numbers(self, name)? == numbers(other, other_name)?)
    }

    /// The header's metadata text under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.header.metadata().as_ref()?.get(key).map(String::as_str)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.header.info(name).ok_or_else(|| {
            let error = Error::new(WHO, format!("{} holds no tensor `{name}`", self.path.display()));
            error.meant(name, self.names().iter().map(String::as_str))
        })
    }

    fn bytes(&self, info: &TensorInfo) -> &[u8] {
        &self.map[self.start + info.data_offsets.0..self.start + info.data_offsets.1]
    }

    fn locate(&self, error: Error, name: &str) -> Error {
        error.at(format!("tensor `{name}`")).at(self.path.display())
    }
}

/// The fault of a rejected file, by tensor and field.
fn complaint(bytes: &[u8], error: SafeTensorError) -> String {
    let size = bytes.len();
    let Some(length) = bytes.first_chunk().map(|length| u64::from_le_bytes(*length)) else {
        return format!("{size} bytes are too few for a safetensors file");
    };
    let Some(text) = usize::try_from(length).ok().and_then(|length| bytes.get(8..)?.get(..length)) else {
        return format!("a header of {length} bytes in a file of {size}: it is cut off, or not safetensors");
    };
    let header: Value = match serde_json::from_slice(text) {
        Ok(header) => header,
        Err(error) => return format!("the header is not JSON: {error}"),
    };
    match check(&header) {
        Err(lie) => lie,
        Ok(end) if 8 + text.len() + end > size => {
            format!("its tensors end at byte {}, but the file has {size} bytes: it is cut off", 8 + text.len() + end)
        }
        Ok(end) if 8 + text.len() + end < size => {
            format!("its tensors end at byte {}, but the file has {size} bytes", 8 + text.len() + end)
        }
        Ok(_) => error.to_string(),
    }
}

/// End of the tensors of a header, or the first that does not fit.
fn check(header: &Value) -> std::result::Result<usize, String> {
    let mut infos = Vec::new();
    for (name, value) in header.as_object().ok_or("the header is not a map")? {
        if name != "__metadata__" {
            let info: TensorInfo =
                serde_json::from_value(value.clone()).map_err(|error| format!("tensor `{name}`: {error}"))?;
            infos.push((info.data_offsets, name, info));
        }
    }
    infos.sort_by_key(|(offsets, ..)| *offsets);
    let mut end = 0;
    for ((from, to), name, info) in infos {
        if from != end || to < from {
            return Err(format!("tensor `{name}`: data_offsets [{from}, {to}] do not follow on byte {end}"));
        }
        let count = info.shape.iter().try_fold(info.dtype.bitsize(), |bits, size| bits.checked_mul(*size));
        if count.map(|bits| bits / 8) != Some(to - from) {
            return Err(format!(
                "tensor `{name}`: shape {:?} in {} does not take the {} bytes of data_offsets [{from}, {to}]",
                info.shape,
                info.dtype,
                to - from
            ));
        }
        end = to;
    }
    Ok(end)
}

/// Writes named tensors, with `format: pt` beside the given facts in the header, as transformers expects.
///
/// The widest dtypes come first, so that all are aligned; then by name. The same tensors produce the same bytes.
pub fn save<'a>(
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = (&'a str, &'a Array)>,
    facts: &[(&str, &str)],
) -> Result<()> {
    let path = path.as_ref();
    let tensors = ordered(tensors)?;
    files::write("save", path, |out| fill(out, path, &tensors, facts))
}

/// The same into a file that is written with others.
pub fn save_in<'a>(
    stage: &files::Stage,
    name: &str,
    tensors: impl IntoIterator<Item = (&'a str, &'a Array)>,
    facts: &[(&str, &str)],
) -> Result<()> {
    let tensors = ordered(tensors)?;
    stage.write(name, |out| fill(out, &stage.place(name), &tensors, facts))
}

type Stored<'a> = (Dtype, &'a str, &'a Array);

/// In file order.
fn ordered<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a Array)>) -> Result<Vec<Stored<'a>>> {
    let mut tensors = tensors
        .into_iter()
        .map(|(name, array)| Ok((stored(name, array)?, name, array)))
        .collect::<Result<Vec<Stored>>>()?;
    tensors.sort_by_key(|(dtype, name, _)| (std::cmp::Reverse(dtype.bitsize()), *name));
    if let Some(pair) = tensors.windows(2).find(|pair| pair[0].1 == pair[1].1) {
        bail!("save", "two tensors are called `{}`", pair[0].1);
    }
    Ok(tensors)
}

fn fill(out: &mut dyn Write, path: &Path, tensors: &[Stored], facts: &[(&str, &str)]) -> Result<()> {
    let fault = |error| Error::io("save", path, &error);
    let header = header(tensors, facts);
    out.write_all(&(header.len() as u64).to_le_bytes()).map_err(fault)?;
    out.write_all(header.as_bytes()).map_err(fault)?;
    for (_, _, array) in tensors {
        cancel::check()?;
        out.write_all(&encode(array)?).map_err(fault)?;
    }
    Ok(())
}

fn header(tensors: &[(Dtype, &str, &Array)], facts: &[(&str, &str)]) -> String {
    let facts = [("format", "pt")].iter().chain(facts).map(|(key, fact)| (key.to_string(), Value::from(*fact)));
    let mut header = Map::from_iter([("__metadata__".to_string(), Value::Object(facts.collect()))]);
    let mut end = 0;
    for (dtype, name, array) in tensors {
        let start = end;
        end += array.elem_count() * dtype.bitsize() / 8;
        let info = json!({ "dtype": dtype, "shape": array.dims(), "data_offsets": [start, end] });
        header.insert(name.to_string(), info);
    }
    let mut text = Value::Object(header).to_string();
    // not by a width in `format!`, which is limited to 65,535
    let spaces = text.len().next_multiple_of(8) - text.len();
    text.extend(std::iter::repeat_n(' ', spaces));
    text
}

fn stored(name: &str, array: &Array) -> Result<Dtype> {
    Ok(match array.dtype() {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::U32 => Dtype::U32,
        DType::U8 => Dtype::U8,
        other => bail!("save", "tensor `{name}`: dtype {} can't be written", other.as_str()),
    })
}
