//! Mistral: Llama that sees only so far back.

use super::{Arch, llama};
use crate::model::config::Config;

pub const ARCH: Arch = Arch {
    kind: "mistral",
    class: "MistralForCausalLM",
    config: |arch, fields| {
        let mut config = llama::config(arch, fields)?;
        let window = fields.get(&["sliding_window"]).map(|_| fields.count(&["sliding_window"])).transpose()?;
        config.windows = vec![window; config.layers];
        Ok(Config { qkv_bias: false, out_bias: false, mlp_bias: false, ..config })
    },
    ..llama::ARCH
};
