//! Tar archives: the header of each file (POSIX.1-2017, pax; GNU's long names) is parsed by the crate `tar`.

use super::{FilePosition, Input, Member, Members, NAME, is_own};
use crate::sync::unpoisoned;
use crate::{Result, cancel};
use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex};
use tar::{Archive, EntryType};

const BLOCK: u64 = 512;

/// The archive, and the rest of the current file.
struct Tape {
    input: Input,
    left: u64,
    /// Zeros after it.
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

/// The header of a file.
struct Header {
    name: String,
    /// Bytes that follow.
    size: u64,
    kind: EntryType,
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

/// The next file; folders, links and other entries are skipped.
fn next(tape: &Arc<Mutex<Tape>>, place: &FilePosition, mut is_first: bool) -> Result<Option<Member>> {
    loop {
        cancel::check()?;
        let mut held = unpoisoned(tape.lock());
        skip(&mut held, place)?;
        let Some(header) = header(&mut held.input, place, is_first)? else { return Ok(None) };
        is_first = false;
        (held.left, held.padding) = (header.size, header.size.next_multiple_of(BLOCK) - header.size);
        if matches!(header.kind, EntryType::Regular | EntryType::Continuous) {
            return Ok(Some(Member { name: header.name, input: Box::new(Content(tape.clone())) }));
        }
    }
}

/// Skips the rest of a file.
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

/// The next header, including a long name; `None` at the end. An archive of `tar` borrows its files, so each header is read as
/// the first of a new archive.
fn header(input: &mut Input, place: &FilePosition, is_first: bool) -> Result<Option<Header>> {
    let mut limited = input.take(NAME);
    let next = Archive::new(&mut limited).entries().and_then(|mut entries| {
        let Some(entry) = entries.next().transpose()? else { return Ok(None) };
        // the holes of a sparse file are not in the archive
        let size =
            if entry.header().entry_type().is_gnu_sparse() { entry.header().entry_size()? } else { entry.size() };
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        Ok(Some(Header { name, size, kind: entry.header().entry_type() }))
    });
    match next {
        Err(_) if limited.limit() == 0 => Err(place.error("broken tar: a name of more than 1 MB")),
        // an error of the input, not of the crate
        Err(error) if error.kind() != ErrorKind::Other || is_own(&error) => Err(place.io(&error)),
        Ok(None) | Err(_) if is_first => Err(place.error("it is no tar file")),
        Err(error) => Err(place.error(format!("broken tar: {error}"))),
        Ok(Some(header)) if header.size >= 1 << 60 => {
            Err(place.error(format!("broken tar: {} does not tell its size", header.name)))
        }
        Ok(next) => Ok(next),
    }
}
