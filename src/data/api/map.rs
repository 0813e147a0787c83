//! Maps as files: named tensors, and the results of a run.

use super::value::json;
use crate::data::digits;
use crate::files;
use crate::format::safetensors;
use crate::script::prelude::*;
use crate::tensor::{Array, api::named};
use std::path::Path;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Saves a map: named tensors as `.safetensors`, results of a run as one JSON object in `.json`.
    ///
    /// Tensors in nested maps and lists are named by their paths, joined by dots, as in PyTorch: `rnn.weight_hh_l0`,
    /// `convs.0.bias`. `tensors(path)` opens them, `load(map, path)` loads them into the parameters of a network.
    ///
    /// `dataset(path)` opens the JSON as one row. Nested lists and maps are kept; NaN and infinities, which JSON lacks, become
    /// null. The write is atomic.
    ///
    /// also: state_dict, torch.save, save_file, json.dump
    ///
    /// effect
    ///
    /// ```rhai
    /// save(#{ w: ones([2]) }, "/tmp/levain-doc/z.safetensors");
    /// save(#{ w: 1 }, "/tmp/levain-doc/z.safetensors")      //=> error: save: `w` is a whole number, not a tensor
    /// save(#{ a: #{ w: ones([2]) }, b: [zeros([1])] }, "/tmp/levain-doc/z.safetensors");
    /// tensors("/tmp/levain-doc/z.safetensors").keys()       //=> ["a.w", "b.0"]
    /// #{ loss: 1.5, curve: [2.0, 1.5] }.save("out/doc/result.json");
    /// dataset("out/doc/result.json")[0].loss                //=> 1.5
    /// #{ loss: 1.5 }.save("out/doc/result.csv")             //=> error: save: out/doc/result.csv: a map is saved as .safetensors or .json
    /// ```
    #[rhai_fn(name = "save", return_raw)]
    pub fn save_map(map: Map, path: &str) -> Res<()> {
        match Path::new(path).extension().map(|ending| ending.to_string_lossy().to_lowercase()).as_deref() {
            Some("safetensors") => save_tensors(map, path),
            Some("json") => save_figures(&map, Path::new(path)),
            _ => bail!("save", "{path}: a map is saved as .safetensors or .json"),
        }
    }

    /// Serializes the map as JSON. NaN and infinities, which JSON lacks, become null; a value that is not data is an error.
    ///
    /// also: json.dumps, stringify, serialize
    ///
    /// ```rhai
    /// #{ loss: 1.5, curve: [2, ()] }.to_json()      //=> {"curve":[2,null],"loss":1.5}
    /// #{ w: ones([2]) }.to_json()                   //=> error: to_json: `w` holds a tensor, which JSON can't say
    /// ```
    #[rhai_fn(name = "to_json", pure, return_raw)]
    pub fn map_to_json(map: &mut Map) -> Res<String> {
        Ok(figures("to_json", map).map(|object| serde_json::Value::Object(object).to_string())?)
    }

    /// Serializes the list as JSON, as for a map.
    ///
    /// ```rhai
    /// [1, "a", #{ b: true }].to_json()              //=> [1,"a",{"b":true}]
    /// ```
    #[rhai_fn(name = "to_json", pure, return_raw)]
    pub fn list_to_json(list: &mut List) -> Res<String> {
        match json(&Dynamic::from(list.clone()), true) {
            Ok(value) => Ok(value.to_string()),
            Err(what) => bail!("to_json", "the list holds {what}, which JSON can't say"),
        }
    }

    /// Parses a JSON value: maps, lists, numbers, texts, `true`, `false`, and null as `()`.
    ///
    /// Integers that do not fit into 64 bits (identifiers) become text, digit for digit, as in `dataset`.
    ///
    /// also: json.loads, deserialize
    ///
    /// ```rhai
    /// parse_json("{\"a\": [1, 2.5, null]}")         //=> #{"a": [1, 2.5, ()]}
    /// parse_json("[12345678901234567890]")          //=> ["12345678901234567890"]
    /// parse_json("{'a': 1}")                        //=> error: parse_json: broken JSON at line 1, column 2: key must be a string
    /// ```
    #[rhai_fn(name = "parse_json", return_raw)]
    pub fn parse_json(text: &str) -> Res<Dynamic> {
        let value = digits::value::<serde_json::Value>(text).map_err(|error| {
            let told = error.to_string();
            let what = told.rsplit_once(" at line ").map_or(told.as_str(), |(what, _)| what);
            Error::new("parse_json", format!("broken JSON at line {}, column {}: {what}", error.line(), error.column()))
        })?;
        rhai::serde::to_dynamic(value)
    }
}

fn save_tensors(map: Map, path: &str) -> Res<()> {
    let arrays: Vec<(String, Array)> =
        named("save", &map)?.into_iter().map(|(name, tensor)| (name, tensor.value())).collect();
    Ok(safetensors::save(path, arrays.iter().map(|(name, array)| (name.as_str(), array)), &[])?)
}

/// A map as JSON.
fn figures(who: &str, map: &Map) -> crate::Result<serde_json::Map<String, serde_json::Value>> {
    let pairs = map.iter().map(|(name, value)| match json(value, true) {
        Ok(value) => Ok((name.to_string(), value)),
        Err(what) => Err(Error::new(who, format!("`{name}` holds {what}, which JSON can't say"))),
    });
    pairs.collect()
}

/// Writes a map as one JSON object; NaN and infinities become null, and a value that JSON can't hold is an error that names its
/// key.
fn save_figures(map: &Map, path: &Path) -> Res<()> {
    let text = serde_json::to_string_pretty(&figures("save", map)?).unwrap_or_default() + "\n";
    Ok(files::write_all("save", path, text.as_bytes())?)
}
