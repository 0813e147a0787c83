//! Facts of a model.

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

fn trainable(net: &Model) -> usize {
    net.parameters().iter().map(|param| param.value().elem_count()).sum()
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;

    /// Formats the architecture, layers, parameters, dtype, and adapters in one line.
    ///
    /// ```rhai
    /// model("tests/data/parity/mistral").to_string()    //=> mistral, 2 layers, 60.1 k parameters, f32
    /// ```
    #[rhai_fn(pure, name = "to_string", name = "to_debug")]
    pub fn to_string(net: &mut Model) -> String {
        let (config, weights) = (net.config(), net.weights());
        let count = short(net.parameter_count());
        let layers = counted(config.layers, "layer");
        let mut line = format!("{}, {layers}, {count} parameters, {}", config.model_type(), dtype(net));
        if !weights.lora.is_empty() {
            line += &format!(", LoRA on {}", counted(weights.lora.len(), "layer"));
        }
        if !weights.bottlenecks.is_empty() {
            line += &format!(", bottleneck adapters after {}", counted(weights.bottlenecks.len(), "layer"));
        }
        if weights.fresh.iter().any(|name| weights.has(name)) {
            line += &format!(", a new {} head", net.head());
        }
        if net.candle().is_some() {
            line += ", computed by candle";
        }
        if let Ok(Some(from)) = net.new_rows_from() {
            line += &format!(", new rows from {}", crate::text::thousands(from));
        }
        line
    }

    /// Returns facts of a model: its shape, and the numbers of all and of trainable parameters.
    ///
    /// also: num_parameters, print_trainable_parameters, summary
    ///
    /// ```rhai
    /// let facts = model("tests/data/parity/llama").info();
    /// facts.vocab_size                          //=> 160
    /// facts.num_key_value_heads                       //=> 2
    /// facts.parameters == facts.trainable   //=> true
    /// ```
    #[rhai_fn(pure)]
    pub fn info(net: &mut Model) -> Map {
        let config = net.config();
        let mut map = Map::new();
        let mut put = |name: &str, value: Dynamic| map.insert(name.into(), value);
        let count = |count: usize| Dynamic::from_int(count as INT);
        put("model_type", config.model_type().into());
        put("head", net.head().into());
        put("num_hidden_layers", count(config.layers));
        put("hidden_size", count(config.hidden));
        put("num_attention_heads", count(config.heads));
        put("num_key_value_heads", count(config.kv_heads));
        put("head_dim", count(config.head_dim));
        put("intermediate_size", count(config.ff));
        put("vocab_size", count(config.vocab));
        put("max_position_embeddings", count(config.max_positions));
        put("tie_word_embeddings", config.tied.into());
        put("parameters", count(net.parameter_count()));
        put("trainable", count(trainable(net)));
        put("dtype", dtype(net).into());
        put("new_weights", net.weights().fresh.iter().map(|name| name.to_string().into()).collect::<List>().into());
        map
    }

    /// The model's `config.json` as a map, from which `model` makes a new model; `save` writes it.
    ///
    /// also: AutoConfig, config.json, hidden_size
    ///
    /// ```rhai
    /// let config = model("tests/data/parity/llama").config;
    /// [config.model_type, config.num_key_value_heads]      //=> ["llama", 2]
    /// model(config)                                        //=> llama, 2 layers, 60.1 k parameters, f32
    /// ```
    #[rhai_fn(pure, get = "config", return_raw)]
    pub fn config(net: &mut Model) -> Res<Map> {
        Ok(rhai::serde::to_dynamic(&net.config().json)?.try_cast().unwrap_or_default())
    }

    /// Names of the classes of a `sequence` or `token` head; empty for other heads.
    ///
    /// also: id2label, label2id, num_labels
    ///
    /// ```rhai
    /// model("tests/data/parity/bert-classify").labels.len()      //=> 5
    /// model("tests/data/parity/bert-mlm", #{ head: "token", labels: ["O", "B-LOC", "I-LOC"] }).labels    //=> ["O", "B-LOC", "I-LOC"]
    /// ```
    #[rhai_fn(pure, get = "labels")]
    pub fn labels(net: &mut Model) -> List {
        net.labels().into_iter().map(Dynamic::from).collect()
    }

    /// Architecture, as `model_type` in `config.json` names it.
    ///
    /// ```rhai
    /// model("tests/data/parity/qwen2").model_type    //=> qwen2
    /// ```
    #[rhai_fn(pure, get = "model_type")]
    pub fn model_type(net: &mut Model) -> String {
        net.config().model_type().into()
    }

    /// Number of embedding rows. A tokenizer may have fewer tokens.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").vocab_size   //=> 160
    /// ```
    #[rhai_fn(pure, get = "vocab_size")]
    pub fn vocab_size(net: &mut Model) -> INT {
        net.config().vocab as INT
    }

    /// Width of the hidden states.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").hidden_size  //=> 48
    /// ```
    #[rhai_fn(pure, get = "hidden_size")]
    pub fn hidden_size(net: &mut Model) -> INT {
        net.config().hidden as INT
    }

    /// Maximum sequence length.
    ///
    /// also: max_length, context length, n_positions, max_seq_length
    ///
    /// ```rhai
    /// model("tests/data/parity/gpt2").max_position_embeddings    //=> 64
    /// ```
    #[rhai_fn(pure, get = "max_position_embeddings")]
    pub fn max_position_embeddings(net: &mut Model) -> INT {
        net.config().max_positions as INT
    }

    /// Whether input and output embeddings are shared.
    ///
    /// also: tied, weight tying
    ///
    /// ```rhai
    /// model("tests/data/parity/llama-tied").tie_word_embeddings   //=> true
    /// ```
    #[rhai_fn(pure, get = "tie_word_embeddings")]
    pub fn tie_word_embeddings(net: &mut Model) -> bool {
        net.config().tied
    }

    /// Dtype of the stored weights.
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").dtype       //=> f32
    /// ```
    #[rhai_fn(pure, get = "dtype")]
    pub fn dtype(net: &mut Model) -> String {
        if let Some(candle) = net.candle() {
            return candle.dtype.as_str().into();
        }
        let weights = net.weights();
        weights.get(net.config().layout.embeddings).map_or("f32".into(), |table| table.kind())
    }

    /// Device of the weights and computations: `cpu`, `cuda` or `metal`.
    ///
    /// also: gpu, is_cuda
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").device      //=> cpu
    /// ```
    #[rhai_fn(pure, get = "device")]
    pub fn device(net: &mut Model) -> ImmutableString {
        crate::kernel::device_name(&net.device()).into()
    }

    /// Returns the names of all weights, in name order, as Hugging Face names them.
    ///
    /// also: named_parameters, state_dict
    ///
    /// ```rhai
    /// model("tests/data/parity/llama").names()[0]  //=> lm_head.weight
    /// ```
    #[rhai_fn(pure)]
    pub fn names(net: &mut Model) -> List {
        net.weights().iter().map(|(name, _)| name.to_string().into()).collect()
    }
}
