//! Zip (APPNOTE 6.3): a list of the files at the end, with where each begins. Stored, deflated, or packed by zstd.

use super::{Budget, FilePosition, Input, LIST, Member, Members};
use crate::data::read::charset;
use crate::files::sums;
use crate::{Result, bail, limits};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// The end of the list, with the longest comment behind it.
const END: usize = 22 + 65_535;

fn short(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 2).map_or(0, |two| u64::from(u16::from_le_bytes([two[0], two[1]])))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    short(bytes, at) | short(bytes, at + 2) << 16
}

fn longest(bytes: &[u8], at: usize) -> u64 {
    long(bytes, at) | long(bytes, at + 4) << 32
}

/// A file of the list.
struct Entry {
    name: String,
    method: u64,
    is_locked: bool,
    crc32: u32,
    packed: u64,
    size: u64,
    start: u64,
}

pub fn members(mut file: File, budget: &Budget, place: &FilePosition) -> Result<Members> {
    let list = list(&mut file, place)?;
    let mut entries = Vec::new();
    let mut at = 0;
    while list.get(at..at + 4) == Some(b"PK\x01\x02") {
        let name = 46 + short(&list, at + 28) as usize;
        let end = name + short(&list, at + 30) as usize + short(&list, at + 32) as usize;
        let Some(bytes) = list.get(at..at + end) else { break };
        entries.push(entry(bytes));
        at += end;
    }
    entries.retain(|entry| !entry.name.ends_with(['/', '\\']));
    let (budget, place) = (budget.clone(), place.clone());
    Ok(Box::new(entries.into_iter().map(move |entry| member(&file, entry, &budget, &place))))
}

/// The bytes of the list.
fn list(file: &mut File, place: &FilePosition) -> Result<Vec<u8>> {
    let told = |error: std::io::Error| place.io(&error);
    let size = file.seek(SeekFrom::End(0)).map_err(told)?;
    let tail_start = size.saturating_sub(END as u64);
    let tail = section(file, tail_start, size - tail_start).map_err(told)?;
    let Some(end) = tail.windows(4).rposition(|sign| sign == b"PK\x05\x06").filter(|end| tail.len() - end >= 22) else {
        return Err(place.error("it is no zip file, or its end is missing"));
    };
    let (mut length, mut start) = (long(&tail, end + 12), long(&tail, end + 16));
    // of large archives another end stands before it
    if let Some(locator) = end.checked_sub(20).filter(|at| tail[*at..].starts_with(b"PK\x06\x07")) {
        let large = section(file, longest(&tail, locator + 8).min(size), 56).map_err(told)?;
        if large.starts_with(b"PK\x06\x06") {
            (length, start) = (longest(&large, 40), longest(&large, 48));
        }
    }
    if start.checked_add(length).is_none_or(|end| end > size) || length > LIST {
        return Err(place.error("broken zip: its list of files is not where it says"));
    }
    limits::room(place.who, length, place.path.display())?;
    section(file, start, length).map_err(told)
}

fn section(file: &mut File, start: u64, length: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn entry(bytes: &[u8]) -> Entry {
    let name_end = 46 + short(bytes, 28) as usize;
    let extra_end = name_end + short(bytes, 30) as usize;
    let flags = short(bytes, 8);
    let (mut packed, mut size, mut start) = (long(bytes, 20), long(bytes, 24), long(bytes, 42));
    let mut extra = &bytes[name_end..extra_end];
    while extra.len() >= 4 {
        let length = (4 + short(extra, 2) as usize).min(extra.len());
        if short(extra, 0) == 1 {
            let mut at = 4;
            // those that don't fit into four bytes, in this order
            for value in [&mut size, &mut packed, &mut start] {
                if *value == u64::from(u32::MAX) && at + 8 <= length {
                    (*value, at) = (longest(extra, at), at + 8);
                }
            }
        }
        extra = &extra[length..];
    }
    let name = &bytes[46..name_end];
    let name = match std::str::from_utf8(name) {
        Ok(name) => name.to_string(),
        // of an older program, in the encoding of its system
        Err(_) => charset::lossy(name, None),
    };
    Entry {
        name,
        method: short(bytes, 10),
        is_locked: flags & 1 != 0,
        crc32: long(bytes, 16) as u32,
        packed,
        size,
        start,
    }
}

/// A file of the list, to be read.
fn member(file: &File, entry: Entry, budget: &Budget, place: &FilePosition) -> Result<Member> {
    let fault = |what: &str| place.error(format!("{}: {what}", entry.name));
    let told = |error: std::io::Error| place.io(&error);
    if entry.is_locked {
        return Err(fault("it is encrypted, and there is no password here").help("unpack it, and read the folder"));
    }
    let mut file = file.try_clone().map_err(told)?;
    let head = section(&mut file, entry.start, 30).map_err(told)?;
    if !head.starts_with(b"PK\x03\x04") || head.len() < 30 {
        return Err(fault("broken zip: it does not begin where the list says"));
    }
    let at = entry.start + 30 + short(&head, 26) + short(&head, 28);
    let packed = Section { file, at, left: entry.packed };
    let input: Input = match entry.method {
        0 => Box::new(packed),
        8 => Box::new(flate2::read::DeflateDecoder::new(packed)),
        93 => Box::new(zstd::stream::read::Decoder::new(packed).map_err(told)?),
        other => {
            let error =
                fault(&format!("it is packed by method {other}, and none, deflate (8) and zstd (93) are known"));
            return Err(error.help("unpack it, and read the folder"));
        }
    };
    let input =
        Box::new(Checked { input, crc32: 0, came: 0, expected: (entry.crc32, entry.size), place: place.clone() });
    Ok(Member { name: entry.name, input: budget.guard(input) })
}

/// A stretch of the file.
struct Section {
    file: File,
    at: u64,
    left: u64,
}

impl Read for Section {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.file.seek(SeekFrom::Start(self.at))?;
        let count = self.file.read(&mut into[..most])?;
        (self.at, self.left) = (self.at + count as u64, self.left - count as u64);
        Ok(count)
    }
}

/// Holds what comes against the checksum and the size of the list.
struct Checked {
    input: Input,
    crc32: u32,
    came: u64,
    expected: (u32, u64),
    place: FilePosition,
}

impl Checked {
    fn check(&self) -> Result<()> {
        if (self.crc32, self.came) != self.expected {
            bail!(
                self.place.who,
                "{}: broken zip: a file in it is not what its checksum says",
                self.place.path.display()
            );
        }
        Ok(())
    }
}

impl Read for Checked {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(into)?;
        if count == 0 && !into.is_empty() {
            self.check().map_err(std::io::Error::other)?;
        }
        self.crc32 = sums::continued(self.crc32, &into[..count]);
        self.came += count as u64;
        Ok(count)
    }
}
