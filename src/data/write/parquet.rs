//! Rows to parquet: a file at once, or row groups that are joined at the end.

use super::{LEVEL, WHO};
use crate::data::arrow::{self, batch, schema};
use crate::data::read::{Source, TextForm, read};
use crate::data::{Dataset, TableBuilder};
use crate::{Error, Result, cancel, files};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows per parquet row group.
pub const GROUP: usize = 1 << 16;

/// Writes all rows.
pub fn write(data: &Dataset, path: &Path, out: &mut (dyn Write + Send)) -> Result<()> {
    write_as(data, &schema(WHO, data)?, path, out)
}

fn properties() -> Result<WriterProperties, ParquetError> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
        .set_created_by("levain".into())
        .set_max_row_group_row_count(Some(GROUP))
        .build())
}

fn fault(path: &Path, error: &ParquetError) -> Error {
    match error {
        ParquetError::External(inner) if let Some(error) = inner.downcast_ref() => Error::io(WHO, path, error),
        _ => Error::new(WHO, format!("{}: {error}", path.display())),
    }
}

fn write_as(data: &Dataset, schema: &Arc<Schema>, path: &Path, out: &mut (dyn Write + Send)) -> Result<()> {
    let fault = |error: ParquetError| fault(path, &error);
    let properties = properties().map_err(fault)?;
    let mut writer = ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(fault)?;
    // small parts: a text column may not exceed 2 GB in one
    for start in (0..data.len()).step_by(8192) {
        cancel::check()?;
        let rows = data.slice(start, start + 8192);
        writer.write(&batch(WHO, &rows, schema)?).map_err(fault)?;
    }
    writer.close().map(drop).map_err(fault)
}

/// The schema that holds rows of both; the error names the field without a common type.
fn joined(a: &Schema, b: &Schema) -> Result<Arc<Schema>> {
    let mut fields: Vec<Field> = a.fields().iter().map(|field| field.as_ref().clone()).collect();
    for field in b.fields() {
        let Some(own) = fields.iter_mut().find(|own| own.name() == field.name()) else {
            fields.push(field.as_ref().clone());
            continue;
        };
        let Some(kind) = arrow::join(own.data_type().clone(), field.data_type().clone()) else {
            let kinds = format!("{} in some rows and {} in others", word(own.data_type()), word(field.data_type()));
            return Err(Error::new(WHO, format!("field `{}` is {kinds}, and parquet holds one kind", field.name()))
                .help("save it as .jsonl, or make it one kind with `cast`"));
        };
        own.set_data_type(kind);
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn word(kind: &DataType) -> &'static str {
    match kind {
        DataType::Boolean => "bool",
        DataType::Int64 => "int",
        DataType::Float64 => "float",
        DataType::Utf8 => "text",
        DataType::Null => "nothing",
        _ => "nested",
    }
}

/// A row group as a separate parquet file.
pub fn group(data: &Dataset, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(data, path, &mut bytes)?;
    Ok(bytes)
}

/// Writes the rows of several files as one file, with a common schema.
pub fn join(parts: &[PathBuf], path: &Path, out: &mut (dyn Write + Send)) -> Result<()> {
    let mut schema = schema_of_file(&parts.first().cloned().unwrap_or_default())?;
    for part in parts {
        schema = joined(&schema, schema_of_file(part)?.as_ref())?;
    }
    join_files(parts, &schema, path, out)
}

/// Joins the row groups of several files, in order: copied, or rewritten if their schema differs.
fn join_files(parts: &[PathBuf], schema: &Arc<Schema>, path: &Path, out: &mut (dyn Write + Send)) -> Result<()> {
    let fault = |error: ParquetError| fault(path, &error);
    let names = ArrowSchemaConverter::new().convert(schema).map_err(fault)?;
    let properties = Arc::new(with_arrow_schema(properties().map_err(fault)?, schema));
    let mut writer = SerializedFileWriter::new(out, names.root_schema_ptr(), properties).map_err(fault)?;
    for part in parts {
        cancel::check()?;
        let file = files::open(WHO, part)?;
        let reader = SerializedFileReader::new(file.try_clone().map_err(|error| Error::io(WHO, part, &error))?);
        let reader = reader.map_err(fault)?;
        if reader.metadata().file_metadata().schema() == names.root_schema() {
            copy(&file, &reader, &mut writer).map_err(fault)?;
            continue;
        }
        let mut again = TableBuilder::default();
        again.append(&read(WHO, part, TextForm::default())?)?;
        let fields: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let rows = Dataset::from(again.finish()).fields_or_none(&fields, false)?;
        let mut bytes = Vec::new();
        write_as(&rows, schema, path, &mut bytes)?;
        let mut scratch = files::scratch(WHO)?;
        scratch.write_all(&bytes).map_err(|error| Error::io(WHO, path, &error))?;
        let file = scratch.into_inner();
        let reader = SerializedFileReader::new(file.try_clone().map_err(|error| Error::io(WHO, path, &error))?);
        copy(&file, &reader.map_err(fault)?, &mut writer).map_err(fault)?;
    }
    writer.close().map(drop).map_err(fault)
}

/// Adds arrow's own schema, so that a reader of arrow finds the same types.
fn with_arrow_schema(properties: WriterProperties, schema: &Schema) -> WriterProperties {
    let mut properties = properties;
    parquet::arrow::add_encoded_arrow_schema_to_metadata(schema, &mut properties);
    properties
}

fn copy(
    file: &File,
    reader: &SerializedFileReader<File>,
    writer: &mut SerializedFileWriter<&mut (dyn Write + Send)>,
) -> Result<(), ParquetError> {
    for at in 0..reader.num_row_groups() {
        let facts = reader.metadata().row_group(at);
        let mut group = writer.next_row_group()?;
        for column in facts.columns() {
            let result = parquet::column::writer::ColumnCloseResult {
                bytes_written: column.compressed_size() as u64,
                rows_written: facts.num_rows() as u64,
                metadata: column.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            group.append_column(file, result)?;
        }
        group.close()?;
    }
    Ok(())
}

/// The schema of an existing file, as its rows are read.
fn schema_of_file(path: &Path) -> Result<Arc<Schema>> {
    match Source::from(path).open(WHO)?.next() {
        Some(table) => schema(WHO, &Dataset::from(table?)),
        None => Ok(Arc::new(Schema::empty())),
    }
}
