//! Qwen 3: Llama with norms on the queries and keys of each head.

use super::{llama, qwen2};
use crate::model::config::{Config, Layout};
use crate::model::gguf::names::GgufNames;
use crate::model::head::{causal, embed, sequence, token};
use crate::model::spec::Arch;

const LAYOUT: Layout = Layout { model_type: "qwen3", ..llama::LAYOUT };

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("Qwen3ForCausalLM", &causal::HEAD),
        ("Qwen3ForSequenceClassification", &sequence::HEAD),
        ("Qwen3ForTokenClassification", &token::HEAD),
        ("Qwen3Model", &embed::HEAD),
    ],
    defaults: qwen2::defaults,
    config: |fields| {
        let config = llama::unrotated(fields)?;
        let windows = qwen2::windows(fields, config.layers)?;
        let head_dim = fields.count_or(&["head_dim"], 128)?;
        let rope = Some(fields.rope(head_dim, config.max_positions)?);
        Ok(Config { layout: &LAYOUT, qk_norm: true, mlp_bias: false, head_dim, rope, windows, ..config })
    },
    gguf: Some(&GgufNames {
        architecture: "qwen3",
        matches: |_| true,
        more: llama::more,
        rest: qwen2::without_windows,
        interleaved: &[],
        ..llama::GGUF
    }),
    ..llama::ARCH
};
