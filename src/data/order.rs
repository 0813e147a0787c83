//! Ordering and equality of field values.

use super::column::Cell;
use super::digits;
use crate::number;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A value's sort key: booleans before numbers before text before lists before maps before missing values. Lists are compared
/// element by element; maps have no natural order, and are compared by their JSON text.
pub enum SortKey<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<SortKey<'static>>),
    Map(Cow<'a, str>),
    Null,
}

impl<'a> SortKey<'a> {
    pub fn of(cell: Cell<'a>) -> SortKey<'a> {
        match cell {
            Cell::Null => SortKey::Null,
            Cell::Bool(value) => SortKey::Bool(value),
            Cell::Int(value) => SortKey::Int(value),
            Cell::Float(value) => SortKey::Float(value),
            Cell::Text(value) => SortKey::Text(value.into()),
            Cell::Json(json) => match digits::value(json) {
                Ok(value) => SortKey::nested(value),
                Err(_) => SortKey::Map(json.into()),
            },
        }
    }

    fn nested(value: Value) -> SortKey<'static> {
        match value {
            Value::Null => SortKey::Null,
            Value::Bool(value) => SortKey::Bool(value),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => SortKey::Int(whole),
                None => SortKey::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => SortKey::Text(text.into()),
            Value::Array(items) => SortKey::List(items.into_iter().map(SortKey::nested).collect()),
            map => SortKey::Map(map.to_string().into()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            SortKey::Bool(_) => 0,
            SortKey::Int(_) | SortKey::Float(_) => 1,
            SortKey::Text(_) => 2,
            SortKey::List(_) => 3,
            SortKey::Map(_) => 4,
            SortKey::Null => 5,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, SortKey::Null)
    }

    pub fn compare(&self, other: &SortKey) -> Ordering {
        // NaN after all numbers, as in pandas and PyTorch; ordering by its sign would depend on the processor
        let float = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
        let mixed = |whole: i64, float: f64| number::order(whole.into(), float).unwrap_or(Ordering::Less);
        match (self, other) {
            (SortKey::Bool(a), SortKey::Bool(b)) => a.cmp(b),
            (SortKey::Int(a), SortKey::Int(b)) => a.cmp(b),
            (SortKey::Float(a), SortKey::Float(b)) => float(*a, *b),
            (SortKey::Int(a), SortKey::Float(b)) => mixed(*a, *b),
            (SortKey::Float(a), SortKey::Int(b)) => mixed(*b, *a).reverse(),
            (SortKey::Text(a), SortKey::Text(b)) | (SortKey::Map(a), SortKey::Map(b)) => a.cmp(b),
            (SortKey::List(a), SortKey::List(b)) => {
                let differing = a.iter().zip(b).map(|(a, b)| a.compare(b)).find(|order| order.is_ne());
                differing.unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

/// A value's equality key: an integer equals the float of the same value, and maps ignore the order of their fields.
#[derive(PartialEq, Eq, Hash)]
pub enum CellKey<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(u64),
    Text(&'a str),
    Json(String),
}

impl<'a> CellKey<'a> {
    pub fn of(cell: Cell<'a>) -> CellKey<'a> {
        match cell {
            Cell::Null => CellKey::Null,
            Cell::Bool(value) => CellKey::Bool(value),
            Cell::Int(value) => CellKey::Int(value),
            // all NaN are equal: their sign depends on the processor
            Cell::Float(value) if value.is_nan() => CellKey::Float(f64::NAN.to_bits()),
            Cell::Float(value) if is_whole(value) => CellKey::Int(value as i64),
            Cell::Float(value) => CellKey::Float(value.to_bits()),
            Cell::Text(value) => CellKey::Text(value),
            Cell::Json(json) => {
                CellKey::Json(digits::value(json).map_or(json.into(), |value| plain(value).to_string()))
            }
        }
    }
}

fn is_whole(value: f64) -> bool {
    value.fract() == 0.0 && number::order(i64::MAX.into(), value) == Some(Ordering::Greater) && value >= i64::MIN as f64
}

/// A canonical form for equal values: fields sorted, numbers in one representation.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => match number.as_f64().filter(|value| is_whole(*value)) {
            Some(whole) => (whole as i64).into(),
            None => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(mut fields) => {
            fields.sort_keys();
            fields.into_iter().map(|(name, value)| (name, plain(value))).collect()
        }
        other => other,
    }
}
