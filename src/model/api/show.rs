//! What a model says about itself.

use crate::model::Model;
use crate::script::prelude::*;
use crate::text::counted;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

/// `134.5 M`
fn short(count: usize) -> String {
    let count = count as f64;
    match count {
        _ if count >= 1e9 => format!("{:.2} G", count / 1e9),
        _ if count >= 1e6 => format!("{:.1} M", count / 1e6),
        _ if count >= 1e3 => format!("{:.1} k", count / 1e3),
        _ => format!("{count}"),
    }
}

fn learning(net: &Model) -> usize {
    net.params().iter().map(|param| param.value().elem_count()).sum()
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;

    /// One line: architecture, layers, parameters, dtype, and the adapter where one is attached.
    ///
    /// ```rhai
    /// model("tests/data/parity/mistral").to_string()    //=> mistral, 2 layers, 60.1 k parameters, f32
    /// ```
    #[rhai_fn(pure, name = "to_string", name = "to_debug")]
    pub fn to_string(net: &mut Model) -> String {
        let (config, weights) = (net.config(), net.weights());
        let count = short(weights.count());
        let layers = counted(config.layers, "layer");
        let mut line = format!("{}, {layers}, {count} parameters, {}", config.arch.kind, dtype(net));
        if !weights.adapters.is_empty() {
            line += &format!(", LoRA on {}", counted(weights.adapters.len(), "layer"));
        }
        if !weights.bottlenecks.is_empty() {
            line += &format!(", adapters behind {}", counted(weights.bottlenecks.len(), "layer"));
        }
        if let Some(from) = net.new_rows_from() {
            line += &format!(", new rows from {}", crate::text::thousands(from));
        }
        line
    }

    /// Facts of a model: its shape, how many parameters it has, and how many of them learn.
    ///
    /// ```rhai
    /// let facts = model("tests/data/parity/llama").info();
    /// facts.vocab                          //=> 160
    /// facts.kv_heads                       //=> 2
    /// facts.parameters == facts.learning   //=> true
    /// ```
    #[rhai_fn(pure)]
    pub fn info(net: &mut Model) -> Map {
        let config = net.config();
        let mut map = Map::new();
        let mut put = |name: &str, value: Dynamic| map.insert(name.into(), value);
        let count = |count: usize| Dynamic::from_int(count as INT);
        put("kind", config.arch.kind.into());
        put("layers", count(config.layers));
        put("hidden", count(config.hidden));
        put("heads", count(config.heads));
        put("kv_heads", count(config.kv_heads));
        put("head_dim", count(config.head_dim));
        put("ff", count(config.ff));
        put("vocab", count(config.vocab));
        put("positions", count(config.max_positions));
        put("tied", config.tied.into());
        put("parameters", count(net.weights().count()));
        put("learning", count(learning(net)));
        put("dtype", dtype(net).into());
        map
    }

    /// The architecture, as `model_type` in `config.json` names it.
    ///
    /// ```rhai
    /// model("tests/data/parity/qwen2").kind    //=> qwen2
    /// ```
    #[rhai_fn(pure, get = "kind")]
    pub fn kind(net: &mut Model) -> String {
        net.config().arch.kind.into()
    }

    /// How many rows the vocabulary's tables have. A tokenizer may have fewer pieces.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").vocab   //=> 160
    /// ```
    #[rhai_fn(pure, get = "vocab")]
    pub fn vocab(net: &mut Model) -> INT {
        net.config().vocab as INT
    }

    /// How many numbers a state has.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").hidden  //=> 48
    /// ```
    #[rhai_fn(pure, get = "hidden")]
    pub fn hidden_size(net: &mut Model) -> INT {
        net.config().hidden as INT
    }

    /// How many places a sequence may have.
    ///
    /// ```rhai
    /// model("tests/data/parity/gpt2").positions    //=> 64
    /// ```
    #[rhai_fn(pure, get = "positions")]
    pub fn positions(net: &mut Model) -> INT {
        net.config().max_positions as INT
    }

    /// Whether one table serves input and output.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama-tied").tied   //=> true
    /// ```
    #[rhai_fn(pure, get = "tied")]
    pub fn tied(net: &mut Model) -> bool {
        net.config().tied
    }

    /// What the weights are stored as.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").dtype       //=> f32
    /// ```
    #[rhai_fn(pure, get = "dtype")]
    pub fn dtype(net: &mut Model) -> String {
        let weights = net.weights();
        weights.get(net.config().arch.table).map_or("f32".into(), |table| table.kind())
    }

    /// The names of all weights, in name order, as Hugging Face names them.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").names()[0]  //=> lm_head.weight
    /// ```
    #[rhai_fn(pure)]
    pub fn names(net: &mut Model) -> List {
        net.weights().iter().map(|(name, _)| name.to_string().into()).collect()
    }
}
