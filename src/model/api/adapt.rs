//! LoRA and bottleneck adapters for scripts.

use crate::model::adapt::bottleneck::ACTIVATIONS;
use crate::model::{Activation, Bottlenecks, Lora, TokenIndices};
use crate::script::prelude::*;
use crate::tensor::Rng;
use std::path::Path;

const ATTACH: &[Opt] = &[
    opt("rank", Kind::Int, "8", "rank of the low-rank product").also(&["r"]),
    opt("alpha", Kind::Float, "16.0", "the product is scaled by alpha / rank").also(&["lora_alpha"]),
    opt("dropout", Kind::Float, "0.0", "dropout of the inputs in training, drawn anew for each loss")
        .also(&["lora_dropout"]),
    opt(
        "layers",
        Kind::List,
        "[\"q_proj\", \"v_proj\"]",
        "linear layers by name, name suffix or pattern; `all-linear` for all in the layers; `embed_tokens`, `wpe` and others for embeddings",
    )
    .also(&["target_modules"]),
    opt(
        "trainable_token_indices",
        Kind::Any,
        "",
        "ids whose embedding rows are trained too: a list for the input embeddings, or `#{ embed_tokens: […], lm_head: […] }`",
    )
    .also(&["new tokens", "added tokens", "TrainableTokensConfig"]),
    opt("use_dora", Kind::Bool, "false", "DoRA: also train a magnitude for each output"),
    opt("use_rslora", Kind::Bool, "false", "rsLoRA: divide alpha by the square root of the rank"),
    opt("seed", Kind::Int, "", "seed of A; default: the run's stream"),
];

const SAVE: &[Opt] =
    &[opt("base", Kind::Text, "", "base model to name in the folder; default: the path it was opened from")
        .also(&["base_model_name_or_path"])];

