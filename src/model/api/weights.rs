//! Weights, embeddings and quantization.

use super::read::{self, Ids};
use crate::kernel::quantize::WORDS as BLOCKS;
use crate::model::{Importance, Model};
use crate::script::prelude::*;
use std::path::Path;

const RESIZE: &[Opt] = &[opt("shrink", Kind::Bool, "false", "truncate embeddings that have more rows")];

const QUANTIZE: &[Opt] = &[
    opt("output", Kind::OneOf(&BLOCKS), "", "kind of the output embeddings; default: q6_k, or q8_0 with q8_0")
        .also(&["output-tensor-type"]),
    opt(
        "importance",
        Kind::Any,
        "",
        "importance matrix: the result of `net.importance`, or the path of a file of llama.cpp's `llama-imatrix`",
    )
    .also(&["imatrix", "calibration"]),
];

const IMPORTANCE: &[Opt] = &[
    opt("max_length", Kind::Int, "512", "tokens per pass; longer texts are read in parts").also(&["ctx-size", "n_ctx"]),
    opt("out", Kind::Text, "", ".gguf to write, for llama.cpp's `llama-quantize --imatrix`; default: none"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("resize_embeddings", RESIZE);
    host.options("quantize", QUANTIZE);
    host.options("importance", IMPORTANCE);
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;
    pub type Tensor = crate::tensor::Tensor;
    pub type Tokenizer = crate::token::Tokenizer;

    /// Returns the weight with this Hugging Face name: a parameter, in Hugging Face's layout.
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

    /// Replaces the numbers of a weight, whose shape and dtype stay.
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

    /// Converts the weights to `f32`, `bf16`, `f16` or `q8`, or moves them to a device: `cpu`, `cuda` or `metal`. Half precision
    /// is for generation and for frozen weights; training needs f32.
    ///
    /// `q8` quantizes the matrices to 8 bits with a scale per 32 numbers (llama.cpp's Q8_0): frozen, a quarter of the memory of
    /// f32, rounded to 1/254 of the largest number in each block. `to("f32")` dequantizes the rounded weights. `quantize` has the
    /// other kinds.
    ///
    /// Adapters move with the weights, adapters attached later go there, and so do an optimizer's moments. Losses and gradients
    /// are computed on the device of the weights, and batches need not be moved: [devices](docs/devices.md). `cuda` and `metal`
    /// need a levain built with them; quantized weights stay on the CPU.
    ///
    /// also: half, bfloat16, load_in_8bit, cuda, gpu, device, model.to(device)
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.to("bf16");
    /// net.dtype                                //=> bf16
    /// let net = model(#{ model_type: "llama", vocab_size: 64, hidden_size: 32, num_hidden_layers: 1 }, #{ seed: 1 });
    /// net.to("q8");
    /// net.dtype                                //=> q8_0
    /// net.to("f32");
    /// net.to("cpu");
    /// net.device                               //=> cpu
    /// ```
    #[rhai_fn(name = "to", pure, return_raw)]
    pub fn convert(net: &mut Model, dtype: &str) -> Res<()> {
        if dtype == "q8" {
            return Ok(net.quantize("to", "q8_0", None, None)?);
        }
        if let Some(device) = crate::kernel::device("to", dtype) {
            return Ok(net.move_to(&device?)?);
        }
        Ok(net.to(read::dtype("to", dtype)?)?)
    }

    /// Quantizes the matrices to one of ggml's kinds of blocks. Kinds are `q4_0`, `q4_1`, `q5_0`, `q5_1`, `q8_0`, `q2_k`, `q3_k`,
    /// `q4_k`, `q5_k`, `q6_k`, and mixtures of them (`q3_k_m`, `q4_k_s`, `q4_k_m`, `q5_k_m`). The digit is the number of bits;
    /// `save` has a table.
    ///
    /// Quantized weights are frozen; LoRA trains beside them (QLoRA). Output embeddings are `output`: `q6_k` if the others have
    /// fewer bits than `q8_0`, as in llama.cpp. A kind with `_k` needs rows of a multiple of 256 numbers: other matrices get its
    /// fallback kind, with a warning. Weights that are already quantized stay as they are. `measure::kld` measures the cost.
    ///
    /// The rounding is llama.cpp's, without an importance matrix (`quantize_row_*_ref` in `ggml-quants.c`) or with one
    /// (`quantize_row_*_impl`): `importance` keeps errors small in the columns that texts use most. It helps more with fewer
    /// bits; `q8_0` is the same either way.
    ///
    /// also: load_in_4bit, bitsandbytes, qlora, int8, q4_k_m, llama-quantize, post-training quantization
    ///
    /// ```rhai
    /// let net = model(#{ model_type: "llama", vocab_size: 64, hidden_size: 32, num_hidden_layers: 1 }, #{ seed: 1 });
    /// let before = net.memory_footprint;
    /// net.quantize("q4_0", #{ output: "q8_0" });
    /// before / net.memory_footprint                      //=> 5
    /// net.quantize("q4")                                 //=> error: quantize: `q4` is no kind of blocks
    /// ```
    #[rhai_fn(name = "quantize", pure, return_raw)]
    pub fn quantize(net: &mut Model, kind: &str, options: Map) -> Res<()> {
        let options = Options::read("quantize", QUANTIZE, options)?;
        let output = options.maybe("output", Options::text)?;
        let importance = super::importance("quantize", net, options.get("importance"))?;
        Ok(net.quantize("quantize", kind, output.as_deref(), importance.as_ref())?)
    }

    /// Computes llama.cpp's importance matrix, for `quantize` and `save`. It is a map with a tensor for each weight of the
    /// layers, the mean square of each column's input over the tokens of texts.
    ///
    /// Some ten thousand tokens are enough, from texts like those that the model is for, but not from those of a later
    /// evaluation. Output embeddings are not included, as in llama.cpp. `out` also writes the file of `llama-imatrix`.
    ///
    /// also: imatrix, llama-imatrix, importance matrix, calibration data, activation statistics
    ///
    /// ```rhai
    /// let net = model("scripts/models/tiny");
    /// let tok = tokenizer("scripts/models/tiny");
    /// let found = net.importance(tok, ["The people of the United States", "in order to form a more perfect union"]);
    /// found["model.layers.0.mlp.down_proj.weight"].shape == [net.config.intermediate_size]      //=> true
    /// net.quantize("q4_0", #{ importance: found });
    /// net.quantize("q4_0", #{ importance: #{ a: found["model.layers.0.mlp.down_proj.weight"] } })
    /// //=> error: quantize: the importance names `a`, which this model has not
    /// ```
    ///
    /// ```rhai
    /// let net = model("scripts/models/tiny");
    /// let tok = tokenizer("scripts/models/tiny");
    /// net.importance(tok, ["The people of the United States"], #{ out: "out/examples/imatrix.gguf" });
    /// net.save("out/examples/tiny-q4.gguf", #{ tok: tok, kind: "q4_0", importance: "out/examples/imatrix.gguf" });
    /// ```
    #[rhai_fn(name = "importance", pure, return_raw)]
    pub fn importance(net: &mut Model, tok: Tokenizer, texts: Dynamic, options: Map) -> Res<Map> {
        let options = Options::read("importance", IMPORTANCE, options)?;
        let max_length = options.count("max_length")?;
        let found =
            crate::token::api::with_texts("importance", &texts, |texts| net.importance(&tok, texts, max_length))?;
        if let Some(out) = options.maybe("out", Options::text)? {
            net.save_importance(Path::new(out.as_str()), &found, max_length)?;
        }
        let arrays = found.arrays()?.into_iter();
        Ok(arrays.map(|(name, columns)| (name.into(), Dynamic::from(Tensor::from(columns)))).collect())
    }

    /// Returns the bytes of memory of the weights, without adapters.
    ///
    /// also: get_memory_footprint, model size
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").memory_footprint  //=> 240576
    /// ```
    #[rhai_fn(pure, get = "memory_footprint")]
    pub fn memory_footprint(net: &mut Model) -> INT {
        net.memory_footprint() as INT
    }

    /// Grows the embeddings to at least `rows` rows, and returns their number. Input, output, its bias, and the config change
    /// together.
    ///
    /// Old rows and their logits stay as they are, and tied embeddings stay tied. New rows start as the mean of the old ones;
    /// `vocab::init_embeddings` does better. Embeddings that already have more rows stay. Create optimizers afterwards: earlier
    /// ones do not know the new embeddings.
    ///
    /// With `shrink`, embeddings that have more rows are cut to exactly `rows`.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.resize_embeddings(200)                          //=> 200
    /// net.forward([5, 6]).shape                //=> [1, 2, 200]
    /// net.resize_embeddings(100)                          //=> 200
    /// net.resize_embeddings(100, #{ shrink: true })       //=> 100
    /// ```
    ///
    /// also: resize_token_embeddings
    #[rhai_fn(name = "resize_embeddings", pure, return_raw)]
    pub fn resize_embeddings(net: &mut Model, rows: INT, options: Map) -> Res<INT> {
        let options = Options::read("resize_embeddings", RESIZE, options)?;
        let Ok(rows) = usize::try_from(rows) else { bail!("resize_embeddings", "{rows} rows") };
        Ok(net.resize_embeddings(rows, options.bool("shrink")?)? as INT)
    }

    /// Reduces the embeddings to the rows of these ids, in this order. Input, output, its bias, and the config change together.
    /// Returns the number of rows. For a trimmed tokenizer, `vocab::remap_embeddings` knows the ids.
    ///
    /// also: vocabulary pruning
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// let row = net.embedding_rows([7]);
    /// net.select_embedding_rows([5, 7, 9])               //=> 3
    /// net.embedding_rows([1]).close(row, 0.0)            //=> true
    /// net.select_embedding_rows([3])
    /// //=> error: select_embedding_rows: id 3 is outside the embeddings of 3 rows
    /// ```
    #[rhai_fn(name = "select_embedding_rows", pure, return_raw)]
    pub fn select_embedding_rows(net: &mut Model, ids: Dynamic) -> Res<INT> {
        let ids = Ids::read("select_embedding_rows", "ids", ids)?.unsigned("select_embedding_rows")?;
        Ok(net.select_embedding_rows(&ids)? as INT)
    }

    /// Returns the input embeddings of ids, `[ids, hidden_size]`.
    ///
    /// also: get_input_embeddings
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").embedding_rows([5, 6, 7]).shape       //=> [3, 48]
    /// ```
    #[rhai_fn(name = "embedding_rows", pure, return_raw)]
    pub fn embedding_rows(net: &mut Model, ids: Dynamic) -> Res<Tensor> {
        embedding_rows_of(net, ids, "input")
    }

    /// Returns the `"input"` or `"output"` embeddings of ids. In a tied model they are the same.
    ///
    /// also: get_output_embeddings, lm_head
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").embedding_rows([5], "output").shape   //=> [1, 48]
    /// ```
    #[rhai_fn(name = "embedding_rows", pure, return_raw)]
    pub fn embedding_rows_of(net: &mut Model, ids: Dynamic, side: &str) -> Res<Tensor> {
        let ids = Ids::read("embedding_rows", "ids", ids)?.unsigned("embedding_rows")?;
        Ok(net.embedding_rows(read::side("embedding_rows", side)?, &ids)?)
    }

    /// Replaces the input embeddings of ids; in a tied model they are the output embeddings too.
    ///
    /// also: set_input_embeddings
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.set_embedding_rows([5, 6], zeros([2, 48]));
    /// net.embedding_rows([6]).sum().item()               //=> 0.0
    /// net.set_embedding_rows([500], zeros([1, 48]))
    /// //=> error: set_embedding_rows: id 500 is outside the embeddings of 160 rows
    /// ```
    #[rhai_fn(name = "set_embedding_rows", pure, return_raw)]
    pub fn set_embedding_rows(net: &mut Model, ids: Dynamic, rows: Tensor) -> Res<()> {
        set_embedding_rows_of(net, ids, rows, "input")
    }

    /// Replaces the `"input"` or `"output"` embeddings of ids.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.set_embedding_rows([5], zeros([1, 48]), "output");
    /// net.forward([7, 8]).narrow(2, 5, 1).sum().item()     //=> 0.0
    /// ```
    #[rhai_fn(name = "set_embedding_rows", pure, return_raw)]
    pub fn set_embedding_rows_of(net: &mut Model, ids: Dynamic, rows: Tensor, side: &str) -> Res<()> {
        let ids = Ids::read("set_embedding_rows", "ids", ids)?.unsigned("set_embedding_rows")?;
        Ok(net.set_embedding_rows(read::side("set_embedding_rows", side)?, &ids, &rows.value())?)
    }
}

/// The value of the option `importance`: a map of tensors by weight, or a file.
pub fn importance(who: &str, net: &Model, given: Dynamic) -> Res<Option<Importance>> {
    if given.is_unit() {
        return Ok(None);
    }
    if given.is_string() {
        let path = given.into_immutable_string().unwrap_or_default();
        return Ok(Some(net.open_importance(Path::new(path.as_str()))?));
    }
    let Some(map) = given.read_lock::<Map>().map(|map| map.clone()) else {
        let error =
            Error::new(who, format!("option `importance` takes a map or a path, not {}", type_in_words(&given)));
        return Err(error.help("`net.importance(tok, texts)` makes the map").into());
    };
    let mut found = Importance::default();
    for (name, value) in map {
        let Some(tensor) = value.try_cast::<crate::tensor::Tensor>() else {
            bail!(who, "the importance of `{name}` is not a tensor");
        };
        found.insert(&name, &tensor.value())?;
    }
    Ok(Some(found))
}
