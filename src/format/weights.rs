//! A file of weights in any of the formats.

use super::{Pytorch, Safetensors};
use crate::Result;
use candle_core::{DType, Tensor as Array};
use std::path::Path;

pub enum Shard {
    Safetensors(Safetensors),
    Pytorch(Pytorch),
}

impl Shard {
    /// Opens a file by its extension: `.bin`, `.pt` and `.pth` are PyTorch's.
    pub fn open(path: &Path) -> Result<Shard> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        match ending.as_str() {
            "bin" | "pt" | "pth" => Ok(Shard::Pytorch(Pytorch::open(path)?)),
            _ => Ok(Shard::Safetensors(Safetensors::open(path)?)),
        }
    }

    /// All names, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        match self {
            Shard::Safetensors(file) => file.names(),
            Shard::Pytorch(file) => file.names(),
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Shard::Safetensors(file) => file.path(),
            Shard::Pytorch(file) => file.path(),
        }
    }

    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        match self {
            Shard::Safetensors(file) => file.shape(name),
            Shard::Pytorch(file) => file.shape(name),
        }
    }

    /// The dtype returned by [`Shard::read`].
    pub fn dtype(&self, name: &str) -> Result<DType> {
        match self {
            Shard::Safetensors(file) => file.dtype(name),
            Shard::Pytorch(file) => file.dtype(name),
        }
    }

    pub fn read(&self, name: &str) -> Result<Array> {
        match self {
            Shard::Safetensors(file) => file.read(name),
            Shard::Pytorch(file) => file.read(name),
        }
    }

    /// The tensor `name` in f32, converted in one pass.
    pub fn read_f32(&self, name: &str) -> Result<Array> {
        match self {
            Shard::Safetensors(file) => file.read_f32(name),
            Shard::Pytorch(file) => file.read_f32(name),
        }
    }

    /// Whether a tensor equals one of another file in shape and numbers.
    pub fn same(&self, name: &str, other: &Shard, other_name: &str) -> Result<bool> {
        match (self, other) {
            (Shard::Safetensors(one), Shard::Safetensors(two)) => one.same(name, two, other_name),
            (Shard::Pytorch(one), Shard::Pytorch(two)) if one.path() == two.path() && one.is_tie(name, other_name) => {
                Ok(true)
            }
            _ if self.shape(name)? != other.shape(other_name)? => Ok(false),
            _ => {
                let numbers = |file: &Shard, name: &str| -> Result<Vec<f32>> {
                    Ok(file.read_f32(name)?.flatten_all()?.to_vec1()?)
                };
                Ok(numbers(self, name)? == numbers(other, other_name)?)
            }
        }
    }
}