const BOTTLENECK: &[Opt] = &[
    opt("rank", Kind::Int, "", "bottleneck width; default: a sixteenth of the layer's").also(&["reduction_factor"]),
    opt(
        "after",
        Kind::OneOf(&["feed_forward", "both"]),
        "\"feed_forward\"",
        "after feed-forward layers (Pfeiffer), or after attention too (Houlsby)",
    ),
    opt("activation", Kind::OneOf(&["relu", "silu", "gelu"]), "\"relu\"", "activation between the two layers"),
    opt("seed", Kind::Int, "", "seed of the first matrix; default: the run's stream"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("attach_bottleneck", BOTTLENECK);
    host.options("save_adapter", SAVE);
    host.options("attach_lora", ATTACH);
    host.options("save_lora", SAVE);
}

/// `trainable_token_indices`: ids for the input embeddings, or ids for each side.
fn token_indices(given: Dynamic) -> Res<TokenIndices> {
    const WHO: &str = "attach_lora";
    let ids = |given: Dynamic| -> Res<Vec<u32>> {
        let Some(list) = given.clone().try_cast::<List>() else {
            bail!(WHO, "option `trainable_token_indices` holds {}, not lists of ids", type_in_words(&given))
        };
        let id = |id: &Dynamic| match id.as_int().ok().and_then(|id| u32::try_from(id).ok()) {
            Some(id) => Ok(id),
            None => Err(Error::new(WHO, format!("option `trainable_token_indices` holds {id}, which is no id")).into()),
        };
        list.iter().map(id).collect()
    };
    if given.is_unit() {
        return Ok(TokenIndices::new());
    }
    match given.clone().try_cast::<Map>() {
        Some(map) => map.into_iter().map(|(name, given)| Ok((Some(name.to_string()), ids(given)?))).collect(),
        None => Ok(std::iter::once((None, ids(given)?)).collect()),
    }
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;

    /// Attaches LoRA to linear layers and freezes all other weights. Returns the number of layers (LoRA: Hu et al. 2021).
    ///
    /// B starts at 0, so nothing changes before the first step. Frozen weights cost neither memory nor time.
    ///
    /// `use_dora` also trains a magnitude for each output (DoRA: Liu et al. 2024), as PEFT does: slower, since each pass computes
    /// the norms of the whole weight. `use_rslora` scales by alpha / √rank (Kalajdzievski 2023). Embeddings take LoRA if named:
    /// `embed_tokens` and `lm_head`, which are untied if they were tied, and position and type embeddings such as GPT-2's `wpe`.
    ///
    /// `trainable_token_indices` also trains the embedding rows of some ids, as PEFT does: those of new tokens, while all other
    /// rows stay as they are. Tied embeddings train them on both sides, unless `lm_head` is given other ids, which unties them.
    /// `save_lora` writes them, and PEFT opens the folder.
    ///
    /// also: get_peft_model, LoraConfig, target_modules, DoRA, rsLoRA
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.attach_lora(#{ rank: 4, layers: ["q_proj", "v_proj"], seed: 1 })     //=> 4
    /// net.parameters().len()                       //=> 8
    /// net                                      //=> llama, 2 layers, 60.1 k parameters, f32, LoRA on 4 layers
    /// let net = model("tests/data/parity/llama");
    /// net.attach_lora(#{ rank: 4, layers: ["q_proj", "lm_head"], use_dora: true, seed: 1 })    //=> 3
    /// let net = model("tests/data/parity/llama");
    /// net.attach_lora(#{ rank: 4, trainable_token_indices: [3, 7], seed: 1 });
    /// net.parameters()[0].shape                    //=> [2, 48]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn attach_lora(net: &mut Model, options: Map) -> Res<INT> {
        let options = Options::read("attach_lora", ATTACH, options)?;
        let mut layers = Vec::new();
        for layer in options.get("layers").into_array().unwrap_or_default() {
            match layer.clone().into_immutable_string() {
                Ok(layer) => layers.push(layer.to_string()),
                Err(_) => bail!("attach_lora", "option `layers` holds {}, not names", type_in_words(&layer)),
            }
        }
        let seed = match options.maybe("seed", Options::int)? {
            Some(seed) => seed as u64,
            None => Rng::or_run(None).next_u64(),
        };
        let lora = Lora {
            rank: options.count("rank")?,
            alpha: options.float("alpha")?,
            dropout: options.float("dropout")?,
            layers,
            seed,
            dora: options.bool("use_dora")?,
            rslora: options.bool("use_rslora")?,
            token_indices: token_indices(options.get("trainable_token_indices"))?,
        };
        Ok(net.attach_lora(&lora)? as INT)
    }

    /// Merges LoRA into the weights and detaches it; weights that were trainable before are trainable again.
    ///
    /// also: merge_and_unload
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.attach_lora(#{ rank: 4, seed: 1 });
    /// net.merge_lora()                         //=> 4
    /// net.merge_lora()                         //=> error: merge_lora: LoRA is not attached
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn merge_lora(net: &mut Model) -> Res<INT> {
        Ok(net.merge_lora()? as INT)
    }

    /// Detaches LoRA, and restores the base weights that its adapter replaced: the model is as it was before.
    ///
    /// also: unload, disable_adapter
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama-lora");
    /// net.detach_lora();
    /// net                                      //=> llama, 2 layers, 60.1 k parameters, f32
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn detach_lora(net: &mut Model) -> Res<INT> {
        Ok(net.detach_lora()? as INT)
    }

    /// Attaches bottleneck adapters and freezes all other weights. An adapter is a narrow layer after each feed-forward (Pfeiffer
    /// et al. 2021), or after attention too (Houlsby et al. 2019), added to its output. Returns the number of layers.
    ///
    /// The last product starts at 0, so nothing changes before the first step. The adapters are not linear and cannot be merged:
    /// `save_adapter` saves them, `detach_bottleneck` detaches them.
    ///
    /// also: adapters, add_adapter, adapter-transformers
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.attach_bottleneck(#{ rank: 4, after: "both", seed: 1 })        //=> 4
    /// net                          //=> llama, 2 layers, 60.1 k parameters, f32, bottleneck adapters after 4 layers
    /// net.save("out/examples/no")  //=> error: save: bottleneck adapters are attached, which can't be merged into weights
    /// net.detach_bottleneck()        //=> 4
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn attach_bottleneck(net: &mut Model, options: Map) -> Res<INT> {
        const WHO: &str = "attach_bottleneck";
        let options = Options::read(WHO, BOTTLENECK, options)?;
        let wanted = Bottlenecks {
            rank: options.maybe("rank", Options::count)?,
            activation: Activation::named(WHO, &options.text("activation")?, &ACTIVATIONS)?,
            attention: options.text("after")? == "both",
            seed: match options.maybe("seed", Options::int)? {
                Some(seed) => seed as u64,
                None => Rng::or_run(None).next_u64(),
            },
        };
        Ok(net.attach_bottleneck(&wanted)? as INT)
    }

    /// Detaches the bottleneck adapters: the model is as it was before.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.detach_bottleneck()                    //=> error: detach_bottleneck: no adapter is attached
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn detach_bottleneck(net: &mut Model) -> Res<INT> {
        Ok(net.detach_bottleneck()? as INT)
    }

    /// Saves only the additions to the base: new embedding rows trained alone, LoRA, bottleneck adapters.
    ///
    /// The folder names its base and holds a hash of the base's files, so that `model(folder)` opens both, or reports a
    /// different base. Save the tokenizer into the same folder to make it complete.
    ///
    /// `base` is a path relative to the folder, or to the working directory.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.resize_embeddings(170);
    /// net.train_only("new_embeddings");
    /// net.save_adapter("out/examples/rows");
    /// model("out/examples/rows").vocab_size         //=> 170
    /// let net = model("tests/data/parity/llama");
    /// net.save_adapter("out/examples/no", #{ base: "tests/data/parity/llama" })
    /// //=> error: save_adapter: nothing was added to the base of this model
    /// ```
    #[rhai_fn(name = "save_adapter", pure, return_raw)]
    pub fn save_adapter(net: &mut Model, folder: &str, options: Map) -> Res<()> {
        let options = Options::read("save_adapter", SAVE, options)?;
        let base = options.maybe("base", Options::text)?;
        Ok(net.save_adapter(Path::new(folder), base.as_deref())?)
    }

    /// Attaches the adapter in a PEFT folder, to resume its training or to merge it. Returns the number of layers with LoRA.
    ///
    /// The rules are PEFT's (0.21): names are regular expressions, the first matching pattern of `alpha_pattern` applies, layers
    /// not in `target_modules` are left out. It opens LoRA on linear layers, on embeddings and the output embeddings, DoRA,
    /// rsLoRA, `lora_bias`, trained biases, `modules_to_save`, saved embeddings (the model's are resized to them),
    /// `trainable_token_indices`, and `peft_type: TRAINABLE_TOKENS`. PiSSA and OLoRA subtract their part from the base, as in
    /// PEFT. Other methods, and changes of the base that the folder does not hold (LoftQ, CorDA, LoRA-GA, `pissa_niter_…`), are
    /// errors; unused entries are reported.
    ///
    /// Modules saved whole and biases continue to train with LoRA, and so do token rows, wherever they are in the embeddings:
    /// they are a weight of their own, `model.embed_tokens.new_rows`. Tied embeddings stay tied if the adapter changes both sides
    /// alike (`ensure_weight_tying`, or token rows); otherwise they are untied, with a warning.
    ///
    /// also: PeftModel.from_pretrained, load_adapter, PiSSA, modules_to_save
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.open_lora("tests/data/parity/llama-lora")                    //=> 6
    /// let net = model("tests/data/peft/bases/llama");
    /// net.open_lora("tests/data/peft/cases/dora")                      //=> 4
    /// net.open_lora("tests/data/peft/cases/dora")                      //=> error: open_lora: LoRA is attached already
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn open_lora(net: &mut Model, folder: &str) -> Res<INT> {
        Ok(net.open_lora(Path::new(folder))? as INT)
    }

    /// Saves LoRA as a PEFT folder, which `peft` opens too. It includes all other changes to the base: trained weights as
    /// `modules_to_save`, new embedding rows as `trainable_token_indices`. In Python, first resize the embeddings of the base
    /// with `resize_token_embeddings`.
    ///
    /// A path that ends in `.gguf` writes a file for llama.cpp and Ollama instead (`--lora`), with the products alone.
    ///
    /// `base` is the base model that the folder names; by default the path it was opened from. For a base in a `.gguf` it is the
    /// model's name on the hub if the file holds it; otherwise PEFT would not find it, and a warning says so.
    ///
    /// also: adapter_model.safetensors, save adapter, convert_lora_to_gguf, GGUF adapter
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.attach_lora(#{ rank: 4, seed: 1 });
    /// net.save_lora("out/examples/lora");
    /// model("out/examples/lora")               //=> llama, 2 layers, 60.1 k parameters, f32, LoRA on 4 layers
    /// let net = model("tests/data/parity/llama");
    /// net.attach_lora(#{ rank: 4, seed: 1 });
    /// net.save_lora("out/examples/lora", #{ base: "HuggingFaceTB/SmolLM2-135M" });
    /// net.save_lora("out/examples/lora.gguf");
    /// ```
    #[rhai_fn(name = "save_lora", pure, return_raw)]
    pub fn save_lora(net: &mut Model, folder: &str, options: Map) -> Res<()> {
        let options = Options::read("save_lora", SAVE, options)?;
        let base = options.maybe("base", Options::text)?;
        if folder.ends_with(".gguf") {
            if base.is_some() {
                bail!("save_lora", "a .gguf names no base");
            }
            return Ok(net.save_lora_gguf(Path::new(folder))?);
        }
        Ok(net.save_lora(Path::new(folder), base.as_deref())?)
    }
}
