//! Checksums detect damage when a file is read, and errors name the damaged file. They protect against broken disks and copies,
//! not against forgery.
//!
//! A folder written by levain has `levain_checksums.json`, with the size and the CRC-32 of each saved file; other programs ignore
//! it. A JSON text or a line of JSON that is a file of its own ends with the CRC-32 of the preceding bytes, under the key
//! `levain_crc32`. Files with neither are read as usual.

use super::folder_of;
use crate::{Error, Result, limits, text};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The checksums of a folder.
pub const SUMS: &str = "levain_checksums.json";
/// The last key of a JSON text with its own checksum.
pub const KEY: &str = "levain_crc32";

/// Size and checksum of a complete file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    pub bytes: u64,
    pub crc32: u32,
}

/// In its written form.
#[derive(Serialize, Deserialize)]
struct Written {
    bytes: u64,
    crc32: String,
}

#[derive(Serialize, Deserialize)]
struct Table {
    files: BTreeMap<String, Written>,
}

impl Sum {
    /// Of bytes in memory, on all threads if there are many.
    pub fn of(bytes: &[u8]) -> Sum {
        const CHUNK: usize = 8 << 20;
        let one = |bytes: &[u8]| {
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(bytes);
            hasher
        };
        let joined = |mut first: crc32fast::Hasher, second: crc32fast::Hasher| {
            first.combine(&second);
            first
        };
        let hasher = if bytes.len() <= CHUNK {
            one(bytes)
        } else {
            let parts: Vec<crc32fast::Hasher> = bytes.par_chunks(CHUNK).map(one).collect();
            parts.into_iter().reduce(joined).unwrap_or_default()
        };
        Sum { bytes: bytes.len() as u64, crc32: hasher.finalize() }
    }
}

/// The CRC-32 of `crc32` continued with more bytes; the CRC-32 of no bytes is 0.
pub fn continued(crc32: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(crc32);
    hasher.update(bytes);
    hasher.finalize()
}

/// The table of a folder, if it has one; otherwise the fault in it.
pub fn read_table(folder: &Path) -> Result<Option<BTreeMap<String, Sum>>, String> {
    let path = folder.join(SUMS);
    if !limits::current().allow(&path, false) {
        return Ok(None);
    }
    let Ok(text) = fs::read(&path) else { return Ok(None) };
    let damaged = || format!("{} is damaged", path.display());
    if checked(&text) != Check::Right {
        return Err(damaged());
    }
    let table: Table = serde_json::from_slice(&text).map_err(|_| damaged())?;
    let sums = table.files.into_iter().map(|(name, written)| {
        let crc32 = u32::from_str_radix(&written.crc32, 16).map_err(|_| damaged())?;
        Ok((name, Sum { bytes: written.bytes, crc32 }))
    });
    sums.collect::<Result<_, String>>().map(Some)
}

/// The text of a table.
pub fn table(sums: BTreeMap<String, Sum>) -> String {
    let written = |sum: Sum| Written { bytes: sum.bytes, crc32: format!("{:08x}", sum.crc32) };
    let files = sums.into_iter().map(|(name, sum)| (name, written(sum))).collect();
    with_checksum(&serde_json::to_string_pretty(&Table { files }).unwrap_or_default())
}

/// The entry of the file at `path` in a table, and the table.
pub fn expected(who: &str, path: &Path) -> Result<Option<(Sum, PathBuf)>> {
    let folder = folder_of(path);
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    if name == SUMS {
        return Ok(None);
    }
    let found = |folder: &Path, name: &str| match read_table(folder) {
        Ok(table) => Ok(table.and_then(|table| table.get(name).map(|sum| (*sum, folder.join(SUMS))))),
        Err(what) => Err(Error::new(who, what).help("restore it from a copy; without it the folder is read as it is")),
    };
    if let Some(found) = found(folder, name)? {
        return Ok(Some(found));
    }
    // files of a folder inside the saved one
    match (folder.parent(), folder.file_name().and_then(|name| name.to_str())) {
        (Some(outer), Some(inner)) => {
            let outer = if outer.as_os_str().is_empty() { Path::new(".") } else { outer };
            found(outer, &format!("{inner}/{name}"))
        }
        _ => Ok(None),
    }
}

