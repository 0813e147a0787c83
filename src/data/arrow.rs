//! Rows as arrow record batches, for writing parquet.

use super::Dataset;
use super::column::{Cell, nested};
use crate::{Error, Result};
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, NullArray, RecordBatch, StringArray, StructArray,
    new_null_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, Schema};
use serde_json::Value;
use std::sync::Arc;

/// The arrow types of the fields; nested values must have a common type.
pub fn schema(who: &str, data: &Dataset) -> Result<Arc<Schema>> {
    let mut fields = Vec::new();
    for (at, (name, column)) in data.columns().enumerate() {
        let kind = match column.kind() {
            "bool" => DataType::Boolean,
            "int" => DataType::Int64,
            "float" => DataType::Float64,
            "text" => DataType::Utf8,
            "nothing" => DataType::Null,
            _ => kind_of_all(who, data, at)?,
        };
        fields.push(Field::new(&**name, kind, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn kind_of_all(who: &str, data: &Dataset, field: usize) -> Result<DataType> {
    let mut kind = DataType::Null;
    for at in 0..data.len() {
        let more = match data.cell(field, at) {
            Cell::Json(json) => kind_of(&nested(who, json)?),
            Cell::Null => Some(DataType::Null),
            Cell::Bool(_) => Some(DataType::Boolean),
            Cell::Int(_) => Some(DataType::Int64),
            Cell::Float(_) => Some(DataType::Float64),
            Cell::Text(_) => Some(DataType::Utf8),
        };
        kind = more.and_then(|more| join(kind, more)).ok_or_else(|| {
            Error::new(
                who,
                format!(
                    "field `{}` mixes kinds of values in row {at}, which parquet cannot hold",
                    data.fields()[field]
                ),
            )
            .help("save it as .jsonl")
        })?;
    }
    Ok(kind)
}

/// The arrow type of one value; `None` if its items have no common type.
fn kind_of(value: &Value) -> Option<DataType> {
    Some(match value {
        Value::Null => DataType::Null,
        Value::Bool(_) => DataType::Boolean,
        Value::Number(number) if number.is_i64() => DataType::Int64,
        Value::Number(_) => DataType::Float64,
        Value::String(_) => DataType::Utf8,
        Value::Array(items) => {
            let inner = items.iter().try_fold(DataType::Null, |kind, item| join(kind, kind_of(item)?))?;
            list_of(inner)
        }
        Value::Object(pairs) => {
            let fields = pairs.iter().map(|(name, value)| Some(Field::new(name, kind_of(value)?, true)));
            DataType::Struct(fields.collect::<Option<Fields>>()?)
        }
    })
}

fn list_of(inner: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", inner, true)))
}

/// The narrowest type that holds both.
pub fn join(a: DataType, b: DataType) -> Option<DataType> {
    Some(match (a, b) {
        (a, b) if a == b => a,
        (DataType::Null, kind) | (kind, DataType::Null) => kind,
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
        (DataType::List(a), DataType::List(b)) => list_of(join(a.data_type().clone(), b.data_type().clone())?),
        (DataType::Struct(a), DataType::Struct(b)) => {
            let mut fields: Vec<Field> = a.iter().map(|field| field.as_ref().clone()).collect();
            for field in b.iter() {
                match fields.iter_mut().find(|own| own.name() == field.name()) {
                    Some(own) => {
                        let kind = join(own.data_type().clone(), field.data_type().clone())?;
                        own.set_data_type(kind);
                    }
                    None => fields.push(field.as_ref().clone()),
                }
            }
            DataType::Struct(fields.into())
        }
        _ => return None,
    })
}

/// The rows as one record batch.
pub fn batch(who: &str, data: &Dataset, schema: &Arc<Schema>) -> Result<RecordBatch> {
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (at, field) in schema.fields().iter().enumerate() {
        let cells = || (0..data.len()).map(|row| data.cell(at, row));
        arrays.push(match field.data_type() {
            DataType::Null => Arc::new(NullArray::new(data.len())),
            DataType::Boolean => Arc::new(BooleanArray::from_iter(cells().map(|cell| match cell {
                Cell::Bool(value) => Some(value),
                _ => None,
            }))),
            DataType::Int64 => Arc::new(Int64Array::from_iter(cells().map(|cell| match cell {
                Cell::Int(value) => Some(value),
                _ => None,
            }))),
            DataType::Float64 => Arc::new(Float64Array::from_iter(cells().map(|cell| match cell {
                Cell::Float(value) => Some(value),
                Cell::Int(value) => Some(value as f64),
                _ => None,
            }))),
            DataType::Utf8 => Arc::new(StringArray::from_iter(cells().map(|cell| cell.text().ok()))),
            kind => {
                let values: Vec<Value> = cells()
                    .map(|cell| match cell {
                        Cell::Json(json) => nested(who, json),
                        _ => Ok(Value::Null),
                    })
                    .collect::<Result<_>>()?;
                array(kind, &values.iter().collect::<Vec<_>>())
            }
        });
    }
    RecordBatch::try_new(schema.clone(), arrays).map_err(|error| Error::new(who, error.to_string()))
}

/// Values of one type as an array.
fn array(kind: &DataType, values: &[&Value]) -> ArrayRef {
    const NULL: &Value = &Value::Null;
    match kind {
        DataType::Boolean => Arc::new(BooleanArray::from_iter(values.iter().map(|value| value.as_bool()))),
        DataType::Int64 => Arc::new(Int64Array::from_iter(values.iter().map(|value| value.as_i64()))),
        DataType::Float64 => Arc::new(Float64Array::from_iter(values.iter().map(|value| value.as_f64()))),
        DataType::Utf8 => Arc::new(StringArray::from_iter(values.iter().map(|value| value.as_str()))),
        DataType::List(field) => {
            let lists = values.iter().map(|value| value.as_array());
            let valid: NullBuffer = lists.clone().map(|list| list.is_some()).collect::<Vec<_>>().into();
            let offsets = OffsetBuffer::from_lengths(lists.clone().map(|list| list.map_or(0, Vec::len)));
            let items: Vec<&Value> = lists.flatten().flatten().collect();
            Arc::new(ListArray::new(field.clone(), offsets, array(field.data_type(), &items), Some(valid)))
        }
        DataType::Struct(fields) if !fields.is_empty() => {
            let valid: NullBuffer = values.iter().map(|value| value.is_object()).collect::<Vec<_>>().into();
            let columns = fields.iter().map(|field| {
                let inner: Vec<&Value> = values.iter().map(|value| value.get(field.name()).unwrap_or(NULL)).collect();
                array(field.data_type(), &inner)
            });
            Arc::new(StructArray::new(fields.clone(), columns.collect(), Some(valid)))
        }
        kind => new_null_array(kind, values.len()),
    }
}
