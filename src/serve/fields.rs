//! Checked access to the fields of a request: errors name the field.

use super::error::{Answer, ApiError};
use crate::nearest;
use serde_json::{Map, Value};

/// A JSON object whose fields are read by name.
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// Prefix of names in errors, such as `messages[0].`.
    path: String,
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl<'a> Fields<'a> {
    pub fn of(value: &'a Value, path: &str) -> Answer<Fields<'a>> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        match value {
            Value::Object(map) => Ok(Fields { map, path: prefix }),
            other if path.is_empty() => Err(ApiError::bad(format!("the body is {}, not a JSON object", kind(other)))),
            other => Err(ApiError::field(path, format!("`{path}` is {}, not an object", kind(other)))),
        }
    }

    /// An error for an unknown field.
    pub fn only(&self, known: &[&str]) -> Answer<()> {
        let Some(name) = self.map.keys().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
        let hint = nearest(name, known.iter().copied()).map(|near| format!(": `{near}` is meant?")).unwrap_or_default();
        Err(ApiError::field(self.name(name), format!("unrecognized field `{}`{hint}", self.name(name))))
    }

    pub fn name(&self, field: &str) -> String {
        format!("{}{field}", self.path)
    }

    pub fn wrong(&self, field: &str, why: impl std::fmt::Display) -> ApiError {
        let name = self.name(field);
        ApiError::field(name.clone(), format!("`{name}` {why}"))
    }

    /// The value of a field; null counts as missing.
    pub fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    pub fn needed(&self, field: &str) -> Answer<&'a Value> {
        self.get(field).ok_or_else(|| self.wrong(field, "is missing"))
    }

    fn read<T>(&self, field: &str, what: &str, read: impl Fn(&'a Value) -> Option<T>) -> Answer<Option<T>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong(field, format!("is {}, not {what}", kind(value))))
    }

    pub fn text(&self, field: &str) -> Answer<Option<&'a str>> {
        self.read(field, "a string", Value::as_str)
    }

    pub fn flag(&self, field: &str) -> Answer<bool> {
        Ok(self.read(field, "a boolean", Value::as_bool)?.unwrap_or(false))
    }

    pub fn array(&self, field: &str) -> Answer<Option<&'a Vec<Value>>> {
        self.read(field, "an array", Value::as_array)
    }

    pub fn object(&self, field: &str) -> Answer<Option<&'a Map<String, Value>>> {
        self.read(field, "an object", Value::as_object)
    }

    /// A number from `least` to `most`.
    pub fn number(&self, field: &str, least: f64, most: f64) -> Answer<Option<f64>> {
        let number = self.read(field, "a number", Value::as_f64)?;
        match number.filter(|number| !(least..=most).contains(number)) {
            Some(number) => Err(self.wrong(field, format!("is {number}, and it has to be from {least} to {most}"))),
            None => Ok(number),
        }
    }

    /// An integer from `least` to `most`.
    pub fn count(&self, field: &str, least: u64, most: u64) -> Answer<Option<usize>> {
        let whole = |value: &Value| {
            let float = value.as_f64().filter(|float| float.fract() == 0.0 && *float >= 0.0 && *float < 1e15);
            value.as_u64().or_else(|| float.map(|float| float as u64))
        };
        let Some(value) = self.get(field) else { return Ok(None) };
        match whole(value).filter(|count| (least..=most).contains(count)) {
            Some(count) => Ok(Some(count as usize)),
            None if value.is_number() => {
                Err(self.wrong(field, format!("is {value}, and it has to be a whole number from {least} to {most}")))
            }
            None => Err(self.wrong(field, format!("is {}, not a whole number", kind(value)))),
        }
    }
}

/// A list of token ids below `vocab`.
pub fn ids(name: &str, list: &[Value], vocab: usize) -> Answer<Vec<u32>> {
    let read = |(at, value): (usize, &Value)| match value.as_u64() {
        Some(id) if (id as usize) < vocab => Ok(id as u32),
        _ => Err(ApiError::field(name, format!("`{name}[{at}]` is {value}, not a token id below {vocab}"))),
    };
    list.iter().enumerate().map(read).collect()
}

/// A string, or a list of at most `most` strings.
pub fn texts(name: &str, value: &Value, most: usize) -> Answer<Vec<String>> {
    let list = match value {
        Value::String(text) => return Ok(vec![text.clone()]),
        Value::Array(list) if list.iter().all(Value::is_string) => list,
        other => {
            return Err(ApiError::field(
                name,
                format!("`{name}` is {}, not a string or an array of them", kind(other)),
            ));
        }
    };
    if list.len() > most {
        return Err(ApiError::field(name, format!("`{name}` has {} strings, more than {most}", list.len())));
    }
    Ok(list.iter().filter_map(Value::as_str).map(str::to_string).collect())
}
