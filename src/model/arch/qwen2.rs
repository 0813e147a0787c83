//! Qwen 2 and 2.5: Llama with biases on queries, keys and values, and in some sizes a sliding window in the
//! upper layers.

use super::{Arch, llama};
use crate::model::config::{Config, Fields};
use crate::{Result, bail};
use serde_json::Value;

pub const ARCH: Arch = Arch {
    kind: "qwen2",
    class: "Qwen2ForCausalLM",
    config: |arch, fields| {
        let config = llama::config(arch, fields)?;
        let windows = windows(fields, config.layers)?;
        Ok(Config { qkv_bias: true, out_bias: false, mlp_bias: false, windows, ..config })
    },
    ..llama::ARCH
};

/// Which layers have a window: by `layer_types` where they are given, else from `max_window_layers` on.
pub fn windows(fields: &Fields, layers: usize) -> Result<Vec<Option<usize>>> {
    if !fields.bool_or("use_sliding_window", false)? || fields.get(&["sliding_window"]).is_none() {
        return Ok(vec![None; layers]);
    }
    let window = fields.count(&["sliding_window"])?;
    let first = fields.count_or(&["max_window_layers"], 28)?;
    let Some(Value::Array(kinds)) = fields.get(&["layer_types"]) else {
        return Ok((0..layers).map(|layer| (layer >= first).then_some(window)).collect());
    };
    if kinds.len() != layers {
        bail!("model", "`layer_types` has {} entries for {layers} layers", kinds.len());
    }
    Ok(kinds.iter().map(|kind| (kind.as_str() == Some("sliding_attention")).then_some(window)).collect())
}
