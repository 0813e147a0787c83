//! The log of fetched pages: one line per page, appended as it arrives, so that an interrupted run resumes.

use super::WHO;
use crate::files::{self, Counted};
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub struct Log {
    path: PathBuf,
    file: Counted<File>,
    length: u64,
    /// Offset of the line of each address.
    places: HashMap<String, (u64, u64)>,
}

impl Log {
    /// Opens the log of an earlier run, without an incomplete last line that a kill left.
    pub fn open(path: &Path) -> Result<Log> {
        let mut log = Log { path: path.into(), file: files::append(WHO, path)?, length: 0, places: HashMap::new() };
        let told = |error: std::io::Error| Error::io(WHO, path, &error);
        let mut lines = BufReader::new(files::open(WHO, path)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line).map_err(told)? == 0 {
                break;
            }
            let url = serde_json::from_slice::<Map<String, Value>>(&line).ok();
            let url = url.as_ref().and_then(|row| row.get("url")).and_then(Value::as_str);
            let Some(url) = url.filter(|_| line.ends_with(b"\n")) else { break };
            log.places.insert(url.to_string(), (log.length, line.len() as u64));
            log.length += line.len() as u64;
        }
        if log.file.get_ref().metadata().map_err(told)?.len() > log.length {
            files::cut(WHO, path, log.file.get_ref(), log.length)?;
        }
        Ok(log)
    }

    pub fn has(&self, url: &str) -> bool {
        self.places.contains_key(url)
    }

    pub fn add(&mut self, url: &str, row: &Map<String, Value>) -> Result<()> {
        let mut line = serde_json::to_vec(row).map_err(|error| Error::new(WHO, error.to_string()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| Error::io(WHO, &self.path, &error))?;
        self.places.insert(url.to_string(), (self.length, line.len() as u64));
        self.length += line.len() as u64;
        Ok(())
    }

    /// The line of an address.
    pub fn line(&mut self, url: &str) -> Result<Option<Vec<u8>>> {
        let Some((start, length)) = self.places.get(url).copied() else { return Ok(None) };
        let mut line = vec![0; length as usize];
        let read = self.file.seek(SeekFrom::Start(start)).and_then(|_| self.file.read_exact(&mut line));
        read.map_err(|error| Error::io(WHO, &self.path, &error))?;
        Ok(Some(line))
    }
}
