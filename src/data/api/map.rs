//! A map as a file: the figures of a run, kept.

use super::value::json;
use crate::files;
use crate::script::prelude::*;
use std::path::Path;

/// Writes a map as one JSON object; NaN and the infinities are null there, and what else JSON can't
/// say is an error that names its key.
pub fn save_figures(map: &Map, path: &Path) -> Res<()> {
    let pairs = map.iter().map(|(name, value)| match json(value, true) {
        Ok(value) => Ok((name.to_string(), value)),
        Err(what) => Err(Error::new("save", format!("`{name}` holds {what}, which JSON can't say"))),
    });
    let object: serde_json::Map<String, serde_json::Value> = pairs.collect::<crate::Result<_>>()?;
    let text = serde_json::to_string_pretty(&object).unwrap_or_default() + "\n";
    Ok(files::write_all("save", path, text.as_bytes())?)
}
