//! Zip archives as `torch.save` writes them: uncompressed entries, so that each is a range of the file.

use crate::{Error, Result, bail};
use std::collections::HashMap;
use std::ops::Range;

const WHO: &str = "tensors";

/// The entries of an archive, by name relative to its single folder.
pub fn entries(bytes: &[u8]) -> Result<HashMap<String, Range<usize>>> {
    let (start, size) = directory(bytes)?;
    let mut rest = slice(bytes, start, size)?;
    let mut found = HashMap::new();
    while !rest.is_empty() {
        let (name, range) = entry(bytes, &mut rest)?;
        let inner = name.split_once('/').map_or(name.as_str(), |(_, inner)| inner).to_string();
        if found.insert(inner, range).is_some() {
            bail!(WHO, "the archive holds `{name}` twice");
        }
    }
    Ok(found)
}

fn slice(bytes: &[u8], start: u64, size: u64) -> Result<&[u8]> {
    let range = usize::try_from(start).ok().zip(start.checked_add(size).and_then(|end| usize::try_from(end).ok()));
    range
        .and_then(|(start, end)| bytes.get(start..end))
        .ok_or_else(|| Error::new(WHO, format!("the archive points to byte {start} of a file of {}", bytes.len())))
}

fn two(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 2).map_or(0, |two| u64::from(u16::from_le_bytes([two[0], two[1]])))
}

fn four(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 4).map_or(0, |four| u64::from(u32::from_le_bytes([four[0], four[1], four[2], four[3]])))
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    four(bytes, at) | four(bytes, at + 4) << 32
}

/// Offset and size of the central directory.
fn directory(bytes: &[u8]) -> Result<(u64, u64)> {
    const END: &[u8] = b"PK\x05\x06";
    const END_64: &[u8] = b"PK\x06\x06";
    const LOCATOR_64: &[u8] = b"PK\x06\x07";
    // a comment of up to 65,535 bytes may follow the end's 22
    let from = bytes.len().saturating_sub(22 + 0xffff);
    let Some(end) = bytes[from..].windows(4).rposition(|four| four == END).map(|at| from + at) else {
        bail!(WHO, "the archive has no central directory: it is cut off");
    };
    let (size, start) = (four(bytes, end + 12), four(bytes, end + 16));
    if start != 0xffff_ffff && size != 0xffff_ffff {
        return Ok((start, size));
    }
    let locator = end.checked_sub(20).filter(|at| bytes[*at..].starts_with(LOCATOR_64));
    let record = locator.map(|at| eight(bytes, at + 8)).and_then(|at| usize::try_from(at).ok());
    match record.and_then(|at| bytes.get(at..at.checked_add(56)?)) {
        Some(record) if record.starts_with(END_64) => Ok((eight(record, 48), eight(record, 40))),
        _ => bail!(WHO, "the archive has no central directory: it is cut off"),
    }
}

/// The next entry of the central directory: its name, and the range of its bytes.
fn entry(bytes: &[u8], rest: &mut &[u8]) -> Result<(String, Range<usize>)> {
    const CENTRAL: &[u8] = b"PK\x01\x02";
    const LOCAL: &[u8] = b"PK\x03\x04";
    let damaged = || Error::new(WHO, "the archive's central directory is damaged");
    let here = *rest;
    if !here.starts_with(CENTRAL) || here.len() < 46 {
        return Err(damaged());
    }
    let [name, extra, comment] = [28, 30, 32].map(|at| two(here, at) as usize);
    let text = here.get(46..46 + name).ok_or_else(damaged)?;
    let more = here.get(46 + name..46 + name + extra).ok_or_else(damaged)?;
    *rest = here.get(46 + name + extra + comment..).ok_or_else(damaged)?;
    let text = String::from_utf8_lossy(text).into_owned();
    let (method, mut stored, mut size, mut start) = (two(here, 10), four(here, 20), four(here, 24), four(here, 42));
    wide(more, [&mut size, &mut stored, &mut start]);
    if method != 0 || stored != size {
        bail!(WHO, "the archive's `{text}` is compressed, which torch.save never does");
    }
    let header = slice(bytes, start, 30)?;
    if !header.starts_with(LOCAL) {
        return Err(damaged());
    }
    let begin = start.checked_add(30 + two(header, 26) + two(header, 28)).ok_or_else(damaged)?;
    slice(bytes, begin, size)?;
    Ok((text, begin as usize..(begin + size) as usize))
}

/// Numbers of more than 32 bits are in a field of their own, in this order, each only if needed.
fn wide(mut extra: &[u8], numbers: [&mut u64; 3]) {
    while extra.len() >= 4 {
        let (kind, length) = (two(extra, 0), two(extra, 2) as usize);
        let Some(field) = extra.get(4..4 + length) else { return };
        if kind == 1 {
            let mut at = 0;
            for number in numbers {
                if *number == 0xffff_ffff && at + 8 <= field.len() {
                    *number = eight(field, at);
                    at += 8;
                }
            }
            return;
        }
        extra = &extra[4 + length..];
    }
}
