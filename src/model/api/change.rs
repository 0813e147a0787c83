//! What changes a model's weights, and saving them.

use super::read::{self, Ids};
use crate::model::Saving;
use crate::script::prelude::*;
use std::path::Path;

const RESIZE: &[Opt] = &[opt("shrink", Kind::Bool, "false", "cut the tables if they have more rows")];

const SAVE: &[Opt] = &[opt("dtype", Kind::Text, "", "f32, bf16 or f16; as the weights are where it is not given")];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("resize", RESIZE);
    host.options("save", SAVE);
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;
    pub type Tensor = crate::tensor::Tensor;

    /// The weight with this name: a parameter, under its Hugging Face name and in its layout.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net["model.norm.weight"].shape           //=> [48]
    /// net["model.norm.wait"]                   //=> error: model: there is no weight `model.norm.wait`
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn weight(net: &mut Model, name: &str) -> Res<Tensor> {
        Ok(net.weight(name)?)
    }

    /// Replace the numbers of a weight. The shape stays, the dtype too.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net["model.norm.weight"] = ones([48]);
    /// net["model.norm.weight"].sum().item()    //=> 48.0
    /// net["model.norm.weight"] = ones([2])     //=> error: model: shape [2] for the weight `model.norm.weight` of shape [48]
    /// ```
    #[rhai_fn(index_set, pure, return_raw)]
    pub fn set_weight(net: &mut Model, name: &str, value: Tensor) -> Res<()> {
        Ok(net.set_weight(name, &value.value())?)
    }

    /// Store the weights as `f32`, `bf16`, `f16` or `q8`. Half precision is for writing and for frozen weights; training
    /// wants f32.
    ///
    /// `q8` keeps the matrices in 8 bits a number with a scale for 32 of them (llama.cpp's Q8_0): frozen, a quarter of the
    /// memory of f32, rounded to 1/254 of the largest number in each block. `to("f32")` widens what is left of them.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.to("bf16");
    /// net.dtype                                //=> bf16
    /// let net = model(#{ kind: "llama", vocab: 64, hidden: 32, layers: 1, ff: 64 }, #{ seed: 1 });
    /// net.to("q8");
    /// net.dtype                                //=> q8_0
    /// ```
    #[rhai_fn(name = "to", pure, return_raw)]
    pub fn convert(net: &mut Model, dtype: &str) -> Res<()> {
        if dtype == "q8" {
            return Ok(net.quantise()?);
        }
        Ok(net.to(read::dtype("to", dtype)?)?)
    }

    /// Grow the vocabulary to at least `rows` rows: input table, output table and config together. Tells how many there
    /// are now.
    ///
    /// Old rows and logits stay as they are, tied tables stay tied. New rows start as the mean of the old ones;
    /// `vocab::init_embeddings` does better. A table that has more rows already stays. Optimisers made before don't know the
    /// new tables: make them after.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.resize(200)                          //=> 200
    /// net.forward([5, 6]).shape                //=> [1, 2, 200]
    /// net.resize(100)                          //=> 200
    /// ```
    #[rhai_fn(name = "resize", pure, return_raw)]
    pub fn resize(net: &mut Model, rows: INT) -> Res<INT> {
        resize_with(net, rows, Map::new())
    }

    /// Grow the vocabulary, or cut it to exactly `rows` rows.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.resize(100, #{ shrink: true })       //=> 100
    /// ```
    #[rhai_fn(name = "resize", pure, return_raw)]
    pub fn resize_with(net: &mut Model, rows: INT, options: Map) -> Res<INT> {
        let options = Options::read("resize", RESIZE, options)?;
        let Ok(rows) = usize::try_from(rows) else { bail!("resize", "{rows} rows") };
        Ok(net.resize(rows, options.bool("shrink")?)? as INT)
    }

    /// Make the vocabulary's tables of nothing but the rows of some ids, in this order: input table, output table and
    /// config together. Tells how many rows there are. For a tokenizer that was trimmed: `vocab::remap_embeddings` knows the ids.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// let row = net.rows([7]);
    /// net.select_rows([5, 7, 9])               //=> 3
    /// net.rows([1]).close(row, 0.0)            //=> true
    /// net.select_rows([3])                     //=> error: select_rows: id 3 is outside the table of 3 rows
    /// ```
    #[rhai_fn(name = "select_rows", pure, return_raw)]
    pub fn select_rows(net: &mut Model, ids: Dynamic) -> Res<INT> {
        let ids = Ids::read("select_rows", "ids", ids)?.unsigned("select_rows")?;
        Ok(net.select_rows(&ids)? as INT)
    }

    /// The rows of the input table for some ids, `[ids, hidden]`.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").rows([5, 6, 7]).shape       //=> [3, 48]
    /// ```
    #[rhai_fn(name = "rows", pure, return_raw)]
    pub fn rows(net: &mut Model, ids: Dynamic) -> Res<Tensor> {
        rows_of(net, ids, "input")
    }

    /// The rows of the `"input"` or `"output"` table for some ids. In a tied model they are the same.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").rows([5], "output").shape   //=> [1, 48]
    /// ```
    #[rhai_fn(name = "rows", pure, return_raw)]
    pub fn rows_of(net: &mut Model, ids: Dynamic, table: &str) -> Res<Tensor> {
        let ids = Ids::read("rows", "ids", ids)?.unsigned("rows")?;
        Ok(net.rows(read::table("rows", table)?, &ids)?)
    }

    /// Replace the rows of the input table for some ids; in a tied model that is the output table too.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.set_rows([5, 6], zeros([2, 48]));
    /// net.rows([6]).sum().item()               //=> 0.0
    /// net.set_rows([500], zeros([1, 48]))      //=> error: set_rows: id 500 is outside the table of 160 rows
    /// ```
    #[rhai_fn(name = "set_rows", pure, return_raw)]
    pub fn set_rows(net: &mut Model, ids: Dynamic, rows: Tensor) -> Res<()> {
        set_rows_of(net, ids, rows, "input")
    }

    /// Replace rows of the `"input"` or `"output"` table.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.set_rows([5], zeros([1, 48]), "output");
    /// net.forward([7, 8]).narrow(2, 5, 1).sum().item()     //=> 0.0
    /// ```
    #[rhai_fn(name = "set_rows", pure, return_raw)]
    pub fn set_rows_of(net: &mut Model, ids: Dynamic, rows: Tensor, table: &str) -> Res<()> {
        let ids = Ids::read("set_rows", "ids", ids)?.unsigned("set_rows")?;
        Ok(net.set_rows(read::table("set_rows", table)?, &ids, &rows.value())?)
    }

    /// Save to a folder that `model` and transformers open: `config.json`, `generation_config.json`, safetensors.
    ///
    /// Weights beyond 5 GB go into several files. An attached adapter is merged into what is written (`save_lora` writes
    /// it alone). All is written beside first: when something is wrong, what was there stays.
    ///
    /// ```rhai
    /// let net = model(#{ kind: "llama", vocab: 32, hidden: 16, layers: 1 }, #{ seed: 1 });
    /// net.save("out/examples/model");
    /// model("out/examples/model")              //=> llama, 1 layer, 4.7 k parameters, f32
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save(net: &mut Model, folder: &str) -> Res<()> {
        save_with(net, folder, Map::new())
    }

    /// Save with the weights in another dtype.
    ///
    /// ```rhai
    /// let net = model(#{ kind: "llama", vocab: 32, hidden: 16, layers: 1 }, #{ seed: 1 });
    /// net.save("out/examples/half", #{ dtype: "bf16" });
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save_with(net: &mut Model, folder: &str, options: Map) -> Res<()> {
        let options = Options::read("save", SAVE, options)?;
        let dtype = match options.maybe("dtype", Options::text)? {
            Some(name) => Some(read::dtype("save", &name)?),
            None => None,
        };
        Ok(net.save(Path::new(folder), Saving { dtype, ..Saving::default() })?)
    }
}
