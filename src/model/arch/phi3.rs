//! Phi 3, 3.5 and 4: Llama with one product for queries, keys and values, one for gate and up, and LongRoPE; Phi 4 mini rotates
//! only a part of each head.

use super::{llama, mistral};
use crate::format::gguf::Value as Meta;
use crate::model::config::{Config, Layout};
use crate::model::forward::Forward;
use crate::model::gguf::names::GgufNames;
use crate::model::head::{causal, embed, sequence, token};
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::{Tensor, nn, ops};
use crate::{Result, bail};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout { model_type: "phi3", ..llama::LAYOUT };

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("Phi3ForCausalLM", &causal::HEAD),
        ("Phi3ForSequenceClassification", &sequence::HEAD),
        ("Phi3ForTokenClassification", &token::HEAD),
        ("Phi3Model", &embed::HEAD),
    ],
    defaults: |fields| {
        let mut json = llama::defaults(fields)?;
        json["original_max_position_embeddings"] = json!(4096);
        json["partial_rotary_factor"] = json!(1.0);
        json["sliding_window"] = Value::Null;
        json["tie_word_embeddings"] = json!(false);
        Ok(json)
    },
    config: |fields| {
        let mut config = llama::unrotated(fields)?;
        let rope = fields.rope(config.head_dim, config.max_positions)?;
        if config.qkv_bias || config.mlp_bias {
            bail!("model", "a phi3 has no biases");
        }
        let window = fields.get(&["sliding_window"]).map(|_| fields.count(&["sliding_window"])).transpose()?;
        config.windows = vec![window; config.layers];
        let norm_eps = fields.float_or(&["rms_norm_eps"], 1e-5)?;
        Ok(Config { layout: &LAYOUT, rope: Some(rope), norm_eps, ..config })
    },
    tensors,
    block,
    gguf: Some(&GGUF),
    decoder: None,
    ..llama::ARCH
};

const GGUF: GgufNames = GgufNames {
    architecture: "phi3",
    matches: |_| true,
    more: |file, json| {
        llama::more(file, json)?;
        let whole = json["head_dim"].as_f64().unwrap_or_default();
        let rotated = file.number("rope.dimension_count")?.and_then(|count| count.as_f64()).unwrap_or(whole);
        json["partial_rotary_factor"] = json!(rotated / whole.max(1.0));
        let positions = json["max_position_embeddings"].clone();
        let original = file.number("rope.scaling.original_context_length")?;
        json["original_max_position_embeddings"] = original.unwrap_or(positions);
        let window = file.number("attention.sliding_window")?;
        json["sliding_window"] = window.filter(|window| window.as_u64() != Some(0)).unwrap_or_default();
        Ok(())
    },
    rest: |config| {
        let rotated = config.rope.as_ref().map_or(1.0, |rope| rope.partial) * config.head_dim as f64;
        let mut rest = mistral::windowed(config)?;
        for (key, value) in &mut rest {
            if *key == "rope.dimension_count" {
                *value = Meta::Int(rotated as i64);
            }
        }
        Ok(rest)
    },
    inner: &[&[("self_attn.qkv_proj", "attn_qkv"), ("mlp.gate_up_proj", "ffn_up")], llama::MODULES, llama::NORM],
    interleaved: &[],
    longrope: true,
    ..llama::GGUF
};

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let (hidden, ff) = (config.hidden, config.ff);
    let wide = config.heads * config.head_dim;
    let qkv = wide + 2 * config.kv_heads * config.head_dim;
    let mut specs = vec![TensorSpec::new(LAYOUT.embeddings, &[config.vocab, hidden], normal)];
    for layer in 0..config.layers {
        let mut add = |name: &str, shape: &[usize], start: Start| {
            specs.push(TensorSpec::new(format!("{}{layer}.{name}.weight", LAYOUT.blocks), shape, start));
        };
        add("self_attn.qkv_proj", &[qkv, hidden], normal);
        add("self_attn.o_proj", &[hidden, wide], normal);
        add("mlp.gate_up_proj", &[2 * ff, hidden], normal);
        add("mlp.down_proj", &[hidden, ff], normal);
        add("input_layernorm", &[hidden], Start::Ones);
        add("post_attention_layernorm", &[hidden], Start::Ones);
    }
    specs.push(TensorSpec::new("model.norm.weight", &[hidden], Start::Ones));
    specs
}

fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", LAYOUT.blocks));
    let config = pass.config();
    let qkv = at.linear("self_attn.qkv_proj", &at.rms_norm("input_layernorm", x)?)?;
    let part = |from: usize, heads: usize| {
        let columns = ops::narrow(&qkv, -1, (from * config.head_dim) as i64, (heads * config.head_dim) as i64)?;
        at.heads(&columns, heads)
    };
    let (q, k) = (part(0, config.heads)?, part(config.heads, config.kv_heads)?);
    let v = part(config.heads + config.kv_heads, config.kv_heads)?;
    let h = pass.attend(layer, &pass.rotate(&q)?, &pass.rotate(&k)?, &v)?;
    let x = ops::add(x, &at.linear("self_attn.o_proj", &h)?)?;
    let both = at.linear("mlp.gate_up_proj", &at.rms_norm("post_attention_layernorm", &x)?)?;
    let half = |from: usize| ops::narrow(&both, -1, from as i64, config.ff as i64);
    let h = nn::swiglu(&half(0)?, &half(config.ff)?)?;
    ops::add(&x, &at.linear("mlp.down_proj", &h)?)
}
