//! Tar (POSIX.1-2017, pax; GNU's long names): a header of 512 bytes before each file.

use super::{FilePosition, Input, Member, Members, NAME};
use crate::sync::unpoisoned;
use crate::{Result, cancel};
use std::io::Read;
use std::sync::{Arc, Mutex};

const BLOCK: usize = 512;

/// The archive, and what is left of the file that is being read.
struct Tape {
    input: Input,
    left: u64,
    /// Zeros behind it.
    padding: u64,
}

struct Content(Arc<Mutex<Tape>>);

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let mut tape = unpoisoned(self.0.lock());
        let most = into.len().min(usize::try_from(tape.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let count = tape.input.read(&mut into[..most])?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        tape.left -= count as u64;
        Ok(count)
    }
}

struct Header {
    name: String,
    size: u64,
    kind: u8,
}

pub fn members(input: Input, place: FilePosition) -> Members {
    let tape = Arc::new(Mutex::new(Tape { input, left: 0, padding: 0 }));
    let mut is_first = true;
    Box::new(std::iter::from_fn(move || {
        let next = next(&tape, &place, is_first).transpose();
        is_first = false;
        next
    }))
}

/// The next file; folders, links and the rest are passed over.
fn next(tape: &Arc<Mutex<Tape>>, place: &FilePosition, mut is_first: bool) -> Result<Option<Member>> {
    let (mut long, mut size) = (None, None);
    loop {
        cancel::check()?;
        let mut held = unpoisoned(tape.lock());
        skip(&mut held, place)?;
        let Some(header) = header(&mut held, place, is_first)? else { return Ok(None) };
        is_first = false;
        let length = size.take().unwrap_or(header.size);
        (held.left, held.padding) = (length, length.next_multiple_of(BLOCK as u64) - length);
        match header.kind {
            0 | b'0' | b'7' => {
                drop(held);
                let name = long.take().unwrap_or(header.name);
                return Ok(Some(Member { name, input: Box::new(Content(tape.clone())) }));
            }
            b'L' => {
                let bytes = content(&mut held, place)?;
                long = Some(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_string());
            }
            b'x' => {
                let bytes = content(&mut held, place)?;
                (long, size) = records(&bytes, long, size);
            }
            // what follows is about this file alone
            _ => (long, size) = (None, None),
        }
    }
}

/// Passes over what is left of a file.
fn skip(tape: &mut Tape, place: &FilePosition) -> Result<()> {
    let rest = tape.left + tape.padding;
    let skipped = std::io::copy(&mut (&mut tape.input).take(rest), &mut std::io::sink());
    let skipped = skipped.map_err(|error| place.io(&error))?;
    if skipped < tape.left {
        return Err(place.error("broken tar: the file ends in the middle of one that is in it"));
    }
    (tape.left, tape.padding) = (0, 0);
    Ok(())
}

/// A name or a list that is longer than a header has room for.
fn content(tape: &mut Tape, place: &FilePosition) -> Result<Vec<u8>> {
    if tape.left > NAME {
        return Err(place.error("broken tar: a name of more than 1 MB"));
    }
    let mut bytes = Vec::new();
    (&mut tape.input).take(tape.left).read_to_end(&mut bytes).map_err(|error| place.io(&error))?;
    tape.left -= bytes.len() as u64;
    Ok(bytes)
}

/// `25 path=a long name\n`: what pax says of the file behind it.
fn records(mut bytes: &[u8], mut name: Option<String>, mut size: Option<u64>) -> (Option<String>, Option<u64>) {
    loop {
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = std::str::from_utf8(&bytes[..digits]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let Some(record) = length.and_then(|length| bytes.get(digits + 1..length)) else { return (name, size) };
        let record = String::from_utf8_lossy(record);
        match record.trim_end_matches('\n').split_once('=') {
            Some(("path", path)) => name = Some(path.to_string()),
            Some(("size", given)) => size = given.parse().ok().or(size),
            _ => {}
        }
        bytes = &bytes[length.unwrap_or(bytes.len())..];
    }
}

/// The next header; none at the end.
fn header(tape: &mut Tape, place: &FilePosition, is_first: bool) -> Result<Option<Header>> {
    let mut block = Vec::with_capacity(BLOCK);
    (&mut tape.input).take(BLOCK as u64).read_to_end(&mut block).map_err(|error| place.io(&error))?;
    if !is_first && (block.is_empty() || block.iter().all(|byte| *byte == 0)) {
        return Ok(None);
    }
    let sum: u64 =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
    if block.len() < BLOCK || number(&block[148..156]) != Some(sum) {
        let what =
            if is_first { "it is no tar file" } else { "broken tar: a header has another checksum than it says" };
        return Err(place.error(what));
    }
    let text = |range: std::ops::Range<usize>| {
        let bytes = block[range].split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let prefix = if block[257..262] == *b"ustar" && block[262] == 0 { text(345..500) } else { String::new() };
    let name = if prefix.is_empty() { text(0..100) } else { format!("{prefix}/{}", text(0..100)) };
    let Some(size) = number(&block[124..136]).filter(|size| *size < 1 << 60) else {
        return Err(place.error(format!("broken tar: {name} does not tell its size")));
    };
    Ok(Some(Header { name, size, kind: block[156] }))
}

/// A number: octal digits, or where its first bit is set bytes.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let bytes = field.iter().skip(1).skip_while(|byte| **byte == 0);
        return bytes.clone().count().le(&8).then(|| bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}
