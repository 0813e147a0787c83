//! Archives: the files in a .zip or .tar, one after the other, each read like a single file. Nothing is unpacked to disk, and an
//! archive that unpacks to a hundred times its size is an error.

mod tar;
mod zip;

use super::{FilePosition, Input, Packing, Tables, TextForm, format_of, opened, unpack};
use crate::{Error, Result, progress, text};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Maximum ratio of unpacked to packed size; small archives may unpack to this many bytes.
const TIMES: u64 = 100;
const SMALL: u64 = 1 << 20;
/// Maximum length of a file name, and of a zip file's list.
const NAME: u64 = 1 << 20;
const LIST: u64 = 1 << 30;

/// A file in an archive.
struct Member {
    name: String,
    input: Input,
}

type Members = Box<dyn Iterator<Item = Result<Member>> + Send>;

pub fn zip(file: File, form: TextForm, place: FilePosition) -> Result<Tables> {
    let size = file.metadata().map_or(0, |facts| facts.len());
    let budget = Budget::of(size, &place);
    Ok(tables(zip::members(file, &budget, &place)?, size, form, place))
}

pub fn tar(file: File, packing: Packing, form: TextForm, place: FilePosition) -> Result<Tables> {
    let facts = file.metadata().ok().filter(|facts| facts.is_file());
    // the size of piped input is unknown
    let size = facts.map_or(u64::MAX / TIMES, |facts| facts.len());
    let budget = Budget::of(size, &place);
    let input = budget.guard(unpack(Box::new(file), packing, &place)?);
    Ok(tables(tar::members(input, place.clone()), size, form, place))
}

/// Whether a file in an archive is read: system files and hidden ones are not.
fn is_data(name: &str) -> bool {
    let is_hidden = |part: &str| part.starts_with('.') && part != "." || part == "__MACOSX";
    !name.split(['/', '\\']).any(is_hidden)
}

/// Whether an error is one of ours that came through a reader.
fn is_own(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|own| own.is::<Error>())
}

/// The tables of all data files.
fn tables(mut members: Members, size: u64, form: TextForm, place: FilePosition) -> Tables {
    // members may be compressed themselves
    let budget = Budget::of(size, &place);
    let mut current: Option<Tables> = None;
    let (mut read, mut others, mut done) = (0usize, 0usize, false);
    Box::new(std::iter::from_fn(move || {
        loop {
            if done {
                return None;
            }
            match current.as_mut().and_then(Iterator::next) {
                Some(table) => {
                    done = table.is_err();
                    return Some(table);
                }
                None => current = None,
            }
            let opened = match members.next() {
                Some(member) => member.and_then(|member| open(member, form, &place, &budget)),
                None => {
                    done = true;
                    return end(read, others, &place).map(Err);
                }
            };
            match opened {
                Ok(Some(tables)) => (current, read) = (Some(tables), read + 1),
                Ok(None) => others += 1,
                Err(error) => {
                    done = true;
                    return Some(Err(error));
                }
            }
        }
    }))
}

/// The end of an archive: an error if it holds no data.
fn end(read: usize, others: usize, place: &FilePosition) -> Option<Error> {
    if read == 0 {
        let error = place.error(format!("no data files are in it, among {}", text::counted(others, "file")));
        return Some(
            error.help("data is .jsonl .json .csv .tsv .parquet .txt .html or .warc, each also with .gz or .zst"),
        );
    }
    if others > 0 {
        let files = text::counted(others, "file");
        progress::warn(place.who, format!("{}: {files} of other endings are left out", place.path.display()));
    }
    None
}

/// The rows of a file in an archive; `None` if it is not data.
fn open(member: Member, form: TextForm, place: &FilePosition, budget: &Budget) -> Result<Option<Tables>> {
    let Member { name, mut input } = member;
    if name.split(['/', '\\']).any(|part| part == "..") {
        let error = place.error(format!("{name}: its name leads out of the archive, as no honest one does"));
        return Err(error.help("is it an attack? What you trust can be unpacked and read as a folder"));
    }
    let own = format!("{}/{}", place.path.display(), name.trim_start_matches(['/', '\\']));
    let place = FilePosition { path: own.into(), ..place.clone() };
    if !is_data(&name) || !is_known(&name, place.who) {
        return Ok(None);
    }
    let (format, packing) = format_of(place.who, Path::new(&name))?;
    if format.is_archive() {
        return Ok(None);
    }
    let mut first = [0];
    if input.read(&mut first).map_err(|error| place.io(&error))? == 0 {
        return Ok(Some(Box::new(std::iter::empty())));
    }
    let input: Input = Box::new(Cursor::new(first).chain(input));
    let input = budget.guard(unpack(input, packing, &place)?);
    opened(input, format, form, &place).map(Some)
}

fn is_known(name: &str, who: &str) -> bool {
    format_of(who, Path::new(name)).is_ok()
}

/// Remaining bytes that an archive may unpack to.
#[derive(Clone)]
struct Budget(Arc<Spent>);

struct Spent {
    size: u64,
    came: AtomicU64,
    place: FilePosition,
}

impl Budget {
    fn of(size: u64, place: &FilePosition) -> Budget {
        Budget(Arc::new(Spent { size, came: AtomicU64::new(0), place: place.clone() }))
    }

    fn guard(&self, input: Input) -> Input {
        Box::new(Guarded { input, budget: self.clone() })
    }

    /// Counts unpacked bytes.
    fn take(&self, count: usize) -> Result<()> {
        let came = self.0.came.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
        if came <= self.0.size.saturating_mul(TIMES).max(SMALL) {
            return Ok(());
        }
        let (size, came) = (text::bytes(self.0.size), text::bytes(came));
        let what =
            format!("it unpacks to more than {TIMES} times its size: {came} came out of {size}, and more is to come");
        let help = "is it a bomb? An archive of your own of such data can be unpacked and read as a folder";
        Err(self.0.place.error(what).help(help))
    }
}

struct Guarded {
    input: Input,
    budget: Budget,
}

impl Read for Guarded {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(into)?;
        self.budget.take(count).map_err(std::io::Error::other)?;
        Ok(count)
    }
}
