//! Opening a model, or making a new one.

use super::read;
use crate::model::Shape;
use crate::script::prelude::*;
use crate::tensor::Rng;
use std::path::Path;

const MODEL: &[Opt] = &[
    opt("dtype", Kind::Text, "\"f32\"", "what weights are stored as: f32, bf16, f16"),
    opt("quantized", Kind::Bool, "false", "keep the blocks of a quantised .gguf file, as frozen weights"),
    opt("kind", Kind::Text, "", "architecture of a new model: llama, mistral, qwen2, qwen3, gpt2"),
    opt("vocab", Kind::Int, "", "rows of its vocabulary's tables"),
    opt("hidden", Kind::Int, "", "numbers in a state"),
    opt("layers", Kind::Int, "", "blocks"),
    opt("heads", Kind::Int, "", "attention heads; hidden / 64 where it is not given"),
    opt("kv_heads", Kind::Int, "", "key/value heads that the heads share; as many as heads where it is not given"),
    opt("head_dim", Kind::Int, "", "numbers in a head; hidden / heads where it is not given"),
    opt("ff", Kind::Int, "", "numbers inside a feed-forward; 8/3 of hidden where it is not given (gpt2: 4 times)"),
    opt("positions", Kind::Int, "2048", "places that a sequence may have"),
    opt("theta", Kind::Float, "10000.0", "base of the rotary positions"),
    opt("eps", Kind::Float, "1e-5", "what norms add under the root"),
    opt(
        "window",
        Kind::Int,
        "",
        "how far back each layer sees (mistral, qwen2, qwen3); all the way where it is not given",
    ),
    opt("tied", Kind::Bool, "true", "one table for input and output"),
    opt("seed", Kind::Int, "", "what new weights are drawn from; this run's stream where it is not given"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("model", MODEL);
}

fn shape(options: &Options) -> Res<Shape> {
    let kind = options.text("kind")?.to_string();
    let hidden = options.count("hidden")?;
    let given = |name: &str| options.maybe(name, Options::count);
    let heads = given("heads")?.unwrap_or((hidden / 64).max(1));
    if heads == 0 {
        bail!("model", "option `heads` is 0");
    }
    let head_dim = given("head_dim")?.unwrap_or(hidden / heads);
    if kind == "gpt2" && heads * head_dim != hidden {
        bail!("model", "{heads} heads of {head_dim} numbers don't make the {hidden} of a gpt2's states");
    }
    if !options.has("head_dim") && !hidden.is_multiple_of(heads) {
        bail!("model", "{hidden} numbers don't divide into {heads} heads");
    }
    if options.has("window") && matches!(kind.as_str(), "llama" | "gpt2") {
        let error = Error::new("model", format!("a {kind} has no window"));
        return Err(error.help("mistral, qwen2 and qwen3 have one").into());
    }
    // as the Llamas: 8/3, rounded up to 32
    let ff = if kind == "gpt2" { 4 * hidden } else { (8 * hidden).div_ceil(3).next_multiple_of(32) };
    Ok(Shape {
        vocab: options.count("vocab")?,
        hidden,
        layers: options.count("layers")?,
        heads,
        kv_heads: given("kv_heads")?.unwrap_or(heads),
        head_dim,
        ff: given("ff")?.unwrap_or(ff),
        positions: options.count("positions")?,
        theta: options.float("theta")?,
        eps: options.float("eps")?,
        window: given("window")?,
        tied: options.bool("tied")?,
        kind,
    })
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;

    /// Open the model in a Hugging Face folder, a PEFT adapter folder (with its base), or a `.gguf` file.
    ///
    /// A folder has `config.json` and safetensors, single or sharded, in f32, f16 or bf16. Llama (2, 3, SmolLM), Mistral,
    /// Qwen2, Qwen3 and GPT-2 are known. Every weight must be there with the shape that the config says, and no other.
    /// GGUF weights are dequantised.
    ///
    /// ```rhai
    /// model("tests/data/parity/qwen3")     //=> qwen3, 2 layers, 72.5 k parameters, f32
    /// model("tests/data/parity/qwen4")     //=> error: model: tests/data/parity/qwen4 is not there
    /// ```
    #[rhai_fn(name = "model", return_raw)]
    pub fn open(path: &str) -> Res<Model> {
        open_with(path, Map::new())
    }

    /// Open a model with its weights stored in another dtype, by default f32.
    ///
    /// With `quantized: true` the weights of a quantised `.gguf` file stay in the file's own blocks (Q4_0 to Q8_0, Q2_K
    /// to Q8_K), a fifth to a third of the memory. They are frozen; products widen them as they go, and an adapter learns
    /// beside them (QLoRA: Dettmers et al. 2023). Only the output table is widened whole, while a loss is computed.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama", #{ dtype: "bf16" })    //=> llama, 2 layers, 60.1 k parameters, bf16
    /// model("tests/data/parity/llama", #{ quantized: true })
    /// //=> error: model: tests/data/parity/llama is no .gguf file, and not quantised
    /// ```
    #[rhai_fn(name = "model", return_raw)]
    pub fn open_with(path: &str, options: Map) -> Res<Model> {
        let options = Options::read("model", MODEL, options)?;
        if let Some(other) =
            MODEL.iter().find(|opt| !["dtype", "quantized"].contains(&opt.name) && options.has(opt.name))
        {
            bail!("model", "option `{}` is for new models, and {path} has its own", other.name);
        }
        let dtype = read::dtype("model", &options.text("dtype")?)?;
        let open = if options.bool("quantized")? { Model::open_quantised } else { Model::open };
        Ok(open(Path::new(path), dtype)?)
    }

    /// Make a new model of some shape, with random weights.
    ///
    /// Weights are normal with deviation 0.02, norms 1, biases 0, as transformers starts a model.
    ///
    /// ```rhai
    /// model(#{ kind: "llama", vocab: 1000, hidden: 128, layers: 4, heads: 4, kv_heads: 2, ff: 352 })
    /// //=> llama, 4 layers, 866.4 k parameters, f32
    /// model(#{ kind: "lama", vocab: 1000, hidden: 128, layers: 4 })
    /// //=> error: model: model_type `lama` is not supported
    /// ```
    #[rhai_fn(name = "model", return_raw)]
    pub fn fresh(shape: Map) -> Res<Model> {
        fresh_with(shape, Map::new())
    }

    /// Make a new model of some shape with a seed: the same shape and seed give the same weights.
    ///
    /// ```rhai
    /// let shape = #{ kind: "gpt2", vocab: 100, hidden: 32, layers: 2, heads: 2, positions: 64 };
    /// let net   = model(shape, #{ seed: 7 });
    /// net                                  //=> gpt2, 2 layers, 30.7 k parameters, f32
    /// model(shape, #{ seed: 7 })["transformer.wte.weight"].sum().item() == net["transformer.wte.weight"].sum().item()
    /// //=> true
    /// ```
    #[rhai_fn(name = "model", return_raw)]
    pub fn fresh_with(shape: Map, options: Map) -> Res<Model> {
        let mut all = shape;
        all.extend(options);
        let options = Options::read("model", MODEL, all)?;
        if options.bool("quantized")? {
            bail!("model", "option `quantized` is for .gguf files, and this is a new model");
        }
        let seed = match options.maybe("seed", Options::int)? {
            Some(seed) => seed as u64,
            None => Rng::or_run(None).next_u64(),
        };
        let dtype = read::dtype("model", &options.text("dtype")?)?;
        Ok(Model::fresh(super::shape(&options)?.json(), seed, dtype)?)
    }
}
