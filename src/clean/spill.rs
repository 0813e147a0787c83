//! Bytes written once and read again: in memory up to a limit, beyond that in an unnamed file.

use crate::files::{self, Counted};
use crate::sync::unpoisoned;
use crate::{Error, Result};
use std::fs::File;
#[cfg(not(unix))]
use std::io::Read;
use std::io::{Seek, SeekFrom, Write};
#[cfg(unix)]
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

const WHO: &str = "clean";

#[derive(Default)]
pub struct Spill {
    /// The bytes not yet in the file.
    held: Vec<u8>,
    file: Option<Mutex<Counted<File>>>,
    filed: u64,
    /// Bytes that may stay in memory.
    room: usize,
}

fn told(error: std::io::Error) -> Error {
    Error::io(WHO, "a temporary file", &error)
}

impl Spill {
    /// Keeps up to `room` bytes in memory.
    pub fn new(room: usize) -> Spill {
        Spill { room, ..Spill::default() }
    }

    pub fn len(&self) -> u64 {
        self.filed + self.held.len() as u64
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.held.extend_from_slice(bytes);
        if self.held.len() < self.room {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(Mutex::new(files::scratch(WHO)?)),
        };
        let file = unpoisoned(file.get_mut());
        file.seek(SeekFrom::Start(self.filed)).map_err(told)?;
        file.write_all(&self.held).map_err(told)?;
        self.filed += self.held.len() as u64;
        self.held.clear();
        Ok(())
    }

    /// `count` of the pushed bytes, from `start` on.
    pub fn read(&self, start: u64, count: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let in_file = (self.filed.saturating_sub(start) as usize).min(count);
        if let Some(file) = self.file.as_ref().filter(|_| in_file > 0) {
            read_at(file, start, &mut bytes[..in_file]).map_err(told)?;
        }
        let from = (start + in_file as u64).saturating_sub(self.filed) as usize;
        bytes[in_file..].copy_from_slice(&self.held[from..from + count - in_file]);
        Ok(bytes)
    }
}

#[cfg(unix)]
fn read_at(file: &Mutex<Counted<File>>, start: u64, into: &mut [u8]) -> std::io::Result<()> {
    // all threads share one handle of the file
    let file = unpoisoned(file.lock()).get_ref().try_clone()?;
    file.read_exact_at(into, start)
}

#[cfg(not(unix))]
fn read_at(file: &Mutex<Counted<File>>, start: u64, into: &mut [u8]) -> std::io::Result<()> {
    let file = unpoisoned(file.get_mut());
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(into)
}
