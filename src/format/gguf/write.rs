//! Writes a GGUF file: its header, then its tensors one after another, so that at most one is in memory.
//!
//! llama.cpp requires exact types: an integer is written as u32, a float as f32, and the numbers of a list as i32 or f32.

use super::tensor::{TensorEntry, ggml_number};
use super::value::Value;
use crate::{Error, Result, bail, cancel};
use candle_core::quantized::GgmlDType;
use std::io::Write;

/// Alignment of tensors in bytes, from the start of the data section.
const ALIGNMENT: u64 = 32;
const VERSION: u32 = 3;
/// Suffix of a key whose list llama.cpp reads as bytes.
const BYTES: &str = "precompiled_charsmap";

/// Type numbers of the kinds of values.
mod kinds {
    pub const U8: u32 = 0;
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const BOOL: u32 = 7;
    pub const TEXT: u32 = 8;
    pub const LIST: u32 = 9;
}

impl TensorEntry {
    /// A tensor to write, its dimensions in PyTorch order.
    pub fn new(name: impl Into<String>, shape: &[usize], dtype: GgmlDType) -> TensorEntry {
        let dims = shape.iter().rev().map(|&size| size as u64).collect();
        TensorEntry { name: name.into(), dims, kind: ggml_number(dtype), offset: 0 }
    }
}

/// Writes the header and then the bytes that `fill` writes for each tensor, by its index.
pub fn write(
    out: &mut dyn Write,
    metadata: &[(String, Value)],
    mut tensors: Vec<TensorEntry>,
    mut fill: impl FnMut(usize) -> Result<Vec<u8>>,
) -> Result<()> {
    place(&mut tensors)?;
    let header = header(metadata, &tensors)?;
    put(out, &header)?;
    pad(out, header.len() as u64)?;
    for (index, entry) in tensors.iter().enumerate() {
        cancel::check()?;
        let bytes = fill(index)?;
        if bytes.len() != entry.byte_size()? {
            bail!("save", "`{}` has {} bytes where its shape takes {}", entry.name, bytes.len(), entry.byte_size()?);
        }
        put(out, &bytes)?;
        pad(out, bytes.len() as u64)?;
    }
    Ok(())
}

/// Assigns each tensor its offset in the data section.
fn place(tensors: &mut [TensorEntry]) -> Result<()> {
    let mut offset = 0u64;
    for entry in tensors {
        entry.offset = offset;
        offset += (entry.byte_size()? as u64).next_multiple_of(ALIGNMENT);
    }
    Ok(())
}

fn put(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(|error| Error::new("save", format!("the file can't be written: {error}")))
}

fn pad(out: &mut dyn Write, written: u64) -> Result<()> {
    let more = written.next_multiple_of(ALIGNMENT) - written;
    put(out, &[0; ALIGNMENT as usize][..more as usize])
}

fn header(metadata: &[(String, Value)], tensors: &[TensorEntry]) -> Result<Vec<u8>> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        text(&mut bytes, key);
        bytes.extend(kind(value).to_le_bytes());
        scalar_or_list(&mut bytes, key, value)?;
    }
    for entry in tensors {
        text(&mut bytes, &entry.name);
        bytes.extend((entry.dims.len() as u32).to_le_bytes());
        entry.dims.iter().for_each(|dim| bytes.extend(dim.to_le_bytes()));
        bytes.extend(entry.kind.to_le_bytes());
        bytes.extend(entry.offset.to_le_bytes());
    }
    Ok(bytes)
}

fn kind(value: &Value) -> u32 {
    match value {
        Value::Int(_) => kinds::U32,
        Value::Float(_) => kinds::F32,
        Value::Bool(_) => kinds::BOOL,
        Value::Text(_) => kinds::TEXT,
        Value::List(_) => kinds::LIST,
    }
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn scalar_or_list(bytes: &mut Vec<u8>, key: &str, value: &Value) -> Result<()> {
    match value {
        Value::Int(number) => match u32::try_from(*number) {
            Ok(number) => bytes.extend(number.to_le_bytes()),
            Err(_) => bail!("save", "`{key}` is {number}, which GGUF can't hold"),
        },
        Value::Float(number) => bytes.extend((*number as f32).to_le_bytes()),
        Value::Bool(truth) => bytes.push(u8::from(*truth)),
        Value::Text(own) => text(bytes, own),
        Value::List(list) => {
            if key.ends_with(BYTES) {
                return raw(bytes, key, list);
            }
            // an empty list is written as a list of strings
            let of = list.first().map_or(kinds::TEXT, |first| match kind(first) {
                kinds::U32 => kinds::I32,
                other => other,
            });
            bytes.extend(of.to_le_bytes());
            bytes.extend((list.len() as u64).to_le_bytes());
            list.iter().try_for_each(|value| element(bytes, key, value))?;
        }
    }
    Ok(())
}

/// A list of single bytes.
fn raw(bytes: &mut Vec<u8>, key: &str, list: &[Value]) -> Result<()> {
    bytes.extend(kinds::U8.to_le_bytes());
    bytes.extend((list.len() as u64).to_le_bytes());
    for value in list {
        match value.as_int().and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => bytes.push(byte),
            None => bail!("save", "`{key}` holds something that is no byte"),
        }
    }
    Ok(())
}

fn element(bytes: &mut Vec<u8>, key: &str, value: &Value) -> Result<()> {
    match value {
        Value::Int(number) => match i32::try_from(*number) {
            Ok(number) => bytes.extend(number.to_le_bytes()),
            Err(_) => bail!("save", "`{key}` holds {number}, which GGUF can't hold"),
        },
        other => scalar_or_list(bytes, key, other)?,
    }
    Ok(())
}
