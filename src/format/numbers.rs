//! Arrays as little-endian bytes, and back.

use crate::{Error, Result, bail};
use candle_core::{DType, Device, Tensor as Array};
use half::{bf16, f16};
use safetensors::Dtype;

/// Decodes little-endian bytes to an array: floats unchanged; i8 i16 i32 u64 as i64, u16 as u32, bool as u8.
pub fn decode(bytes: &[u8], dtype: Dtype, dims: &[usize]) -> Result<Array> {
    let here = &Device::Cpu;
    let array = match dtype {
        Dtype::F64 => Array::from_vec(numbers(bytes, f64::from_le_bytes), dims, here),
        Dtype::F32 => Array::from_vec(numbers(bytes, f32::from_le_bytes), dims, here),
        Dtype::F16 => Array::from_vec(numbers(bytes, f16::from_le_bytes), dims, here),
        Dtype::BF16 => Array::from_vec(numbers(bytes, bf16::from_le_bytes), dims, here),
        Dtype::I64 => Array::from_vec(numbers(bytes, i64::from_le_bytes), dims, here),
        Dtype::U64 => Array::from_vec(whole(numbers(bytes, u64::from_le_bytes))?, dims, here),
        Dtype::I32 => Array::from_vec(numbers(bytes, |b| i64::from(i32::from_le_bytes(b))), dims, here),
        Dtype::I16 => Array::from_vec(numbers(bytes, |b| i64::from(i16::from_le_bytes(b))), dims, here),
        Dtype::I8 => Array::from_vec(numbers(bytes, |b| i64::from(i8::from_le_bytes(b))), dims, here),
        Dtype::U32 => Array::from_vec(numbers(bytes, u32::from_le_bytes), dims, here),
        Dtype::U16 => Array::from_vec(numbers(bytes, |b| u32::from(u16::from_le_bytes(b))), dims, here),
        Dtype::U8 | Dtype::BOOL => Array::from_vec(bytes.to_vec(), dims, here),
        other => bail!("tensors", "dtype {other:?} can't be read"),
    };
    Ok(array?)
}

/// [`decode`] to f32 in one pass, for weights in half precision.
pub fn decode_f32(bytes: &[u8], dtype: Dtype, dims: &[usize]) -> Result<Array> {
    let numbers = match dtype {
        Dtype::BF16 => numbers(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F16 => numbers(bytes, |b| f16::from_le_bytes(b).to_f32()),
        _ => return Ok(decode(bytes, dtype, dims)?.to_dtype(DType::F32)?),
    };
    Ok(Array::from_vec(numbers, dims, &Device::Cpu)?)
}

fn numbers<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|chunk| read(*chunk)).collect()
}

fn whole(numbers: Vec<u64>) -> Result<Vec<i64>> {
    let fit = |number| i64::try_from(number).map_err(|_| Error::new("tensors", format!("{number} does not fit i64")));
    numbers.into_iter().map(fit).collect()
}

/// An array as little-endian bytes, row by row.
pub fn encode(array: &Array) -> Result<Vec<u8>> {
    let flat = array.flatten_all()?;
    fn bytes<const N: usize, T: Copy>(numbers: Vec<T>, write: impl Fn(T) -> [u8; N]) -> Vec<u8> {
        numbers.into_iter().flat_map(write).collect()
    }
    Ok(match array.dtype() {
        DType::F64 => bytes(flat.to_vec1()?, f64::to_le_bytes),
        DType::F32 => bytes(flat.to_vec1()?, f32::to_le_bytes),
        DType::F16 => bytes(flat.to_vec1()?, f16::to_le_bytes),
        DType::BF16 => bytes(flat.to_vec1()?, bf16::to_le_bytes),
        DType::I64 => bytes(flat.to_vec1()?, i64::to_le_bytes),
        DType::U32 => bytes(flat.to_vec1()?, u32::to_le_bytes),
        DType::U8 => flat.to_vec1()?,
        other => bail!("save", "dtype {} can't be written", other.as_str()),
    })
}
