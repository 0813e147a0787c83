//! npy, numpy's file format of one array: a header line, then the numbers.
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use super::numbers::{decode, encode};
use crate::{Error, Result, bail, files};
use candle_core::{DType, Tensor as Array};
use safetensors::Dtype;
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads an array, in either memory order and of either endianness.
pub fn open(path: impl AsRef<Path>) -> Result<Array> {
    let path = path.as_ref();
    let map = files::map("tensor", path)?;
    parse(&map).map_err(|error| error.at(path.display()))
}

/// Reads an array from the bytes of a complete file.
pub fn parse(bytes: &[u8]) -> Result<Array> {
    let broken = |why: String| Error::new("tensor", format!("not an npy file, or its header is broken ({why})"));
    let (text, numbers) = split(bytes).map_err(broken)?;
    let Header { descr, fortran_order, shape } = header(text).map_err(broken)?;
    let Some((dtype, is_big_endian)) = dtype(&descr) else {
        bail!("tensor", "descr {descr}: only numbers can be read, not this dtype");
    };
    let width = dtype.bitsize() / 8;
    let need = shape.iter().try_fold(width, |bytes, size| bytes.checked_mul(*size));
    if need != Some(numbers.len()) {
        bail!("tensor", "shape {shape:?} of {descr} does not take the {} bytes that follow the header", numbers.len());
    }
    let swapped = is_big_endian.then(|| swap(numbers, width));
    let numbers = swapped.as_deref().unwrap_or(numbers);
    if !fortran_order {
        return decode(numbers, dtype, &shape);
    }
    let reversed: Vec<usize> = shape.into_iter().rev().collect();
    let axes: Vec<usize> = (0..reversed.len()).rev().collect();
    Ok(decode(numbers, dtype, &reversed)?.permute(axes)?.contiguous()?)
}

/// The header line, and the numbers after it.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin with \\x93NUMPY")?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or("it ends in its version")?;
    let cut = "it ends in its header";
    let (length, rest) = match version[0] {
        1 => rest
            .split_first_chunk()
            .map(|(length, rest)| (usize::from(u16::from_le_bytes(*length)), rest))
            .ok_or(cut)?,
        2 | 3 => {
            rest.split_first_chunk().map(|(length, rest)| (u32::from_le_bytes(*length) as usize, rest)).ok_or(cut)?
        }
        other => return Err(format!("version {other} is not one of 1, 2, 3")),
    };
    let (text, numbers) = rest.split_at_checked(length).ok_or(cut)?;
    // Latin-1 before version 3, where only field names could be non-ASCII
    Ok((std::str::from_utf8(text).map_err(|_| "it is not text")?, numbers))
}

struct Header {
    /// In numpy's notation, without quotes: `<f4`.
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn header(text: &str) -> Result<Header, String> {
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    let mut rest = Literal(text.trim());
    rest.expect('{')?;
    while !rest.take('}') {
        let key = rest.quoted()?;
        rest.expect(':')?;
        match key {
            "descr" => descr = Some(rest.descr()?),
            "fortran_order" => fortran_order = Some(rest.truth()?),
            "shape" => shape = Some(rest.tuple()?),
            other => return Err(format!("unknown key `{other}`")),
        }
        if !rest.take(',') {
            rest.expect('}')?;
            break;
        }
    }
    if !rest.0.is_empty() {
        return Err(format!("`{}` after its end", rest.0));
    }
    Ok(Header {
        descr: descr.ok_or("no descr")?,
        fortran_order: fortran_order.ok_or("no fortran_order")?,
        shape: shape.ok_or("no shape")?,
    })
}

/// The rest of a Python literal.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    fn take(&mut self, sign: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(sign);
        self.0 = rest.map_or(self.0, str::trim_start);
        rest.is_some()
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(format!("no `{sign}` before `{}`", self.0)) }
    }

    fn quoted(&mut self) -> Result<&'a str, String> {
        let quote = if self.0.starts_with('"') { '"' } else { '\'' };
        self.expect(quote)?;
        let (text, rest) = self.0.split_once(quote).ok_or("a text without an end")?;
        self.0 = rest.trim_start();
        Ok(text)
    }

    /// A string; for a list of fields, which is not a number type, the literal itself.
    fn descr(&mut self) -> Result<String, String> {
        if !self.0.starts_with('[') {
            return Ok(self.quoted()?.to_string());
        }
        let mut depth = 0;
        for (at, sign) in self.0.char_indices() {
            depth += i32::from(sign == '[') - i32::from(sign == ']');
            if depth == 0 {
                let (list, rest) = self.0.split_at(at + 1);
                self.0 = rest.trim_start();
                return Ok(list.to_string());
            }
        }
        Err("a list without an end".to_string())
    }

    fn truth(&mut self) -> Result<bool, String> {
        for (word, truth) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest.trim_start();
                return Ok(truth);
            }
        }
        Err(format!("neither True nor False: `{}`", self.0))
    }

    /// `()`, `(2,)`, `(2, 3)`; a number may end in the `L` of Python 2.
    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        let mut sizes = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            let end = self.0.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(self.0.len());
            let (number, rest) = self.0.split_at(end);
            sizes.push(number.parse().map_err(|_| format!("no size before `{}`", self.0))?);
            self.0 = rest.strip_prefix('L').unwrap_or(rest).trim_start();
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(sizes)
    }
}

/// The dtype of a descr, and whether its bytes are in big-endian order.
fn dtype(descr: &str) -> Option<(Dtype, bool)> {
    let mut signs = descr.chars();
    let order = signs.next()?;
    let dtype = match signs.as_str() {
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
    };
    match order {
        '<' | '|' => Some((dtype, false)),
        '=' => Some((dtype, cfg!(target_endian = "big"))),
        '>' => Some((dtype, true)),
        _ => None,
    }
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
    let mut bytes = [MAGIC, &[1, 0]].concat();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(encode(array)?);
    files::write_all("save", path.as_ref(), &bytes)
}
