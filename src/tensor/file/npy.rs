//! npy, numpy's file of one array.

use super::{decode, encode};
use crate::tensor::{Array, DType};
use crate::{Error, Result, bail, files};
use npyz::{NpyHeader, Order};
use safetensors::Dtype;
use std::io::Cursor;
use std::path::Path;

/// Reads an array, in either order and of either endianness.
pub fn open(path: impl AsRef<Path>) -> Result<Array> {
    let path = path.as_ref();
    let map = files::map("tensor", path)?;
    parse(&map).map_err(|error| error.at(path.display()))
}

fn parse(bytes: &[u8]) -> Result<Array> {
    let mut rest = Cursor::new(bytes);
    let header = NpyHeader::from_reader(&mut rest)
        .map_err(|error| Error::new("tensor", format!("not an npy file, or its header is broken ({error})")))?;
    let numbers = &bytes[rest.position() as usize..];
    let descr = header.dtype().descr();
    let kind = descr.trim_matches('\'');
    let Some(dtype) = dtype(kind) else {
        bail!("tensor", "descr {descr}: only numbers can be read, not this dtype");
    };
    let width = dtype.bitsize() / 8;
    let dims: Vec<usize> = header.shape().iter().map(|size| *size as usize).collect();
    let need = dims.iter().try_fold(width, |bytes, size| bytes.checked_mul(*size));
    if need != Some(numbers.len()) {
        bail!("tensor", "shape {dims:?} of {kind} does not take the {} bytes that follow the header", numbers.len());
    }
    let swapped = kind.starts_with('>').then(|| swap(numbers, width));
    let numbers = swapped.as_deref().unwrap_or(numbers);
    match header.order() {
        Order::C => decode(numbers, dtype, &dims),
        Order::Fortran => {
            let turned: Vec<usize> = dims.into_iter().rev().collect();
            let axes: Vec<usize> = (0..turned.len()).rev().collect();
            Ok(decode(numbers, dtype, &turned)?.permute(axes)?.contiguous()?)
        }
    }
}

fn dtype(kind: &str) -> Option<Dtype> {
    Some(match kind.get(1..)? {
        "f8" => Dtype::F64,
        "f4" => Dtype::F32,
        "f2" => Dtype::F16,
        "i8" => Dtype::I64,
        "i4" => Dtype::I32,
        "i2" => Dtype::I16,
        "i1" => Dtype::I8,
        "u8" => Dtype::U64,
        "u4" => Dtype::U32,
        "u2" => Dtype::U16,
        "u1" => Dtype::U8,
        "b1" => Dtype::BOOL,
        _ => return None,
    })
}

fn swap(bytes: &[u8], width: usize) -> Vec<u8> {
    bytes.chunks(width).flat_map(|number| number.iter().rev().copied()).collect()
}

/// Writes an array as numpy's `save` does.
pub fn save(path: impl AsRef<Path>, array: &Array) -> Result<()> {
    let kind = match array.dtype() {
        DType::F64 => "<f8",
        DType::F32 => "<f4",
        DType::F16 => "<f2",
        DType::I64 => "<i8",
        DType::U32 => "<u4",
        DType::U8 => "|u1",
        other => {
            return Err(Error::new("save", format!("npy has no {}", other.as_str()))
                .help("save it as safetensors, or convert it with `.to(\"f32\")`"));
        }
    };
    let shape: String = array.dims().iter().map(|size| format!("{size}, ")).collect();
    let shape = if array.rank() == 1 { shape.trim_end() } else { shape.trim_end_matches(", ") };
    let dict = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    // magic, version and length are 10 bytes; the numbers begin at a multiple of 64
    let width = (10 + dict.len() + 1).next_multiple_of(64) - 10 - 1;
    let header = format!("{dict:width$}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(encode(array)?);
    files::write_all("save", path.as_ref(), &bytes)
}
