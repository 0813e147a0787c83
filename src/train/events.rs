//! TensorBoard's event files: records of protocol buffers, each with masked checksums.
//! <https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto>

use crate::files::{self, Counted};
use crate::{Error, Result, bail, ranks};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const WHO: &str = "record";

/// An event file, to which each row adds one event.
pub struct Events {
    path: PathBuf,
    file: Option<Counted<File>>,
}

/// The path of a record's events: in its folder, which TensorBoard is pointed at.
pub fn path_beside(record: &Path) -> PathBuf {
    let stem = record.file_stem().unwrap_or_default().to_string_lossy();
    record.with_file_name(format!("events.out.tfevents.0.{stem}"))
}

impl Events {
    /// A new file; existing contents stay until the first row.
    pub fn create(path: PathBuf) -> Events {
        Events { path, file: None }
    }

    /// The file, truncated to the events of its first `rows` rows.
    pub fn reopen(path: PathBuf, rows: usize) -> Result<Events> {
        let bytes = files::read_if_there(WHO, &path)?.unwrap_or_default();
        let Some(end) = end_of(&bytes, rows + 1) else {
            // the rows are older than the event file, which begins with the next row
            return Ok(Events::create(path));
        };
        files::write_all(WHO, &path, &bytes[..end])?;
        let file = if ranks::is_first() { Some(files::append(WHO, &path)?) } else { None };
        Ok(Events { path, file })
    }

    /// Adds the numbers of a row, as scalars of its `step`.
    pub fn add(&mut self, row: &Map<String, Value>, index: usize) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let step = row.get("step").and_then(Value::as_i64).unwrap_or(index as i64);
        let event = framed(&scalars(now, step, row))?;
        match &mut self.file {
            Some(file) => file.write_all(&event).map_err(|error| Error::io(WHO, &self.path, &error))?,
            None => {
                let first = framed(&[double(1, now), text(3, "brain.Event:2")].concat())?;
                self.file = Some(files::begin(WHO, &self.path, &[first, event].concat())?);
            }
        }
        Ok(())
    }
}

/// The end of the first `count` records, if there are that many.
fn end_of(bytes: &[u8], count: usize) -> Option<usize> {
    let mut at = 0;
    for _ in 0..count {
        let length = u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
        at = at.checked_add(16)?.checked_add(usize::try_from(length).ok()?)?;
    }
    (at <= bytes.len()).then_some(at)
}

/// `Event { wall_time, step, summary }`, with a `Summary.Value { tag, simple_value }` for each number.
fn scalars(now: f64, step: i64, row: &Map<String, Value>) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in row.iter().filter(|(tag, _)| *tag != "step") {
        let Some(number) = number(value) else { continue };
        let value = [text(1, tag), [vec![2 << 3 | 5], (number as f32).to_le_bytes().to_vec()].concat()].concat();
        summary.extend(bytes(1, &value));
    }
    [double(1, now), [vec![2 << 3], varint(step as u64)].concat(), bytes(5, &summary)].concat()
}

/// A number, including those that JSON can't represent.
fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => value.as_f64(),
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut made = Vec::new();
    while number >= 0x80 {
        made.push(number as u8 | 0x80);
        number >>= 7;
    }
    made.push(number as u8);
    made
}

fn double(field: u8, number: f64) -> Vec<u8> {
    [vec![field << 3 | 1], number.to_le_bytes().to_vec()].concat()
}

fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(value.len() as u64), value.to_vec()].concat()
}

fn text(field: u8, value: &str) -> Vec<u8> {
    bytes(field, value.as_bytes())
}

/// A record: its length and its bytes, each followed by its checksum.
fn framed(event: &[u8]) -> Result<Vec<u8>> {
    if event.len() > 1 << 30 {
        bail!(WHO, "a row of {} bytes is too long for an event", event.len());
    }
    let length = (event.len() as u64).to_le_bytes();
    let sums = [masked(crc32c(&length)), masked(crc32c(event))];
    Ok([&length[..], &sums[0].to_le_bytes(), event, &sums[1].to_le_bytes()].concat())
}

/// Masks a checksum, so that the checksum of bytes that contain one is not its complement.
fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32 with Castagnoli's polynomial, unlike zip's.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 })
    };
    !bytes.iter().fold(!0, step)
}
