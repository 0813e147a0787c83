//! Rows as text: jsonl, csv, txt.

use super::WHO;
use crate::data::Dataset;
use crate::data::column::{Cell, json_text};
use crate::data::read::{DataFormat, TextForm};
use crate::{Error, Result, bail};
use std::io::Write;
use std::path::Path;

/// Writes rows as lines of text; `first` is the index of the first of them, for errors.
pub struct Lines<'a> {
    pub format: DataFormat,
    pub form: TextForm,
    pub path: &'a Path,
}

impl Lines<'_> {
    /// The text before the first row.
    pub fn head(&self, data: &Dataset) -> Result<Vec<u8>> {
        match self.format {
            DataFormat::Csv | DataFormat::Tsv => {
                let mut out = self.separator(Vec::new());
                let names = data.fields().iter().map(|name| name.as_bytes());
                out.write_record(names).map_err(|error| self.csv_fault(&error))?;
                out.into_inner().map_err(|error| Error::new(WHO, error.to_string()))
            }
            DataFormat::Json => Ok(b"[".to_vec()),
            _ => Ok(Vec::new()),
        }
    }

    /// The text after the last row.
    pub fn foot(&self) -> &'static [u8] {
        if self.format == DataFormat::Json { b"\n]\n" } else { b"" }
    }

    /// The rows `rows` of `data`, the first of which has the index `first`.
    pub fn rows(&self, data: &Dataset, rows: std::ops::Range<usize>, first: usize) -> Result<Vec<u8>> {
        match self.format {
            DataFormat::Csv | DataFormat::Tsv => self.separated(data, rows),
            DataFormat::Txt => {
                let mut out = Vec::new();
                let field = only_field(data)?;
                for at in rows {
                    text_line(data, field, at, first + at, &mut out)?;
                }
                Ok(out)
            }
            _ => {
                let names: Vec<String> = data.fields().iter().map(|name| json_text(Cell::Text(name))).collect();
                let mut out = Vec::new();
                for at in rows {
                    if self.format == DataFormat::Json {
                        out.extend_from_slice(if first + at == 0 { b"\n" } else { b",\n" });
                    }
                    object(data, &names, at, first + at, &mut out)?;
                    if self.format != DataFormat::Json {
                        out.push(b'\n');
                    }
                }
                Ok(out)
            }
        }
    }

    fn separator(&self, out: Vec<u8>) -> csv::Writer<Vec<u8>> {
        let ending = if self.format == DataFormat::Csv { b',' } else { b'\t' };
        csv::WriterBuilder::new().delimiter(self.form.delimiter.unwrap_or(ending)).from_writer(out)
    }

    fn csv_fault(&self, error: &csv::Error) -> Error {
        Error::new(WHO, format!("{}: {error}", self.path.display()))
    }

    fn separated(&self, data: &Dataset, rows: std::ops::Range<usize>) -> Result<Vec<u8>> {
        let mut out = self.separator(Vec::new());
        let fault = |error: csv::Error| self.csv_fault(&error);
        for at in rows {
            for field in 0..data.fields().len() {
                match data.cell(field, at) {
                    Cell::Null => out.write_field(""),
                    Cell::Text(text) => out.write_field(text),
                    cell @ Cell::Float(_) if self.form.decimal != b'.' => out.write_field(show(cell).replace('.', ",")),
                    cell => out.write_field(show(cell)),
                }
                .map_err(fault)?;
            }
            out.write_record(None::<&[u8]>).map_err(fault)?;
        }
        out.into_inner().map_err(|error| Error::new(WHO, error.to_string()))
    }
}

/// A row as a JSON object, without its missing fields.
fn object(data: &Dataset, names: &[String], at: usize, number: usize, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'{');
    let start = out.len();
    for (field, name) in names.iter().enumerate() {
        let cell = data.cell(field, at);
        if cell == Cell::Null {
            continue;
        }
        if matches!(cell, Cell::Float(value) if !value.is_finite()) {
            let name = &data.fields()[field];
            bail!(WHO, "row {number}, field `{name}`: JSON has no way to write {}", show(cell));
        }
        if out.len() > start {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        match cell {
            Cell::Text(text) => {
                serde_json::to_writer(&mut *out, text).map_err(|error| Error::new(WHO, error.to_string()))?
            }
            cell => out.extend_from_slice(json_text(cell).as_bytes()),
        }
    }
    out.push(b'}');
    Ok(())
}

fn show(cell: Cell) -> String {
    match cell {
        // 1e20 as digits would be read as an identifier
        Cell::Float(value) => format!("{value:?}"),
        cell => json_text(cell),
    }
}

fn only_field(data: &Dataset) -> Result<usize> {
    if data.fields().len() != 1 {
        let fields = data.fields().join(", ");
        return Err(Error::new(WHO, format!("a .txt file holds one text a line, not the fields {fields}"))
            .help("choose one with `.column(\"…\")`"));
    }
    Ok(0)
}

/// A text that is a single line, and is read back as the same row.
fn text_line(data: &Dataset, field: usize, at: usize, number: usize, out: &mut Vec<u8>) -> Result<()> {
    let text =
        data.cell(field, at).text().map_err(|kind| Error::new(WHO, format!("row {number}: {kind}, not text")))?;
    if text.contains(['\n', '\r']) || text.trim().is_empty() {
        let what = if text.trim().is_empty() { "is empty" } else { "has more than one line" };
        return Err(Error::new(WHO, format!("the text of row {number} {what}, which a .txt file cannot hold"))
            .help("save it as .jsonl or .parquet"));
    }
    writeln!(out, "{text}").map_err(|error| Error::new(WHO, error.to_string()))
}
