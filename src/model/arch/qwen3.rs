//! Qwen 3: Llama with norms on the queries and keys of each head.

use super::{Arch, llama, qwen2};
use crate::model::config::Config;

pub const ARCH: Arch = Arch {
    kind: "qwen3",
    class: "Qwen3ForCausalLM",
    config: |arch, fields| {
        let config = llama::config(arch, fields)?;
        let windows = qwen2::windows(fields, config.layers)?;
        let head_dim = fields.count_or(&["head_dim"], 128)?;
        Ok(Config { qk_norm: true, mlp_bias: false, head_dim, windows, ..config })
    },
    ..llama::ARCH
};
