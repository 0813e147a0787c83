//! Mistral: Llama with a sliding window.

use super::llama;
use crate::format::gguf::Value as Meta;
use crate::model::config::{Config, Layout};
use crate::model::gguf::names::{Facts, GgufNames};
use crate::model::head::{causal, embed, sequence, token};
use crate::model::spec::Arch;
use crate::{Result, progress};
use serde_json::Value;

const LAYOUT: Layout = Layout { model_type: "mistral", ..llama::LAYOUT };

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("MistralForCausalLM", &causal::HEAD),
        ("MistralForSequenceClassification", &sequence::HEAD),
        ("MistralForTokenClassification", &token::HEAD),
        ("MistralModel", &embed::HEAD),
    ],
    defaults: |fields| {
        let mut json = llama::defaults(fields)?;
        json["sliding_window"] = Value::Null;
        Ok(json)
    },
    config: |fields| {
        let mut config = llama::config(fields)?;
        let window = fields.get(&["sliding_window"]).map(|_| fields.count(&["sliding_window"])).transpose()?;
        config.windows = vec![window; config.layers];
        Ok(Config { layout: &LAYOUT, qkv_bias: false, out_bias: false, mlp_bias: false, ..config })
    },
    gguf: Some(&GgufNames {
        matches: llama::has_window,
        more: |file, json| {
            llama::more(file, json)?;
            json["sliding_window"] = file.number("attention.sliding_window")?.unwrap_or_default();
            Ok(())
        },
        rest: windowed,
        ..llama::GGUF
    }),
    ..llama::ARCH
};

/// As for Llama, with the window, which llama.cpp ignores.
pub fn windowed(config: &Config) -> Result<Facts> {
    let mut rest = llama::rest(config)?;
    if let Some(window) = config.windows.first().copied().flatten() {
        let kind = config.model_type();
        progress::warn(
            "save",
            format!(
                "llama.cpp lets a {kind} see all of a text: one beyond its window of {window} tokens gets other predictions there"
            ),
        );
        rest.push(("attention.sliding_window", Meta::Int(window as i64)));
    }
    Ok(rest)
}
