//! Conversion of row values between columns and scripts.

use crate::data::digits;
use crate::data::{Cell, Column, Dataset, TableBuilder};
use crate::script::prelude::*;

/// A value as scripts see it: lists and maps are converted.
pub fn to_dynamic(who: &str, cell: Cell) -> Res<Dynamic> {
    Ok(match cell {
        Cell::Null => Dynamic::UNIT,
        Cell::Bool(value) => value.into(),
        Cell::Int(value) => value.into(),
        Cell::Float(value) => value.into(),
        Cell::Text(value) => value.into(),
        Cell::Json(json) => match digits::value(json) {
            Ok(value) => value,
            Err(error) => bail!(who, "broken nested value: {error}"),
        },
    })
}

/// A row: a map of its fields, or the bare value in a column.
pub fn row(who: &str, data: &Dataset, at: usize) -> Res<Dynamic> {
    if data.is_bare() {
        return to_dynamic(who, data.cell(0, at));
    }
    let mut map = Map::new();
    for (field, name) in data.fields().iter().enumerate() {
        map.insert(name.as_ref().into(), to_dynamic(who, data.cell(field, at))?);
    }
    Ok(map.into())
}

/// Collects rows from a script: all maps, or all plain values of one column.
pub struct RowCollector {
    builder: TableBuilder,
    name: String,
    bare: Option<bool>,
    /// Number of the first row.
    first: usize,
}

impl RowCollector {
    /// Values that are not maps become the column `name`.
    pub fn new(name: &str) -> RowCollector {
        RowCollector { builder: TableBuilder::default(), name: name.into(), bare: None, first: 0 }
    }

    /// Counts rows from `first` in errors.
    pub fn from(self, first: usize) -> RowCollector {
        RowCollector { first, ..self }
    }

    pub fn push(&mut self, who: &str, value: &Dynamic) -> Res<()> {
        let at = self.first + self.builder.rows();
        let map = value.as_map_ref().ok();
        if *self.bare.get_or_insert(map.is_none()) == map.is_some() {
            bail!(who, "row {at} is {}, unlike those before it", if map.is_some() { "a map" } else { "not a map" });
        }
        let fault = |name: &str, kind: String| Error::new(who, format!("row {at}, field `{name}`: {kind} is not data"));
        match map {
            Some(map) => {
                for (name, value) in map.iter() {
                    put(self.builder.column(name), value).map_err(|kind| fault(name, kind))?;
                }
            }
            None => put(self.builder.column(&self.name), value).map_err(|kind| fault(&self.name, kind))?,
        }
        Ok(self.builder.end_row().map_err(|what| Error::new(who, what))?)
    }

    /// Whether the rows were plain values.
    pub fn is_bare(&self) -> bool {
        self.bare == Some(true)
    }

    pub fn finish(self) -> Dataset {
        Dataset::from(self.builder.finish())
    }
}

/// Appends a script's value to a column, or returns the kind that a column cannot hold.
fn put(column: &mut Column, value: &Dynamic) -> Result<(), String> {
    if let Ok(text) = value.as_immutable_string_ref() {
        column.push(Cell::Text(&text));
    } else if let Ok(number) = value.as_int() {
        column.push(Cell::Int(number));
    } else if let Ok(number) = value.as_float() {
        column.push(Cell::Float(number));
    } else if let Ok(truth) = value.as_bool() {
        column.push(Cell::Bool(truth));
    } else if value.is_unit() {
        column.push(Cell::Null);
    } else if let Ok(letter) = value.as_char() {
        column.push(Cell::Text(letter.encode_utf8(&mut [0; 4])));
    } else {
        column.push(Cell::Json(&json(value, false)?.to_string()));
    }
    Ok(())
}

/// A value as JSON, with nested lists and maps. NaN and infinities become null or an error.
pub fn json(value: &Dynamic, nan_is_null: bool) -> Result<serde_json::Value, String> {
    if let Ok(items) = value.as_array_ref() {
        return items.iter().map(|item| json(item, nan_is_null)).collect();
    }
    if let Ok(map) = value.as_map_ref() {
        let pairs = map.iter().map(|(name, value)| Ok((name.to_string(), json(value, nan_is_null)?)));
        return Ok(serde_json::Value::Object(pairs.collect::<Result<_, String>>()?));
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(text.as_str().into());
    }
    if let Ok(number) = value.as_float() {
        return match serde_json::Number::from_f64(number) {
            Some(number) => Ok(number.into()),
            None if nan_is_null => Ok(serde_json::Value::Null),
            None => Err(format!("{number} inside a list or map")),
        };
    }
    if let Ok(letter) = value.as_char() {
        return Ok(letter.to_string().into());
    }
    // of a host
    if let Some(number) = value.read_lock::<f32>() {
        return json(&Dynamic::from_float(f64::from(*number)), nan_is_null);
    }
    match (value.as_int(), value.as_bool()) {
        (Ok(number), _) => Ok(number.into()),
        (_, Ok(truth)) => Ok(truth.into()),
        _ if value.is_unit() => Ok(serde_json::Value::Null),
        _ => Err(format!("a {}", value.type_name().rsplit("::").next().unwrap_or_default().to_lowercase())),
    }
}

/// `for row in data`.
pub struct Each {
    data: Dataset,
    at: usize,
}

impl Iterator for Each {
    type Item = Res<Dynamic>;

    fn next(&mut self) -> Option<Res<Dynamic>> {
        let at = self.at;
        self.at += 1;
        (at < self.data.len()).then(|| row("for", &self.data, at))
    }
}

impl IntoIterator for Dataset {
    type Item = Res<Dynamic>;
    type IntoIter = Each;

    fn into_iter(self) -> Each {
        Each { data: self, at: 0 }
    }
}
