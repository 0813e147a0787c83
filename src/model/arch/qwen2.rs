//! Qwen 2 and 2.5: Llama with biases on queries, keys and values, and in some sizes a sliding window in the
//! upper layers.

use super::llama;
use crate::format::gguf::Value as Meta;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::gguf::names::GgufNames;
use crate::model::head::{causal, embed, sequence, token};
use crate::model::spec::Arch;
use crate::{Result, bail};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout { model_type: "qwen2", ..llama::LAYOUT };

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("Qwen2ForCausalLM", &causal::HEAD),
        ("Qwen2ForSequenceClassification", &sequence::HEAD),
        ("Qwen2ForTokenClassification", &token::HEAD),
        ("Qwen2Model", &embed::HEAD),
    ],
    defaults,
    config: |fields| {
        let config = llama::config(fields)?;
        let windows = windows(fields, config.layers)?;
        Ok(Config { layout: &LAYOUT, qkv_bias: true, out_bias: false, mlp_bias: false, windows, ..config })
    },
    gguf: Some(&GgufNames {
        architecture: "qwen2",
        matches: |_| true,
        more: llama::more,
        rest: without_windows,
        interleaved: &[],
        ..llama::GGUF
    }),
    ..llama::ARCH
};

/// As for Llama. In llama.cpp no layer of a Qwen has a window.
pub fn without_windows(config: &Config) -> Result<Vec<(&'static str, Meta)>> {
    if config.windows.iter().any(Option::is_some) {
        bail!("save", "layers with a sliding window, which llama.cpp's {} does not have", config.model_type());
    }
    llama::rest(config)
}

/// A given window applies to every layer.
pub fn defaults(fields: &Fields) -> Result<Value> {
    let mut json = llama::defaults(fields)?;
    let windowed = fields.get(&["sliding_window"]).is_some();
    json["sliding_window"] = Value::Null;
    json["use_sliding_window"] = json!(windowed);
    json["max_window_layers"] = if windowed { json!(0) } else { json["num_hidden_layers"].clone() };
    Ok(json)
}

/// The window of each layer: from `layer_types` if given, otherwise from `max_window_layers` on.
pub fn windows(fields: &Fields, layers: usize) -> Result<Vec<Option<usize>>> {
    if !fields.bool_or("use_sliding_window", false)? || fields.get(&["sliding_window"]).is_none() {
        return Ok(vec![None; layers]);
    }
    let window = fields.count(&["sliding_window"])?;
    let first = fields.count_or(&["max_window_layers"], 28)?;
    Ok(match fields.sliding_layers(layers)? {
        Some(sliding) => sliding.into_iter().map(|sliding| sliding.then_some(window)).collect(),
        None => (0..layers).map(|layer| (layer >= first).then_some(window)).collect(),
    })
}
