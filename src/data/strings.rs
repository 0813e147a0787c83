//! Many concatenated strings. Once they are many the first ones are moved to a file, so that a dataset may be larger than memory;
//! the system pages them in as they are read.

use super::blocks::Blocks;
use crate::cancel::{self, Cancel};
use crate::files::Counted;
use crate::{Error, Result, files};
use memmap2::{Mmap, UncheckedAdvice};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct Strings {
    filed: Option<Arc<Filed>>,
    /// The strings after the filed ones.
    text: String,
    ends: Vec<usize>,
    /// There was no space for a file: everything stays in memory.
    stays: bool,
}

const WHO: &str = "dataset";

/// Maximum bytes in memory.
const HELD: usize = 16 << 20;

impl Strings {
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.split() + self.text.len());
        self.file();
    }

    pub fn append(&mut self, more: &Strings) {
        let base = self.split() + self.text.len();
        // a file may be many times as large as the part in memory: copy it in pieces of whole strings
        let mut from = 0;
        while let Some(start) = (from < more.len()).then(|| more.start(from)) {
            let to = more.ends.partition_point(|end| *end < start + HELD).max(from + 1).min(more.len());
            (from..to).for_each(|row| self.text.push_str(more.get(row)));
            self.ends.extend(more.ends[from..to].iter().map(|end| base + end));
            from = to;
            self.file();
        }
    }

    pub fn get(&self, row: usize) -> &str {
        let (start, end, split) = (self.start(row), self.ends[row], self.split());
        match &self.filed {
            Some(filed) if start < split => filed.get(start, end),
            _ => &self.text[start - split..end - split],
        }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of memory, without filed strings.
    pub fn size(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<usize>()
    }

    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Releases the pages of the file; they are paged in again when read.
    pub fn unload(&self) {
        if let Some(filed) = &self.filed {
            filed.unload();
        }
    }

    fn start(&self, row: usize) -> usize {
        if row == 0 { 0 } else { self.ends[row - 1] }
    }

    /// The start of the part in memory.
    fn split(&self) -> usize {
        self.filed.as_ref().map_or(0, |filed| filed.length)
    }

    /// Moves the part in memory to the file, if it is large.
    fn file(&mut self) {
        if self.text.len() < HELD || self.stays {
            return;
        }
        let done = if let Some(own) = self.filed.as_mut().and_then(Arc::get_mut) {
            own.append(&self.text)
        } else {
            // a file shared with another column is never written to
            Filed::of(self.filed.as_deref(), &self.text).map(|filed| self.filed = Some(Arc::new(filed)))
        };
        match done {
            Ok(()) => self.text.clear(),
            Err(_) => self.stays = true,
        }
    }
}

fn told(error: std::io::Error) -> Error {
    Error::new(WHO, error.to_string())
}

/// Strings in an unnamed file.
#[derive(Debug)]
struct Filed {
    file: Counted<File>,
    map: Mmap,
    /// Valid bytes of the file.
    length: usize,
    blocks: Blocks,
    /// The work to end if the file is damaged.
    work: Work,
}

impl Filed {
    /// A new file with the contents of another, followed by more.
    fn of(before: Option<&Filed>, text: &str) -> Result<Filed> {
        let file = files::scratch(WHO)?;
        let map = files::mapped(file.get_ref()).map_err(told)?;
        let mut filed = Filed { map, file, length: 0, blocks: Blocks::default(), work: Work(cancel::current()) };
        if let Some(before) = before {
            let text = before.get(0, before.length);
            if text.len() < before.length {
                return Err(Error::new(WHO, "damaged"));
            }
            filed.append(text)?;
        }
        filed.append(text)?;
        Ok(filed)
    }

    /// Appends after the valid bytes. On an error nothing has changed.
    fn append(&mut self, text: &str) -> Result<()> {
        self.file.seek(SeekFrom::Start(self.length as u64)).map_err(told)?;
        self.file.write_all(text.as_bytes()).map_err(told)?;
        self.map = files::mapped(self.file.get_ref()).map_err(told)?;
        self.blocks.append(text.as_bytes());
        self.length += text.len();
        Ok(())
    }

    /// Returns strings as written. Damaged ones are empty, and end the work: callers can't report an error.
    fn get(&self, start: usize, end: usize) -> &str {
        if start < end && !self.blocks.are_whole(&self.map[..self.length], start, end) {
            let error = Error::damage(
                WHO,
                "the temporary file with its rows is damaged: the disk returns other bytes than were written",
            );
            self.work.0.fail(
                error.help("the disk is broken, or something else wrote into the file: $TMPDIR names another place"),
            );
            return "";
        }
        // SAFETY: these bytes were written from a `str`, and only whole strings are read
        unsafe { std::str::from_utf8_unchecked(&self.map[start..end]) }
    }

    fn unload(&self) {
        self.blocks.forget();
        // SAFETY: the pages belong to a file, from which they are read again
        let _ = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}

struct Work(Cancel);

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("Work")
    }
}
