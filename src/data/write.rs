//! Datasets to files, in the format that the path's ending says.

use super::Dataset;
use super::arrow::batch;
use super::column::{Cell, json_text};
use super::read::{DataFormat, Packing, TextForm, format_of};
use crate::files::{self, Stage};
use crate::{Error, Result, bail};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::path::Path;

const WHO: &str = "save";
/// zstd's own default is 3; data is written once and read often.
const LEVEL: i32 = 9;
/// Rows of a parquet file that are read together.
const ROWS: usize = 1 << 16;

/// Writes the rows beside `path` and renames, so that a fault leaves what was there.
pub fn save(data: &Dataset, path: &Path, form: TextForm) -> Result<()> {
    let (format, packing) = format_of(WHO, path)?;
    if !matches!(format, DataFormat::Csv | DataFormat::Tsv) && form != TextForm::default() {
        bail!(WHO, "{}: `delimiter` and `decimal` are for .csv and .tsv", path.display());
    }
    let fault = |error: std::io::Error| Error::io(WHO, path, &error);
    files::write(WHO, path, |out| match packing {
        Packing::Plain => fill(data, format, form, path, out),
        Packing::Gzip => {
            let mut out = GzEncoder::new(out, flate2::Compression::new(6));
            fill(data, format, form, path, &mut out)?;
            out.finish().map(drop).map_err(fault)
        }
        Packing::Zstd => {
            let mut out = zstd::Encoder::new(out, LEVEL).map_err(fault)?;
            fill(data, format, form, path, &mut out)?;
            out.finish().map(drop).map_err(fault)
        }
    })
}

/// Writes the rows as a file that is written with others.
pub fn save_in(stage: &Stage, name: &str, data: &Dataset) -> Result<()> {
    let place = stage.place(name);
    let (format, _) = format_of(WHO, &place)?;
    stage.write(name, |out| fill(data, format, TextForm::default(), &place, out))
}

fn fill(data: &Dataset, format: DataFormat, form: TextForm, path: &Path, out: &mut (dyn Write + Send)) -> Result<()> {
    let fault = |error: std::io::Error| Error::io(WHO, path, &error);
    match format {
        DataFormat::Parquet => parquet(data, path, out),
        DataFormat::Csv => separated(data, b',', form, path, out),
        DataFormat::Tsv => separated(data, b'\t', form, path, out),
        DataFormat::Jsonl => each_row(data, |at| writeln!(out, "{}", object(data, at)?).map_err(fault)),
        DataFormat::Json => {
            out.write_all(b"[").map_err(fault)?;
            each_row(data, |at| {
                let comma = if at == 0 { "\n" } else { ",\n" };
                write!(out, "{comma}{}", object(data, at)?).map_err(fault)
            })?;
            out.write_all(b"\n]\n").map_err(fault)
        }
        DataFormat::Txt => {
            let field = only_field(data)?;
            each_row(data, |at| {
                let text = text_line(data, field, at)?;
                writeln!(out, "{text}").map_err(fault)
            })
        }
    }
}

fn each_row(data: &Dataset, mut write: impl FnMut(usize) -> Result<()>) -> Result<()> {
    for at in 0..data.len() {
        if at % 4096 == 0 {
            crate::cancel::check()?;
        }
        write(at)?;
    }
    Ok(())
}

/// A row as a JSON object, without the fields that it does not have.
fn object(data: &Dataset, at: usize) -> Result<String> {
    let mut text = String::from("{");
    for (field, name) in data.fields().iter().enumerate() {
        let cell = data.cell(field, at);
        if cell == Cell::Null {
            continue;
        }
        if matches!(cell, Cell::Float(value) if !value.is_finite()) {
            bail!(WHO, "row {at}, field `{name}`: JSON has no way to write {}", show(cell));
        }
        if text.len() > 1 {
            text.push_str(", ");
        }
        text.push_str(&json_text(Cell::Text(name)));
        text.push_str(": ");
        text.push_str(&json_text(cell));
    }
    Ok(text + "}")
}

fn show(cell: Cell) -> String {
    match cell {
        // 1e20 in digits would be read as an identifier
        Cell::Float(value) => format!("{value:?}"),
        cell => json_text(cell),
    }
}

fn separated(data: &Dataset, ending: u8, form: TextForm, path: &Path, out: &mut (dyn Write + Send)) -> Result<()> {
    let delimiter = form.delimiter.unwrap_or(ending);
    let fault = |error: csv::Error| Error::new(WHO, format!("{}: {error}", path.display()));
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out);
    writer.write_record(data.fields().iter().map(|name| name.as_bytes())).map_err(fault)?;
    each_row(data, |at| {
        for field in 0..data.fields().len() {
            let value = match data.cell(field, at) {
                Cell::Null => String::new(),
                Cell::Text(text) => text.to_string(),
                cell @ Cell::Float(_) if form.decimal != b'.' => show(cell).replace('.', ","),
                cell => show(cell),
            };
            writer.write_field(value).map_err(fault)?;
        }
        writer.write_record(None::<&[u8]>).map_err(fault)
    })?;
    writer.flush().map_err(|error| Error::io(WHO, path, &error))
}

fn only_field(data: &Dataset) -> Result<usize> {
    if data.fields().len() != 1 {
        let fields = data.fields().join(", ");
        return Err(Error::new(WHO, format!("a .txt file holds one text a line, not the fields {fields}"))
            .help("choose one with `.column(\"…\")`"));
    }
    Ok(0)
}

/// A text that is one line, and will be read back as the same row.
fn text_line(data: &Dataset, field: usize, at: usize) -> Result<String> {
    let text = data.cell(field, at).text().map_err(|kind| Error::new(WHO, format!("row {at}: {kind}, not text")))?;
    if text.contains(['\n', '\r']) || text.trim().is_empty() {
        let what = if text.trim().is_empty() { "is empty" } else { "has more than one line" };
        return Err(Error::new(WHO, format!("the text of row {at} {what}, which a .txt file cannot hold"))
            .help("save it as .jsonl or .parquet"));
    }
    Ok(text.into_owned())
}

fn parquet(data: &Dataset, path: &Path, out: &mut (dyn Write + Send)) -> Result<()> {
    let fault = |error: ParquetError| match &error {
        ParquetError::External(inner) if let Some(error) = inner.downcast_ref() => Error::io(WHO, path, error),
        _ => Error::new(WHO, format!("{}: {error}", path.display())),
    };
    let schema = super::arrow::schema(WHO, data)?;
    let level = ZstdLevel::try_new(LEVEL).map_err(fault)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by("levain".into())
        .set_max_row_group_row_count(Some(ROWS))
        .build();
    let mut writer = ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(fault)?;
    // small parts: a column of text may not pass 2 GB in one
    for start in (0..data.len()).step_by(8192) {
        crate::cancel::check()?;
        let rows = data.slice(start, start + 8192);
        writer.write(&batch(WHO, &rows, &schema)?).map_err(fault)?;
    }
    writer.close().map(drop).map_err(fault)
}
