//! Parquet, through arrow.

use super::{FilePosition, Tables, cast};
use crate::Result;
use crate::data::column::{Cell, Column};
use crate::data::table::ColumnTable;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Rows per table of the stream.
const ROWS: usize = 8192;

pub fn open(file: File, place: FilePosition) -> Result<Tables> {
    let told = |error: String| place.error(format!("not a whole parquet file: {error}"));
    let opened = caught(|| {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file);
        builder.and_then(|builder| builder.with_batch_size(ROWS).build()).map_err(|error| plain(&error.to_string()))
    });
    let mut reader = opened.and_then(|reader| reader).map_err(told)?;
    let mut done = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if done {
            return None;
        }
        let broken = |error: String| place.error(format!("broken parquet data: {error}"));
        let next = match caught(|| reader.next()) {
            Ok(next) => next?.map_err(|error| plain(&error.to_string())),
            Err(panic) => Err(panic),
        };
        let table = next.map_err(broken).and_then(|batch| {
            crate::cancel::check()?;
            table(&batch, &place)
        });
        done = table.is_err();
        Some(table)
    })))
}

/// The crate panics on wrong lengths; returns the panic's message.
fn caught<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("its lengths lie").to_string()
    })
}

/// `Parquet error: EOF: …` without the prefixes of its layers.
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

/// An arrow array as a column, or the unsupported type.
fn column(array: &dyn Array) -> Result<Column, String> {
    let kind = array.data_type();
    let mut column = Column::default();
    let mut push = |at: usize, cell: Option<Cell>| match cell {
        _ if array.is_null(at) => {
            column.push(Cell::Null);
            Ok(())
        }
        Some(cell) => {
            column.push(cell);
            Ok(())
        }
        None if matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => Err("bytes".into()),
        None => Err(kind.to_string()),
    };
    let mut rows = 0..array.len();
    if *kind == DataType::Null {
        return Ok(Column::missing(array.len()));
    } else if let Some(values) = array.as_boolean_opt() {
        rows.try_for_each(|at| push(at, Some(Cell::Bool(values.value(at)))))?;
    } else if let Some(values) = cast::wide(array) {
        rows.try_for_each(|at| {
            let text = values(at).unwrap_or_default();
            push(at, Some(text.parse().map_or(Cell::Text(&text), Cell::Int)))
        })?;
    } else if let Some(values) = cast::ints(array) {
        rows.try_for_each(|at| push(at, values(at).map(Cell::Int)))?;
    } else if let Some(values) = cast::floats(array) {
        rows.try_for_each(|at| push(at, values(at).map(Cell::Float)))?;
    } else if let Some(values) = cast::texts(array) {
        rows.try_for_each(|at| push(at, values(at).as_deref().map(Cell::Text)))?;
    } else if let Some(picked) = picked(array) {
        return picked;
    } else if kind.is_nested() {
        rows.try_for_each(|at| match array.is_null(at) {
            true => push(at, None),
            false => push(at, Some(Cell::Json(&json(array, at)?.to_string()))),
        })?;
    } else {
        return Err(kind.to_string());
    }
    Ok(column)
}

/// An array whose rows refer to dictionary values.
fn picked(array: &dyn Array) -> Option<Result<Column, String>> {
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let keys = cast::ints(dictionary.keys())?;
        return Some(pick(array, dictionary.values(), |at| keys(at).unwrap_or_default() as usize));
    }
    if let Some(runs) = array.as_run_opt::<Int16Type>() {
        return Some(pick(array, runs.values(), |at| runs.get_physical_index(at)));
    }
    if let Some(runs) = array.as_run_opt::<Int32Type>() {
        return Some(pick(array, runs.values(), |at| runs.get_physical_index(at)));
    }
    let runs = array.as_run_opt::<Int64Type>()?;
    Some(pick(array, runs.values(), |at| runs.get_physical_index(at)))
}

fn pick(array: &dyn Array, values: &dyn Array, place: impl Fn(usize) -> usize) -> Result<Column, String> {
    let values = column(values)?;
    let mut picked = Column::default();
    for at in 0..array.len() {
        picked.push(if array.is_null(at) { Cell::Null } else { values.get(place(at)) });
    }
    Ok(picked)
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
