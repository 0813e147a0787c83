//! The record of a run: a row per step, in memory and as JSON lines.

use crate::files::{self, Counted};
use crate::sync::unpoisoned;
use crate::{Error, Result, bail};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

pub type Row = Map<String, Value>;

/// A handle: copies are the same record.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    rows: Vec<Row>,
    path: Option<PathBuf>,
    file: Option<Counted<File>>,
}

impl Record {
    /// In memory only.
    pub fn new() -> Record {
        Record::default()
    }

    /// A new record at `path`. What is there stays until the first row is added.
    pub fn create(path: impl AsRef<Path>) -> Record {
        let path = Some(path.as_ref().to_path_buf());
        Record(Arc::new(Mutex::new(Inner { path, ..Inner::default() })))
    }

    /// The record at `path`, cut back to rows whose `step` is at most `until`. A last line that a kill has cut
    /// is dropped; no file is an empty record.
    pub fn reopen(path: impl AsRef<Path>, until: u64) -> Result<Record> {
        let path = path.as_ref();
        let mut lines = read(path)?;
        lines.retain(|(_, row)| row.get("step").and_then(Value::as_u64).is_none_or(|step| step <= until));
        // the lines themselves, so that not a digit changes
        let (text, rows): (Vec<Vec<u8>>, Vec<Row>) = lines.into_iter().unzip();
        files::write_all("record", path, &text.concat())?;
        let file = files::append("record", path)?;
        let inner = Inner { rows, path: Some(path.to_path_buf()), file: Some(file) };
        Ok(Record(Arc::new(Mutex::new(inner))))
    }

    /// Adds a row; it is in the file when this returns.
    pub fn add(&self, row: Row) -> Result<()> {
        self.inner().add(row)
    }

    /// The values under `name`, of the rows that have it.
    pub fn column(&self, name: &str) -> Result<Vec<Value>> {
        let inner = self.inner();
        let values: Vec<Value> = inner.rows.iter().filter_map(|row| row.get(name).cloned()).collect();
        if values.is_empty() && !inner.rows.is_empty() {
            let error = Error::new("column", format!("no row has `{name}`"));
            let names = inner.rows.iter().flat_map(|row| row.keys().map(String::as_str));
            return Err(error.meant(name, names));
        }
        Ok(values)
    }

    pub fn rows(&self) -> Vec<Row> {
        self.inner().rows.clone()
    }

    pub fn last(&self) -> Option<Row> {
        self.inner().rows.last().cloned()
    }

    pub fn len(&self) -> usize {
        self.inner().rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn path(&self) -> Option<PathBuf> {
        self.inner().path.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        unpoisoned(self.0.lock())
    }
}

impl Inner {
    fn add(&mut self, row: Row) -> Result<()> {
        if let Some(path) = &self.path {
            let fault = |error: std::io::Error| Error::io("record", path, &error);
            if self.file.is_none() {
                self.file = Some(files::create("record", path)?);
            }
            if let Some(file) = &mut self.file {
                file.write_all(line(&row).as_bytes()).map_err(fault)?;
            }
        }
        self.rows.push(row);
        Ok(())
    }
}

fn line(row: &Row) -> String {
    let mut text = serde_json::to_string(row).unwrap_or_default();
    text.push('\n');
    text
}

fn read(path: &Path) -> Result<Vec<(Vec<u8>, Row)>> {
    let Some(bytes) = files::read_if_there("record", path)? else { return Ok(Vec::new()) };
    // only a line that ends was written whole
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut lines = Vec::new();
    for (index, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(row) => lines.push((line.to_vec(), row)),
            Err(error) => bail!("record", "{}:{}: not a JSON object ({error})", path.display(), index + 1),
        }
    }
    Ok(lines)
}
