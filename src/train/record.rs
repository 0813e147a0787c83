//! The record of a run: a row per step, in memory and as JSON lines, each with its checksum.

use super::events::{self, Events};
use crate::files::sums::{self, Check, KEY};
use crate::files::{self, Counted};
use crate::sync::unpoisoned;
use crate::{Error, Result, bail, ranks};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

pub type Row = Map<String, Value>;

/// A handle: clones refer to the same record.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    rows: Vec<Row>,
    path: Option<PathBuf>,
    file: Option<Counted<File>>,
    /// Valid bytes of the file: the remainder of a failed write is truncated.
    length: u64,
    is_reopened: bool,
    /// TensorBoard events, if requested.
    events: Option<Events>,
}

impl Record {
    /// A record in memory only.
    pub fn new() -> Record {
        Record::default()
    }

    /// A new record at `path`. Existing contents stay until the first row is added.
    pub fn create(path: impl AsRef<Path>) -> Record {
        let path = Some(path.as_ref().to_path_buf());
        Record(Arc::new(Mutex::new(Inner { path, ..Inner::default() })))
    }

    /// The record at `path`, truncated to rows whose `step` is at most `until`. A last line cut short by a kill is dropped; a
    /// missing file is an empty record.
    pub fn reopen(path: impl AsRef<Path>, until: u64) -> Result<Record> {
        let path = path.as_ref();
        let mut lines = read(path)?;
        lines.retain(|(_, row)| row.get("step").and_then(Value::as_u64).is_none_or(|step| step <= until));
        // the lines themselves, so that every digit is preserved
        let (text, rows): (Vec<Vec<u8>>, Vec<Row>) = lines.into_iter().unzip();
        files::write_all("record", path, &text.concat())?;
        let file = if ranks::is_first() { Some(files::append("record", path)?) } else { None };
        let length = text.iter().map(Vec::len).sum::<usize>() as u64;
        let inner = Inner { rows, path: Some(path.to_path_buf()), file, length, is_reopened: true, events: None };
        Ok(Record(Arc::new(Mutex::new(inner))))
    }

    /// Writes a TensorBoard event file beside the record, from the next row on; when a record resumes its event file is truncated
    /// too.
    pub fn with_events(self) -> Result<Record> {
        let mut inner = self.inner();
        if let Some(path) = &inner.path {
            let place = events::path_beside(path);
            inner.events = Some(match inner.is_reopened {
                true => Events::reopen(place, inner.rows.len())?,
                false => Events::create(place),
            });
        }
        drop(inner);
        Ok(self)
    }

    /// Adds a row, which is in the file on return.
    pub fn add(&self, row: Row) -> Result<()> {
        self.inner().add(row)
    }

    /// Waits until the rows are on disk, and returns their number, which a checkpoint may rely on.
    pub fn kept(&self) -> Result<usize> {
        let inner = self.inner();
        if let (Some(path), Some(file)) = (&inner.path, &inner.file) {
            files::sync("record", path, file.get_ref())?;
        }
        Ok(inner.rows.len())
    }

    /// The values under `name` of the rows that have it.
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
        if row.contains_key(KEY) {
            bail!("record", "`{KEY}` is the checksum of a row, and can't be a value in it");
        }
        if let Some(path) = self.path.clone() {
            ranks::first(&format!("record {}", path.display()), || self.write(&path, &row))?;
        }
        self.rows.push(row);
        Ok(())
    }

    fn write(&mut self, path: &Path, row: &Row) -> Result<()> {
        let line = line(row);
        match &mut self.file {
            // existing contents are replaced when the first row is on disk
            None => self.file = Some(files::begin("record", path, line.as_bytes())?),
            Some(file) => {
                if let Err(error) = file.write_all(line.as_bytes()) {
                    files::cut("record", path, file.get_ref(), self.length).ok();
                    return Err(Error::io("record", path, &error));
                }
            }
        }
        self.length += line.len() as u64;
        match &mut self.events {
            Some(events) => events.add(row, self.rows.len()),
            None => Ok(()),
        }
    }
}

fn line(row: &Row) -> String {
    let mut text = sums::with_checksum(&serde_json::to_string(row).unwrap_or_default());
    text.push('\n');
    text
}

fn read(path: &Path) -> Result<Vec<(Vec<u8>, Row)>> {
    let Some(bytes) = files::read_if_there("record", path)? else { return Ok(Vec::new()) };
    // only a terminated line was written completely
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let damaged = |line: usize, what: &str| {
        Error::new("record", format!("{}:{line}: {what}", path.display()))
            .help("restore the file from a copy, or take the line out")
    };
    let mut lines = Vec::new();
    for (index, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        if sums::checked(line) == Check::Wrong {
            return Err(damaged(index + 1, "the row is damaged: it is not what its checksum says"));
        }
        match serde_json::from_slice::<Row>(line) {
            Ok(mut row) => {
                row.shift_remove(KEY);
                lines.push((line.to_vec(), row));
            }
            Err(error) => return Err(damaged(index + 1, &format!("not a JSON object ({error})"))),
        }
    }
    // a row whose newline was changed to another byte was not cut short
    if let [row @ .., _] = &bytes[whole..]
        && sums::checked(row) == Check::Right
    {
        return Err(damaged(lines.len() + 1, "the row is damaged: something is behind its end"));
    }
    Ok(lines)
}
