//! What candle's configs ask for and a `config.json` may leave out, or write in another place.

use serde_json::{Map, Value, json};

/// transformers leaves out of a `config.json` what is its default.
const DEFAULTS: &[(&str, &[(&str, &str)])] = &[
    ("", &[("attention_bias", "false"), ("tie_word_embeddings", "false"), ("use_sliding_window", "false")]),
    ("gemma", &[("hidden_activation", "\"gelu_pytorch_tanh\"")]),
    ("gemma2", &[("hidden_activation", "\"gelu_pytorch_tanh\""), ("query_pre_attn_scalar", "256")]),
    (
        "gemma3_text",
        &[
            ("hidden_activation", "\"gelu_pytorch_tanh\""),
            ("query_pre_attn_scalar", "256"),
            ("rope_local_base_freq", "10000.0"),
            ("sliding_window", "4096"),
            ("sliding_window_pattern", "6"),
        ],
    ),
    ("helium", &[("bos_token_id", "1"), ("eos_token_id", "2"), ("mlp_bias", "false")]),
    ("phi", &[("qk_layernorm", "false"), ("partial_rotary_factor", "0.5")]),
    ("qwen2_moe", &[("norm_topk_prob", "false"), ("decoder_sparse_step", "1")]),
    ("qwen3_moe", &[("norm_topk_prob", "false"), ("decoder_sparse_step", "1")]),
    ("starcoder2", &[("use_bias", "true")]),
];

/// The config with all that candle asks for.
pub fn complete(config: &Value) -> Value {
    let mut fields = config.as_object().cloned().unwrap_or_default();
    let name = fields.get("model_type").and_then(Value::as_str).unwrap_or_default().to_string();
    rope(&mut fields);
    let missing = |fields: &Map<String, Value>, key: &str| fields.get(key).is_none_or(Value::is_null);
    for (key, value) in DEFAULTS.iter().filter(|(of, _)| of.is_empty() || *of == name).flat_map(|(_, all)| *all) {
        if missing(&fields, key) {
            fields.insert((*key).to_string(), serde_json::from_str(value).unwrap_or_default());
        }
    }
    if matches!(name.as_str(), "qwen2" | "qwen2_moe" | "qwen3" | "qwen3_moe") {
        // numbers there, also where no layer has a window
        let reach = fields.get("max_position_embeddings").cloned().unwrap_or(json!(1 << 16));
        for (key, value) in [("sliding_window", reach), ("max_window_layers", json!(0))] {
            if missing(&fields, key) {
                fields.insert(key.to_string(), value);
            }
        }
    }
    Value::Object(fields)
}

/// Newer versions of transformers write all of the rotary embedding in `rope_parameters`.
fn rope(fields: &mut Map<String, Value>) {
    let Some(parameters) = fields.get("rope_parameters").cloned() else {
        fields.entry("rope_theta").or_insert(json!(10000.0));
        return;
    };
    let theta = parameters.get("rope_theta").cloned().unwrap_or(json!(10000.0));
    fields.entry("rope_theta").or_insert(theta);
    let kind = parameters.get("rope_type").and_then(Value::as_str).unwrap_or("default");
    if kind != "default" && fields.get("rope_scaling").is_none_or(Value::is_null) {
        fields.insert("rope_scaling".to_string(), parameters);
    }
}
