//! Parquet, through arrow.

use super::{FilePosition, Tables};
use crate::Result;
use crate::data::column::{Cell, Column};
use crate::data::table::ColumnTable;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::fs::File;
use std::sync::Arc;

/// Rows in a table of the stream.
const ROWS: usize = 8192;

pub fn open(file: File, place: FilePosition) -> Result<Tables> {
    let told = |error: &dyn std::fmt::Display| place.error(format!("not a whole parquet file: {error}"));
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(ROWS).build())
        .map_err(|error| told(&plain(&error.to_string())))?;
    let mut done = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if done {
            return None;
        }
        let next = reader.next()?;
        let table = crate::cancel::check().and_then(|()| match next {
            Ok(batch) => table(&batch, &place),
            Err(error) => Err(place.error(format!("broken parquet data: {}", plain(&error.to_string())))),
        });
        done = table.is_err();
        Some(table)
    })))
}

/// `Parquet error: EOF: …` without the layers that it came through.
fn plain(text: &str) -> String {
    text.rsplit("error: ").next().unwrap_or(text).trim_start_matches("EOF: ").to_string()
}

fn table(batch: &RecordBatch, place: &FilePosition) -> Result<ColumnTable> {
    let mut table = ColumnTable { rows: batch.num_rows(), ..ColumnTable::default() };
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let name: Arc<str> = field.name().as_str().into();
        let column = column(array.as_ref()).map_err(|kind| {
            place
                .error(format!("field `{name}` holds {kind}, which has no meaning as text or number"))
                .help("save the other fields, or write it as text")
        })?;
        table.names.push(name);
        table.columns.push(Arc::new(column));
    }
    Ok(table)
}

/// An arrow array as a column, or the kind that cannot be one.
fn column(array: &dyn Array) -> Result<Column, String> {
    let cast = |kind| arrow::compute::cast(array, &kind).map_err(|_| array.data_type().to_string());
    let mut column = Column::default();
    let valid = |at| !array.is_null(at);
    match array.data_type() {
        DataType::Null => return Ok(Column::missing(array.len())),
        DataType::Boolean => {
            let values = array.as_boolean();
            (0..array.len())
                .for_each(|at| column.push(if valid(at) { Cell::Bool(values.value(at)) } else { Cell::Null }));
        }
        kind if kind.is_integer() => {
            let values = cast(DataType::Int64)?;
            if values.null_count() > array.null_count() {
                return Err("whole numbers above 2^63".into());
            }
            let values = values.as_primitive::<Int64Type>();
            (0..array.len())
                .for_each(|at| column.push(if valid(at) { Cell::Int(values.value(at)) } else { Cell::Null }));
        }
        kind if kind.is_floating() || matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..)) => {
            let values = cast(DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>();
            (0..array.len())
                .for_each(|at| column.push(if valid(at) { Cell::Float(values.value(at)) } else { Cell::Null }));
        }
        kind if kind.is_nested() && !matches!(kind, DataType::Dictionary(..) | DataType::RunEndEncoded(..)) => {
            for at in 0..array.len() {
                if valid(at) {
                    column.push(Cell::Json(&json(array, at)?.to_string()));
                } else {
                    column.push(Cell::Null);
                }
            }
        }
        _ => {
            // text of every width, dictionaries of it, dates and times; bytes only where they are text
            let values = cast(DataType::LargeUtf8)?;
            if values.null_count() > array.null_count() {
                return Err("bytes".into());
            }
            let values = values.as_string::<i64>();
            (0..array.len())
                .for_each(|at| column.push(if valid(at) { Cell::Text(values.value(at)) } else { Cell::Null }));
        }
    }
    Ok(column)
}

/// One value of a nested array.
fn json(array: &dyn Array, at: usize) -> Result<Value, String> {
    if array.is_null(at) {
        return Ok(Value::Null);
    }
    let list =
        |items: Arc<dyn Array>| (0..items.len()).map(|at| json(items.as_ref(), at)).collect::<Result<Vec<_>, _>>();
    match array.data_type() {
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let pairs = fields
                .iter()
                .zip(columns)
                .map(|(field, column)| Ok((field.name().clone(), json(column.as_ref(), at)?)));
            Ok(Value::Object(pairs.collect::<Result<_, String>>()?))
        }
        DataType::List(_) => Ok(Value::Array(list(array.as_list::<i32>().value(at))?)),
        DataType::LargeList(_) => Ok(Value::Array(list(array.as_list::<i64>().value(at))?)),
        DataType::FixedSizeList(..) => Ok(Value::Array(list(array.as_fixed_size_list().value(at))?)),
        DataType::Map(..) => {
            let entries = array.as_map().value(at);
            let (keys, values) = (column(entries.column(0).as_ref())?, entries.column(1));
            let pairs = (0..entries.len()).map(|at| {
                let name = keys.get(at).text().map_err(str::to_string)?.into_owned();
                Ok((name, json(values.as_ref(), at)?))
            });
            Ok(Value::Object(pairs.collect::<Result<_, String>>()?))
        }
        _ => Ok(match column(array.slice(at, 1).as_ref())?.get(0) {
            Cell::Null => Value::Null,
            Cell::Bool(value) => value.into(),
            Cell::Int(value) => value.into(),
            Cell::Float(value) => value.into(),
            Cell::Text(value) => value.into(),
            Cell::Json(value) => serde_json::from_str(value).unwrap_or_default(),
        }),
    }
}
