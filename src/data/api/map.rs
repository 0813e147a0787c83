//! Maps as files: tensors by name, and the figures of a run.

use super::value::json;
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
    /// Saves a map: of tensors by name as `.safetensors`, of the figures of a run as one JSON object in `.json`.
    ///
    /// Tensors in maps and lists inside are named by their places, with dots between, as in PyTorch: `rnn.weight_hh_l0`, `convs.0.bias`.
    /// `tensors(path)` opens them, `load(map, path)` puts them into the parameters of a network.
    ///
    /// `dataset(path)` opens the JSON as one row. Lists and maps inside are kept; NaN and the infinities, which JSON has no
    /// word for, become null. The file is written whole or not at all.
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
}

fn save_tensors(map: Map, path: &str) -> Res<()> {
    let arrays: Vec<(String, Array)> =
        named("save", &map)?.into_iter().map(|(name, tensor)| (name, tensor.value())).collect();
    Ok(safetensors::save(path, arrays.iter().map(|(name, array)| (name.as_str(), array)), &[])?)
}

/// Writes a map as one JSON object; NaN and the infinities are null there, and a value that JSON can't hold is an error
/// that names its key.
fn save_figures(map: &Map, path: &Path) -> Res<()> {
    let pairs = map.iter().map(|(name, value)| match json(value, true) {
        Ok(value) => Ok((name.to_string(), value)),
        Err(what) => Err(Error::new("save", format!("`{name}` holds {what}, which JSON can't say"))),
    });
    let object: serde_json::Map<String, serde_json::Value> = pairs.collect::<crate::Result<_>>()?;
    let text = serde_json::to_string_pretty(&object).unwrap_or_default() + "\n";
    Ok(files::write_all("save", path, text.as_bytes())?)
}
