//! A file of weights, whichever of the formats it has.

use super::{Pytorch, Safetensors};
use crate::Result;
use candle_core::{DType, Tensor as Array};
use std::path::Path;

pub enum WeightFile {
    Safetensors(Safetensors),
    Pytorch(Pytorch),
}

impl WeightFile {
    /// Opens a file by its ending: `.bin`, `.pt` and `.pth` are PyTorch's.
    pub fn open(path: &Path) -> Result<WeightFile> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        match ending.as_str() {
            "bin" | "pt" | "pth" => Ok(WeightFile::Pytorch(Pytorch::open(path)?)),
            _ => Ok(WeightFile::Safetensors(Safetensors::open(path)?)),
        }
    }

    /// All names, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        match self {
            WeightFile::Safetensors(file) => file.names(),
            WeightFile::Pytorch(file) => file.names(),
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            WeightFile::Safetensors(file) => file.path(),
            WeightFile::Pytorch(file) => file.path(),
        }
    }

    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        match self {
            WeightFile::Safetensors(file) => file.shape(name),
            WeightFile::Pytorch(file) => file.shape(name),
        }
    }

    /// The dtype that [`WeightFile::read`] gives.
    pub fn dtype(&self, name: &str) -> Result<DType> {
        match self {
            WeightFile::Safetensors(file) => file.dtype(name),
            WeightFile::Pytorch(file) => file.dtype(name),
        }
    }

    pub fn read(&self, name: &str) -> Result<Array> {
        match self {
            WeightFile::Safetensors(file) => file.read(name),
            WeightFile::Pytorch(file) => file.read(name),
        }
    }

    /// The tensor `name` in f32, converted in one pass.
    pub fn read_f32(&self, name: &str) -> Result<Array> {
        match self {
            WeightFile::Safetensors(file) => file.read_f32(name),
            WeightFile::Pytorch(file) => file.read_f32(name),
        }
    }

    /// Whether a tensor has the shape and the numbers of one of another file.
    pub fn same(&self, name: &str, other: &WeightFile, other_name: &str) -> Result<bool> {
        match (self, other) {
            (WeightFile::Safetensors(one), WeightFile::Safetensors(two)) => one.same(name, two, other_name),
            (WeightFile::Pytorch(one), WeightFile::Pytorch(two))
                if one.path() == two.path() && one.is_tie(name, other_name) =>
            {
                Ok(true)
            }
            _ if self.shape(name)? != other.shape(other_name)? => Ok(false),
            _ => {
                let numbers = |file: &WeightFile, name: &str| -> Result<Vec<f32>> {
                    Ok(file.read_f32(name)?.flatten_all()?.to_vec1()?)
                };
                Ok(numbers(self, name)? == numbers(other, other_name)?)
            }
        }
    }
}
