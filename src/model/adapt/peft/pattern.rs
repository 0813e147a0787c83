//! Layer name patterns as in PEFT: Python regular expressions, and suffixes of names.

use crate::{Error, Result};
use fancy_regex::Regex;
use serde_json::Value;

/// `target_modules` or `exclude_modules`.
pub enum Names {
    /// `all-linear`: every linear layer except the output embeddings.
    AllLinear,
    /// A string is a regular expression for the full name.
    Pattern(Regex),
    /// Names, or suffixes of names after a dot.
    List(Vec<String>),
}

impl Names {
    /// The names in a config; `None` if not given.
    pub fn read(key: &str, value: &Value) -> Result<Option<Names>> {
        Ok(match value {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            Value::String(text) if text.eq_ignore_ascii_case("all-linear") => Some(Names::AllLinear),
            Value::String(text) => Some(Names::Pattern(regex(key, &format!("^(?:{text})$"))?)),
            Value::Array(list) if list.is_empty() => None,
            Value::Array(_) => Some(Names::List(texts(key, value)?)),
            other => return Err(wrong(key, other, "a name or a list of names")),
        })
    }

    /// Whether these names match the layer, and whether by its full name.
    pub fn find(&self, layer: &str, is_output: bool) -> (bool, bool) {
        match self {
            Names::AllLinear => (!is_output, true),
            Names::Pattern(pattern) => (matches(pattern, layer), true),
            Names::List(names) => {
                let exact = names.iter().any(|name| name == layer);
                (exact || names.iter().any(|name| ends_with(layer, name)), exact)
            }
        }
    }
}

/// Whether `end` is a suffix of a layer's name, after a dot.
pub fn ends_with(layer: &str, end: &str) -> bool {
    layer.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'))
}

/// `rank_pattern` or `alpha_pattern`: the first key that matches the end of a name after a dot takes precedence.
pub struct Patterns(Vec<(Regex, f64)>);

impl Patterns {
    pub fn read(key: &str, value: &Value) -> Result<Patterns> {
        let table = match value {
            Value::Null => return Ok(Patterns(Vec::new())),
            Value::Object(table) => table,
            other => return Err(wrong(key, other, "a map from patterns to numbers")),
        };
        let read = |(pattern, value): (&String, &Value)| {
            let Some(number) = value.as_f64() else {
                return Err(wrong(&format!("{key}: {pattern}"), value, "a number"));
            };
            Ok((regex(key, &format!(r"^(.*\.)?({pattern})$"))?, number))
        };
        table.iter().map(read).collect::<Result<_>>().map(Patterns)
    }

    pub fn of(&self, layer: &str) -> Option<f64> {
        self.0.iter().find(|(pattern, _)| matches(pattern, layer)).map(|(_, number)| *number)
    }
}

/// Compiles a regular expression of Python's `re`.
pub fn regex(key: &str, pattern: &str) -> Result<Regex> {
    let found = Regex::new(pattern);
    found.map_err(|error| Error::new("open_lora", format!("`{key}`: `{pattern}` is not a regular expression: {error}")))
}

pub fn matches(pattern: &Regex, name: &str) -> bool {
    pattern.is_match(name).unwrap_or(false)
}

/// A list of strings.
pub fn texts(key: &str, value: &Value) -> Result<Vec<String>> {
    let list = match value {
        Value::Null => return Ok(Vec::new()),
        Value::String(one) => return Ok(vec![one.clone()]),
        Value::Array(list) => list,
        other => return Err(wrong(key, other, "a list of names")),
    };
    list.iter().map(|name| name.as_str().map(String::from).ok_or_else(|| wrong(key, name, "a name"))).collect()
}

pub fn wrong(key: &str, value: &Value, wanted: &str) -> Error {
    Error::new("open_lora", format!("`{key}` is {value}, not {wanted}"))
}
