//! Lossless conversion of script values to JSON and back: floats without a JSON number are one of three words.

use crate::script::prelude::*;
use serde_json::Value;

/// The floats without a JSON number, by their names in JavaScript and Protocol Buffers.
const WORDS: [(&str, f64); 3] = [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];

/// Converts a script's map to JSON, `step` first: readers look for it.
pub fn to_json(who: &str, mut map: Map) -> Res<serde_json::Map<String, Value>> {
    let mut json = serde_json::Map::new();
    let step = map.remove_entry("step");
    for (key, value) in step.into_iter().chain(map) {
        match to_value(&value) {
            Ok(value) => json.insert(key.to_string(), value),
            Err(kind) => bail!(who, "`{key}` holds {kind}, which can't be written as JSON"),
        };
    }
    Ok(json)
}

/// Converts a value to JSON; the error is the kind that has no JSON form.
fn to_value(value: &Dynamic) -> Result<Value, String> {
    if let Ok(items) = value.as_array_ref() {
        return items.iter().map(to_value).collect();
    }
    if let Ok(map) = value.as_map_ref() {
        let pairs = map.iter().map(|(name, value)| Ok((name.to_string(), to_value(value)?)));
        return Ok(Value::Object(pairs.collect::<Result<_, String>>()?));
    }
    if let Ok(number) = value.as_float()
        && !number.is_finite()
    {
        let is_it = |known: f64| known == number || (known.is_nan() && number.is_nan());
        return Ok(WORDS.iter().find(|(_, known)| is_it(*known)).map_or(Value::Null, |(word, _)| (*word).into()));
    }
    rhai::serde::from_dynamic(value).map_err(|_| type_in_words(value))
}

/// Converts the output of [`to_json`] back.
pub fn from_json(value: impl Into<Value>) -> Res<Dynamic> {
    Ok(match value.into() {
        Value::Array(items) => items.into_iter().map(from_json).collect::<Res<List>>()?.into(),
        Value::Object(pairs) => {
            let pairs = pairs.into_iter().map(|(name, value)| Ok((name.into(), from_json(value)?)));
            pairs.collect::<Res<Map>>()?.into()
        }
        Value::String(text) => match WORDS.iter().find(|(word, _)| *word == text) {
            Some((_, number)) => (*number).into(),
            None => text.into(),
        },
        other => rhai::serde::to_dynamic(other)?,
    })
}
