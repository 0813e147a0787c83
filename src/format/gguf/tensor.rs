//! Tensors of a GGUF file: their entries in the header, and their numbers.

use crate::{Error, Result, bail};
use candle_core::quantized::{GgmlDType, ggml_file::qtensor_from_ggml};
use candle_core::{DType, Device, Tensor as Array};

/// A tensor's entry: its name, its dimensions in GGUF order (fastest first), its ggml type and its offset.
#[derive(Clone, Debug)]
pub struct TensorEntry {
    pub name: String,
    pub dims: Vec<u64>,
    pub kind: u32,
    /// From the start of the data section.
    pub offset: u64,
}

impl TensorEntry {
    /// Number of elements.
    pub fn elements(&self) -> Result<u64> {
        let product = self.dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim));
        product.ok_or_else(|| {
            Error::new("gguf", format!("tensor `{}` has impossible dimensions {:?}", self.name, self.dims))
        })
    }

    /// Bytes in the file; `None` for an unknown type.
    pub fn size(&self) -> Result<Option<u64>> {
        let elements = self.elements()?;
        let Some(dtype) = ggml_type(self.kind) else { return Ok(None) };
        let (block, bytes) = (dtype.block_size() as u64, dtype.type_size() as u64);
        if !elements.is_multiple_of(block) {
            bail!("gguf", "tensor `{}` has {elements} elements, not a multiple of its block of {block}", self.name);
        }
        match (elements / block).checked_mul(bytes) {
            Some(size) => Ok(Some(size)),
            None => bail!("gguf", "tensor `{}` has impossible dimensions {:?}", self.name, self.dims),
        }
    }

    /// The type of its numbers; an error for an unreadable type.
    pub fn ggml_type(&self) -> Result<GgmlDType> {
        ggml_type(self.kind).ok_or_else(|| {
            let what = format!("`{}` is quantized in a way (ggml type {}) that can't be read", self.name, self.kind);
            Error::new("gguf", what).help("it reads F32, F16, BF16, Q4_0 to Q8_1 and Q2_K to Q8_K")
        })
    }

    /// Bytes in the file; an error for an unreadable type.
    pub fn byte_size(&self) -> Result<usize> {
        self.ggml_type()?;
        let size = self.size()?.and_then(|size| usize::try_from(size).ok());
        size.ok_or_else(|| Error::new("gguf", format!("`{}` is too large for the memory", self.name)))
    }

    /// Its numbers in f32, from its bytes in the file; dimensions in PyTorch order.
    pub fn decode(&self, bytes: &[u8]) -> Result<Array> {
        Ok(self.stored(bytes)?.to_dtype(DType::F32)?)
    }

    /// The same in the stored dtype; block types in f32.
    pub fn stored(&self, bytes: &[u8]) -> Result<Array> {
        let (dims, here): (Vec<usize>, _) = (self.dims.iter().rev().map(|&size| size as usize).collect(), Device::Cpu);
        let dtype = match self.ggml_type()? {
            GgmlDType::F32 => DType::F32,
            GgmlDType::F16 => DType::F16,
            GgmlDType::BF16 => DType::BF16,
            blocks => return Ok(qtensor_from_ggml(blocks, bytes, dims, &here)?.dequantize(&here)?),
        };
        Ok(Array::from_raw_buffer(bytes, dtype, &dims, &here)?)
    }
}

/// The supported types of ggml, and their numbers.
const TYPES: &[(u32, GgmlDType)] = &[
    (0, GgmlDType::F32),
    (1, GgmlDType::F16),
    (2, GgmlDType::Q4_0),
    (3, GgmlDType::Q4_1),
    (6, GgmlDType::Q5_0),
    (7, GgmlDType::Q5_1),
    (8, GgmlDType::Q8_0),
    (9, GgmlDType::Q8_1),
    (10, GgmlDType::Q2K),
    (11, GgmlDType::Q3K),
    (12, GgmlDType::Q4K),
    (13, GgmlDType::Q5K),
    (14, GgmlDType::Q6K),
    (15, GgmlDType::Q8K),
    (30, GgmlDType::BF16),
];

/// The type with this ggml number.
fn ggml_type(kind: u32) -> Option<GgmlDType> {
    TYPES.iter().find(|(number, _)| *number == kind).map(|(_, dtype)| *dtype)
}

/// The ggml number of a type.
pub fn ggml_number(dtype: GgmlDType) -> u32 {
    TYPES.iter().find(|(_, known)| *known == dtype).map_or(0, |(number, _)| *number)
}
