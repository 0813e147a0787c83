//! Comma and tab separated values. The first record names the fields.

use super::lines::LineBlocks;
use super::{FilePosition, Reject, Tables, TextForm};
use crate::data::column::Cell;
use crate::data::table::TableBuilder;
use crate::{Error, Result};
use std::io::Read;

/// Separators used elsewhere.
const OTHERS: [&str; 4] = [";", "\t", "|", ","];
/// Rows per table of the stream.
const ROWS: usize = 8192;

/// Opens a file with its extension's delimiter, or the given one.
pub fn open(input: Box<dyn Read + Send>, ending: u8, form: TextForm, place: FilePosition) -> Result<Tables> {
    let given = form.delimiter;
    let delimiter = given.unwrap_or(ending);
    let checked = Utf8 {
        blocks: LineBlocks::new(input, place.clone()),
        place: place.clone(),
        quotes: form.quotes.then_some(Quotes { delimiter, line: 1, opened: 1, at: At::Start }),
        block: Vec::new(),
        at: 0,
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).quoting(form.quotes).from_reader(checked);
    let names: Vec<std::sync::Arc<str>> =
        reader.headers().map_err(|error| fault(&error, &place))?.iter().map(Into::into).collect();
    let mut seen = std::collections::HashSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(place.line(1, format!("field `{name}` is there twice")));
    }
    if let ([name], None) = (&names[..], given)
        && let Some(other) = OTHERS.iter().find(|other| name.contains(**other))
    {
        let what = format!("the first line has no {ending:?}, but {other:?}", ending = char::from(ending));
        return Err(place.line(1, what).help(format!(
            "`delimiter: {other:?}` reads it so, `delimiter: {:?}` as the one field `{name}`",
            char::from(ending).to_string()
        )));
    }
    let mut done = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if done {
            return None;
        }
        let mut builder = TableBuilder::with_names(names.iter().cloned());
        let mut record = csv::StringRecord::new();
        while builder.rows() < ROWS {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Err(error) if place.goes_on() && is_of_row(&error) => {
                    if let Err(error) = place.put_aside(vec![reject(&error, &record)]) {
                        done = true;
                        return Some(Err(error));
                    }
                    continue;
                }
                Ok(false) => {
                    done = true;
                    break;
                }
                Err(error) => {
                    done = true;
                    return Some(Err(fault(&error, &place)));
                }
            }
            for (name, value) in names.iter().zip(&record) {
                builder.column(name).push(Cell::Text(value));
            }
            if let Err(what) = builder.end_row() {
                done = true;
                return Some(Err(place.error(what)));
            }
        }
        if let Err(stopped) = crate::cancel::check() {
            done = true;
            return Some(Err(stopped));
        }
        (builder.rows() > 0).then(|| Ok(builder.finish()))
    })))
}

fn fault(error: &csv::Error, place: &FilePosition) -> Error {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line) as usize;
            place.line(line, format!("{len} fields, where the first line has {expected_len}"))
        }
        csv::ErrorKind::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(own) => own.clone(),
            None => place.io(error),
        },
        _ => place.error(error),
    }
}

/// Whether the following rows can be read anyway.
fn is_of_row(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::UnequalLengths { .. })
}

fn reject(error: &csv::Error, record: &csv::StringRecord) -> Reject {
    let (line, why) = match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let why = format!("{len} fields, where the first line has {expected_len}");
            (pos.as_ref().map_or(0, csv::Position::line) as usize, why)
        }
        _ => (0, error.to_string()),
    };
    Reject { line, why, text: record.iter().collect::<Vec<_>>().join(",") }
}

/// The position of a reader in a field.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// After a quote that closes the field, or is the first of an escaped pair.
    Closed,
}

/// Checks quotes: an unclosed one turns rows into one field, which the csv reader accepts silently.
struct Quotes {
    delimiter: u8,
    line: usize,
    /// The line of the last quote that opened a field.
    opened: usize,
    at: At,
}

impl Quotes {
    /// Processes a part of the file; an error is the line of a wrong quote, and a message.
    fn see(&mut self, bytes: &[u8]) -> Result<(), (usize, &'static str)> {
        for &byte in bytes {
            self.at = match (self.at, byte) {
                (At::Start, b'"') => {
                    self.opened = self.line;
                    At::Quoted
                }
                (At::Quoted, b'"') => At::Closed,
                (At::Closed, b'"') | (At::Quoted, _) => At::Quoted,
                (_, b'\n' | b'\r') => At::Start,
                (_, byte) if byte == self.delimiter => At::Start,
                (At::Closed, _) if self.line > self.opened => {
                    return Err((
                        self.opened,
                        "a quote opens a field over several lines, which goes on behind its end",
                    ));
                }
                _ => At::Plain,
            };
            self.line += usize::from(byte == b'\n');
        }
        Ok(())
    }

    fn end(&self) -> Result<(), (usize, &'static str)> {
        if self.at == At::Quoted { Err((self.opened, "a quote opens a field and is never closed")) } else { Ok(()) }
    }
}

/// The text as bytes again, after an invalid character was reported with its position.
struct Utf8 {
    blocks: LineBlocks,
    place: FilePosition,
    quotes: Option<Quotes>,
    block: Vec<u8>,
    at: usize,
}

impl Read for Utf8 {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.block.len() {
            let next = self.blocks.next();
            let seen = match (&mut self.quotes, &next) {
                (Some(quotes), Some(Ok(block))) => quotes.see(block.text.as_bytes()),
                (Some(quotes), None) => quotes.end(),
                _ => Ok(()),
            };
            seen.map_err(|(line, what)| {
                const HELP: &str =
                    "write a quote inside of a field in quotes twice; `quotes: false` takes quotes for letters";
                std::io::Error::other(self.place.line(line, what).help(HELP))
            })?;
            match next {
                None => return Ok(0),
                Some(block) => {
                    let block = block.map_err(std::io::Error::other)?;
                    self.place.put_aside(block.rejects).map_err(std::io::Error::other)?;
                    self.block = block.text.into_bytes();
                }
            }
            self.at = 0;
        }
        let count = into.len().min(self.block.len() - self.at);
        into[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
