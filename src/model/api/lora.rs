//! LoRA and bottleneck adapters for scripts.

use crate::model::{Activation, Bottlenecks, Lora};
use crate::script::prelude::*;
use crate::tensor::Rng;
use std::path::Path;

const ATTACH: &[Opt] = &[
    opt("rank", Kind::Int, "8", "width of the adapters"),
    opt("alpha", Kind::Float, "16.0", "what they add is scaled by alpha / rank"),
    opt("dropout", Kind::Float, "0.0", "share of their inputs that is dropped in training"),
    opt(
        "layers",
        Kind::List,
        "[\"q_proj\", \"v_proj\"]",
        "linear layers by name, by the end of the name, or by pattern; `all-linear` for all in blocks",
    ),
    opt("seed", Kind::Int, "", "what A is drawn from; this run's stream where it is not given"),
];

const SAVE: &[Opt] =
    &[opt("base", Kind::Text, "", "what the folder names as its base model; where it was opened, if not given")];

const ADAPTERS: &[Opt] = &[
    opt("rank", Kind::Int, "", "numbers in the middle; a sixteenth of the layer's, if not given"),
    opt("after", Kind::Text, "\"feed_forward\"", "`feed_forward` (Pfeiffer), or `both`: attention too (Houlsby)"),
    opt("activation", Kind::Text, "\"relu\"", "relu, silu or gelu"),
    opt("seed", Kind::Int, "", "what the first product is drawn from; this run's stream where it is not given"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("attach_adapters", ADAPTERS);
    host.options("save_adapter", SAVE);
    host.options("attach_lora", ATTACH);
    host.options("save_lora", SAVE);
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;

    /// Attach LoRA adapters to linear layers and freeze all else; tells how many layers got one (Hu et al. 2021).
    ///
    /// B starts at 0, so nothing changes before the first step. Frozen weights cost neither memory nor time.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.attach_lora(#{ rank: 4, layers: ["q_proj", "v_proj"], seed: 1 })     //=> 4
    /// net.params().len()                       //=> 8
    /// net                                      //=> llama, 2 layers, 60.1 k parameters, f32, LoRA on 4 layers
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn attach_lora(net: &mut Model, options: Map) -> Res<INT> {
        let options = Options::read("attach_lora", ATTACH, options)?;
        let mut layers = Vec::new();
        for layer in options.get("layers").into_array().unwrap_or_default() {
            match layer.into_immutable_string() {
                Ok(layer) => layers.push(layer.to_string()),
                Err(kind) => bail!("attach_lora", "option `layers` holds {kind}, not names"),
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
        };
        Ok(net.attach_lora(&lora)? as INT)
    }

    /// Add what the adapters learned to the weights and take them off; what learned before learns again.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.attach_lora(#{ rank: 4, seed: 1 });
    /// net.merge_lora()                         //=> 4
    /// net.merge_lora()                         //=> error: merge_lora: no adapter is attached
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn merge_lora(net: &mut Model) -> Res<INT> {
        Ok(net.merge_lora()? as INT)
    }

    /// Take the adapters off: the model is as it was before.
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

    /// Attach bottleneck adapters and freeze all else; tells how many there are: a narrow layer behind each feed-forward
    /// (Pfeiffer et al. 2021), or behind attention too (Houlsby et al. 2019), added to what it gives.
    ///
    /// The last product starts at 0, so nothing changes before the first step. They are not linear and can't be merged:
    /// `save_adapter` keeps them, `detach_adapters` takes them off.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.attach_adapters(#{ rank: 4, after: "both", seed: 1 })        //=> 4
    /// net                          //=> llama, 2 layers, 60.1 k parameters, f32, adapters behind 4 layers
    /// net.save("out/examples/no")  //=> error: save: bottleneck adapters are attached, which can't be merged into weights
    /// net.detach_adapters()        //=> 4
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn attach_adapters(net: &mut Model, options: Map) -> Res<INT> {
        const WHO: &str = "attach_adapters";
        let options = Options::read(WHO, ADAPTERS, options)?;
        let attention = match options.text("after")?.as_str() {
            "feed_forward" => false,
            "both" => true,
            other => {
                return Err(Error::new(WHO, format!("`after` is `{other}`"))
                    .help("it takes feed_forward, both")
                    .into());
            }
        };
        let wanted = Bottlenecks {
            rank: options.maybe("rank", Options::count)?,
            activation: Activation::named(WHO, &options.text("activation")?)?,
            attention,
            seed: match options.maybe("seed", Options::int)? {
                Some(seed) => seed as u64,
                None => Rng::or_run(None).next_u64(),
            },
        };
        Ok(net.attach_adapters(&wanted)? as INT)
    }

    /// Take the bottleneck adapters off: the model is as it was before.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.detach_adapters()                    //=> error: detach_adapters: no adapter is attached
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn detach_adapters(net: &mut Model) -> Res<INT> {
        Ok(net.detach_adapters()? as INT)
    }

    /// Save what the model has beside its base, and no old weight: new rows that learned alone, LoRA, bottleneck adapters.
    ///
    /// The folder names its base and holds a hash of the base's files, so that `model(folder)` opens both or says that the
    /// base is another. Save the tokenizer into the same folder, and the folder is whole.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.resize(170);
    /// net.learn("new_rows");
    /// net.save_adapter("out/examples/rows");
    /// model("out/examples/rows").vocab         //=> 170
    /// ```
    #[rhai_fn(name = "save_adapter", pure, return_raw)]
    pub fn save_adapter(net: &mut Model, folder: &str) -> Res<()> {
        save_adapter_with(net, folder, Map::new())
    }

    /// Save what the model has beside its base, and say where the base is: a path from the folder, or from where one is.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.save_adapter("out/examples/no", #{ base: "tests/data/parity/llama" })
    /// //=> error: save_adapter: this model has nothing beside its base
    /// ```
    #[rhai_fn(name = "save_adapter", pure, return_raw)]
    pub fn save_adapter_with(net: &mut Model, folder: &str, options: Map) -> Res<()> {
        let options = Options::read("save_adapter", SAVE, options)?;
        let base = options.maybe("base", Options::text)?;
        Ok(net.save_adapter(Path::new(folder), base.as_deref())?)
    }

    /// Attach the adapter in a PEFT folder, to go on training it or to merge it.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.open_lora("tests/data/parity/llama-lora")                    //=> 6
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn open_lora(net: &mut Model, folder: &str) -> Res<INT> {
        Ok(net.open_lora(Path::new(folder))? as INT)
    }

    /// Save the adapter alone as a PEFT folder, which `peft` opens too.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.attach_lora(#{ rank: 4, seed: 1 });
    /// net.save_lora("out/examples/lora");
    /// model("out/examples/lora")               //=> llama, 2 layers, 60.1 k parameters, f32, LoRA on 4 layers
    /// ```
    #[rhai_fn(name = "save_lora", pure, return_raw)]
    pub fn save_lora(net: &mut Model, folder: &str) -> Res<()> {
        save_lora_with(net, folder, Map::new())
    }

    /// Save the adapter alone, and say what its base model is called.
    ///
    /// ```rhai
    /// let net = model("tests/data/parity/llama");
    /// net.attach_lora(#{ rank: 4, seed: 1 });
    /// net.save_lora("out/examples/lora", #{ base: "HuggingFaceTB/SmolLM2-135M" });
    /// ```
    #[rhai_fn(name = "save_lora", pure, return_raw)]
    pub fn save_lora_with(net: &mut Model, folder: &str, options: Map) -> Res<()> {
        let options = Options::read("save_lora", SAVE, options)?;
        let base = options.maybe("base", Options::text)?;
        Ok(net.save_lora(Path::new(folder), base.as_deref())?)
    }
}
