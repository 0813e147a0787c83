//! A map as a file: the figures of a run, kept.

use crate::files;
use crate::script::prelude::*;
use std::path::Path;

/// As JSON has it: what is no number there, NaN and the infinities, is null.
fn json(value: &Dynamic) -> Result<serde_json::Value, String> {
    if let Ok(items) = value.as_array_ref() {
        return items.iter().map(json).collect();
    }
    if let Ok(map) = value.as_map_ref() {
        let pairs = map.iter().map(|(name, value)| Ok((name.to_string(), json(value)?)));
        return Ok(serde_json::Value::Object(pairs.collect::<Result<_, String>>()?));
    }
    match value.as_float() {
        Ok(number) if !number.is_finite() => Ok(serde_json::Value::Null),
        _ => super::value::json(value),
    }
}

/// Writes a map as one JSON object; what JSON can't say is an error that names its key.
pub fn save_figures(map: &Map, path: &Path) -> Res<()> {
    let pairs = map.iter().map(|(name, value)| match json(value) {
        Ok(value) => Ok((name.to_string(), value)),
        Err(what) => Err(Error::new("save", format!("`{name}` holds {what}, which JSON can't say"))),
    });
    let object: serde_json::Map<String, serde_json::Value> = pairs.collect::<crate::Result<_>>()?;
    let text = serde_json::to_string_pretty(&object).unwrap_or_default() + "\n";
    Ok(files::write_all("save", path, text.as_bytes())?)
}
