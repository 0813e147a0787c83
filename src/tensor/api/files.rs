//! Tensors in files: the extension of a path decides the format.

use crate::format::{Safetensors, Shard, npy, safetensors};
use crate::kernel::default_device;
use crate::script::prelude::*;
use crate::tensor::{Array, Tensor};
use std::path::Path;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

fn ending(path: &str) -> String {
    Path::new(path).extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// A tensor from a file, on the default device.
fn there(array: Array) -> Res<Tensor> {
    Ok(Tensor::from(array.to_device(&default_device()?).map_err(Error::from)?))
}

#[export_module]
mod verbs {
    /// Reads the tensor in a `.npy` file, or the only one in a `.safetensors` file.
    ///
    /// also: torch.tensor, torch.Tensor, FloatTensor, LongTensor, as_tensor, from_numpy, np.array, np.load, torch.load, array
    ///
    /// ```rhai
    /// tensor([1, 2]).save("/tmp/levain-doc/x.npy");
    /// tensor("/tmp/levain-doc/x.npy")             //=> tensor([1, 2])
    /// tensor("/tmp/levain-doc/none.npy")          //=> error: tensor: /tmp/levain-doc/none.npy is not there
    /// ```
    #[rhai_fn(name = "tensor", return_raw)]
    pub fn tensor(path: &str) -> Res<Tensor> {
        match ending(path).as_str() {
            "npy" => there(npy::open(path)?),
            "safetensors" => {
                let file = Safetensors::open(path).map_err(|error| error.attributed_to("tensor"))?;
                match file.names().as_slice() {
                    [name] => there(file.read(name)?),
                    names => {
                        let error = Error::new("tensor", format!("{path} holds {} tensors", names.len()));
                        Err(error.help(format!("take one by name: `tensors(\"{path}\")`")).into())
                    }
                }
            }
            other => bail!("tensor", "{path}: `.{other}` is not .npy or .safetensors"),
        }
    }

    /// Reads the tensors in a `.safetensors` file, or in a file of `torch.save` (`.bin`, `.pt`, `.pth`), as a map by name.
    ///
    /// i8, i16, i32 and u64 are read as i64, booleans as u8. Nothing in a PyTorch file is run: the file is a dict of tensors, or
    /// holds one as `state_dict` or `model`; anything else is an error that names it.
    ///
    /// also: load_file, safe_open, torch.load, np.load
    ///
    /// ```rhai
    /// save(#{ w: ones([2]), b: zeros([1]) }, "/tmp/levain-doc/w.safetensors");
    /// tensors("/tmp/levain-doc/w.safetensors").w      //=> tensor([1., 1.])
    /// tensors("tests/data/pytorch/nested-views.bin")["slice"].shape        //=> [3, 5]
    /// tensors("tests/data/pytorch/evil.bin")
    /// //=> error: tensors: tests/data/pytorch/evil.bin: byte 259: it asks for posix.system, which weights have no need of; nothing was run
    /// ```
    #[rhai_fn(name = "tensors", return_raw)]
    pub fn tensors(path: &str) -> Res<Map> {
        if !["safetensors", "bin", "pt", "pth"].contains(&ending(path).as_str()) {
            bail!("tensors", "{path}: `.{}` is not .safetensors, .bin, .pt or .pth", ending(path));
        }
        let file = Shard::open(Path::new(path))?;
        let read = |name: String| -> Res<_> { Ok((name.as_str().into(), Dynamic::from(there(file.read(&name)?)?))) };
        file.names().into_iter().map(read).collect()
    }

    /// Saves a tensor as `.npy`, or under the name `tensor` as `.safetensors`.
    ///
    /// The file is written beside and renamed: an error leaves the old file.
    ///
    /// also: torch.save, np.save, save_file
    ///
    /// effect
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
            "safetensors" => Ok(safetensors::save(path, [("tensor", &x.value())], &[])?),
            other => bail!("save", "{path}: `.{other}` is not .npy or .safetensors"),
        }
    }
}
