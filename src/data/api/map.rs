//! A map as a file: the figures of a run, kept.

use crate::files;
use crate::script::prelude::*;
use std::path::Path;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

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

#[export_module]
mod verbs {
    /// Writes a map as one JSON object, for the figures of a run; `dataset(path)` opens it as one row.
    ///
    /// Lists and maps inside are kept as they are; NaN and the infinities, which JSON has no word for, become null. The file is
    /// written whole or not at all. Tensors, datasets and models are no figures: an error names the first.
    ///
    /// ```rhai
    /// #{ loss: 1.5, curve: [2.0, 1.5] }.save("out/doc/result.json");
    /// dataset("out/doc/result.json")[0].loss     //=> 1.5
    /// #{ loss: 1.5 }.save("out/doc/result.csv")  //=> error: save: out/doc/result.csv: a map is saved as .json
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn save(map: &mut Map, path: &str) -> Res<()> {
        if !path.ends_with(".json") {
            bail!("save", "{path}: a map is saved as .json");
        }
        let pairs = map.iter().map(|(name, value)| match json(value) {
            Ok(value) => Ok((name.to_string(), value)),
            Err(what) => Err(Error::new("save", format!("`{name}` holds {what}, which JSON can't say"))),
        });
        let object: serde_json::Map<String, serde_json::Value> = pairs.collect::<crate::Result<_>>()?;
        let text = serde_json::to_string_pretty(&object).unwrap_or_default() + "\n";
        Ok(files::write_all("save", Path::new(path), text.as_bytes())?)
    }
}
