//! Numbers in files: the ending of a path decides the format.

use super::kind;
use crate::script::prelude::*;
use crate::tensor::file::{Safetensors, npy, save_safetensors};
use crate::tensor::{Array, Tensor};
use std::path::Path;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

fn ending(path: &str) -> String {
    Path::new(path).extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

#[export_module]
mod verbs {
    /// The tensor in a `.npy` file, or the only one in a `.safetensors` file.
    ///
    /// ```rhai
    /// tensor([1, 2]).save("/tmp/levain-doc/x.npy");
    /// tensor("/tmp/levain-doc/x.npy")             //=> tensor([1, 2])
    /// tensor("/tmp/levain-doc/none.npy")          //=> error: tensor: /tmp/levain-doc/none.npy is not there
    /// ```
    #[rhai_fn(name = "tensor", return_raw)]
    pub fn tensor(path: &str) -> Res<Tensor> {
        match ending(path).as_str() {
            "npy" => Ok(npy::open(path)?.into()),
            "safetensors" => {
                let file = Safetensors::open(path).map_err(|error| error.told_by("tensor"))?;
                match file.names().as_slice() {
                    [name] => Ok(file.read(name)?.into()),
                    names => {
                        let error = Error::new("tensor", format!("{path} holds {} tensors", names.len()));
                        Err(error.help(format!("take one by name: `tensors(\"{path}\")`")).into())
                    }
                }
            }
            other => bail!("tensor", "{path}: `.{other}` is not .npy or .safetensors"),
        }
    }

    /// The tensors in a `.safetensors` file, as a map by name.
    ///
    /// i8, i16, i32 and u64 are read as i64, truth values as u8.
    ///
    /// ```rhai
    /// save(#{ w: ones([2]), b: zeros([1]) }, "/tmp/levain-doc/w.safetensors");
    /// tensors("/tmp/levain-doc/w.safetensors").w      //=> tensor([1., 1.])
    /// ```
    #[rhai_fn(name = "tensors", return_raw)]
    pub fn tensors(path: &str) -> Res<Map> {
        if ending(path) != "safetensors" {
            bail!("tensors", "{path}: `.{}` is not .safetensors", ending(path));
        }
        let file = Safetensors::open(path)?;
        let read =
            |name: String| -> Res<_> { Ok((name.as_str().into(), Dynamic::from(Tensor::from(file.read(&name)?)))) };
        file.names().into_iter().map(read).collect()
    }

    /// Save a tensor as `.npy`, or under the name `tensor` as `.safetensors`.
    ///
    /// The file is written beside and renamed: what was there stays when something goes wrong.
    ///
    /// ```rhai
    /// tensor([[1.5], [2.5]]).save("/tmp/levain-doc/y.npy");
    /// tensor("/tmp/levain-doc/y.npy").shape          //=> [2, 1]
    /// tensor([1]).save("/tmp/levain-doc/y.txt")      //=> error: save: /tmp/levain-doc/y.txt: `.txt` is not .npy or .safetensors
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save(x: &mut Tensor, path: &str) -> Res<()> {
        match ending(path).as_str() {
            "npy" => Ok(npy::save(path, &x.value())?),
            "safetensors" => Ok(save_safetensors(path, [("tensor", &x.value())], &[])?),
            other => bail!("save", "{path}: `.{other}` is not .npy or .safetensors"),
        }
    }

    /// Save a map: of tensors by name as `.safetensors`, of the figures of a run as one JSON object in `.json`.
    ///
    /// `dataset(path)` opens the JSON as one row. Lists and maps inside are kept; NaN and the infinities, which JSON has no
    /// word for, become null. The file is written whole or not at all.
    ///
    /// ```rhai
    /// save(#{ w: ones([2]) }, "/tmp/levain-doc/z.safetensors");
    /// save(#{ w: 1 }, "/tmp/levain-doc/z.safetensors")      //=> error: save: `w` is a whole number, not a tensor
    /// #{ loss: 1.5, curve: [2.0, 1.5] }.save("out/doc/result.json");
    /// dataset("out/doc/result.json")[0].loss                //=> 1.5
    /// #{ loss: 1.5 }.save("out/doc/result.csv")             //=> error: save: out/doc/result.csv: a map is saved as .safetensors or .json
    /// ```
    #[rhai_fn(name = "save", return_raw)]
    pub fn save_map(tensors: Map, path: &str) -> Res<()> {
        match ending(path).as_str() {
            "safetensors" => {}
            "json" => return crate::data::api::save_figures(&tensors, Path::new(path)),
            _ => bail!("save", "{path}: a map is saved as .safetensors or .json"),
        }
        let mut arrays: Vec<(String, Array)> = Vec::new();
        for (name, value) in tensors {
            let Some(tensor) = value.read_lock::<Tensor>() else {
                bail!("save", "`{name}` is {}, not a tensor", kind(&value));
            };
            arrays.push((name.to_string(), tensor.value()));
        }
        Ok(save_safetensors(path, arrays.iter().map(|(name, array)| (name.as_str(), array)), &[])?)
    }
}