/// An error where `bytes`, the entire file at `path`, differ from what was saved.
pub fn verify(who: &str, path: &Path, bytes: &[u8]) -> Result<()> {
    let Some((expected, table)) = expected(who, path)? else { return Ok(()) };
    let size = |bytes: u64| text::thousands(bytes);
    let (now, then) = (bytes.len() as u64, expected.bytes);
    let what = if now < then {
        format!("it is cut off, {} of {} bytes", size(now), size(then))
    } else if now > then {
        format!("it has {} bytes, and was saved with {}", size(now), size(then))
    } else {
        match Sum::of(bytes) {
            sum if sum == expected => return Ok(()),
            sum => format!("its checksum is {:08x}, and was saved as {:08x}", sum.crc32, expected.crc32),
        }
    };
    Err(Error::new(who, format!("{} is damaged: {what}", path.display()))
        .help(format!("restore it from a copy; if it was changed on purpose, remove {}", table.display())))
}

/// The result of checking a JSON text against its own checksum.
#[derive(Debug, PartialEq, Eq)]
pub enum Check {
    /// It has no checksum.
    Absent,
    Right,
    Wrong,
}

/// A JSON object, on one line or several, with its checksum as the last key.
pub fn with_checksum(object: &str) -> String {
    let body = object.trim_end();
    let body = body.strip_suffix('}').unwrap_or(body);
    let inside = body.trim_end();
    let (comma, space) = (if inside.ends_with('{') { "" } else { "," }, &body[inside.len()..]);
    let (indent, colon) = if space.is_empty() { ("", ":") } else { ("\n  ", ": ") };
    let start = format!("{inside}{comma}{indent}\"{KEY}\"{colon}\"");
    let crc32 = Sum::of(start.as_bytes()).crc32;
    format!("{start}{crc32:08x}\"{space}}}")
}

/// Whether a JSON text is unchanged since its checksum was made. A text whose key is damaged counts as having one.
pub fn checked(text: &[u8]) -> Check {
    const DIGITS: usize = 8;
    let end = text.trim_ascii_end();
    let tail = end.len().saturating_sub(KEY.len() + DIGITS + 16);
    let Some(key) = end[tail..].windows(KEY.len()).rposition(is_near).map(|at| tail + at) else { return Check::Absent };
    let is_right = || {
        let (start, rest) = end.split_at(key + KEY.len());
        start.ends_with(KEY.as_bytes()).then_some(())?;
        let value = rest.iter().position(|byte| *byte != b'"' && *byte != b':' && *byte != b' ')?;
        let digits = rest.get(value..value + DIGITS)?;
        let after = rest[value + DIGITS..].strip_prefix(b"\"")?.trim_ascii();
        let is_hex = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let told = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        (is_hex && after == b"}" && Sum::of(&end[..key + KEY.len() + value]).crc32 == told).then_some(())
    };
    if is_right().is_some() { Check::Right } else { Check::Wrong }
}

/// Whether a line of JSON has a checksum, or one whose key is damaged.
pub fn is_sealed_line(line: &str) -> bool {
    const END: usize = "\":\"12345678\"}".len();
    let key = line.len().checked_sub(KEY.len() + END).and_then(|start| line.as_bytes().get(start..start + KEY.len()));
    key.is_some_and(is_near)
}

/// Whether a word is the key, with at most one wrong byte.
fn is_near(word: &[u8]) -> bool {
    word.iter().zip(KEY.bytes()).filter(|(one, other)| **one != *other).count() <= 1
}

/// A JSON line without its checksum, for readers of its fields.
pub fn without_checksum(line: &str) -> String {
    let Some(key) = line.rfind(&format!("\"{KEY}\"")) else { return line.to_string() };
    let inside = line[..key].trim_end();
    format!("{}}}", inside.strip_suffix(',').unwrap_or(inside))
}
