//! Llama 1, 2, 3, SmolLM: RMS norms, rotary positions, grouped heads, SwiGLU. Related architectures add a few flags.

use crate::format::gguf::{Gguf, Value as Meta};
use crate::kernel::Precision;
use crate::kernel::decoder::{Decoder, Layer};
use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::gguf::names::{GgufNames, Metadata, ModuleNames, fact, fact_or};
use crate::model::gguf::rope;
use crate::model::head::names::HeadNames;
use crate::model::head::{causal, embed, sequence, token};
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::model::weights::Weights;
use crate::tensor::{Tensor, nn, ops};
use crate::{Result, bail};
use serde_json::{Value, json};

pub const LAYOUT: Layout = Layout {
    model_type: "llama",
    embeddings: "model.embed_tokens.weight",
    prefix: "model.",
    blocks: "model.layers.",
    outer: &[],
    outputs: ["self_attn.o_proj", "mlp.down_proj"],
    causal: true,
    heads: HeadNames::DECODER,
    transposed: false,
    renamed: &[],
    unused: &[],
    computed: &["rotary_emb.inv_freq"],
};

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("LlamaForCausalLM", &causal::HEAD),
        ("LlamaForSequenceClassification", &sequence::HEAD),
        ("LlamaForTokenClassification", &token::HEAD),
        ("LlamaModel", &embed::HEAD),
    ],
    keys: &[],
    defaults,
    config,
    tensors,
    embed,
    block,
    finish,
    gguf: Some(&GGUF),
    decoder: Some(decoder),
};

/// The layer modules common to the Llama family.
pub const MODULES: &ModuleNames = &[
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("input_layernorm", "attn_norm"),
];

/// The norm after attention, where it precedes the MLP.
pub const NORM: &ModuleNames = &[("post_attention_layernorm", "ffn_norm")];

pub const GGUF: GgufNames = GgufNames {
    architecture: "llama",
    head: causal::HEAD.name,
    // llama.cpp calls Mistral llama too, but it has a window
    matches: |header| !has_window(header),
    facts: &[
        fact("hidden_size", "embedding_length"),
        fact("intermediate_size", "feed_forward_length"),
        fact("num_hidden_layers", "block_count"),
        fact("num_attention_heads", "attention.head_count"),
        fact_or("num_key_value_heads", "attention.head_count_kv", |json| json["num_attention_heads"].clone()),
        fact_or("head_dim", "attention.key_length", |json| {
            let number = |key: &str| json[key].as_u64().unwrap_or_default();
            json!(number("hidden_size") / number("num_attention_heads").max(1))
        }),
        fact("max_position_embeddings", "context_length"),
        fact_or("rms_norm_eps", "attention.layer_norm_rms_epsilon", |_| json!(1e-5)),
        fact_or("rope_theta", "rope.freq_base", |_| json!(10000.0)),
    ],
    more: |file, json| {
        more(file, json)?;
        json["attention_bias"] = json!(file.has_tensor("blk.0.attn_q.bias"));
        Ok(())
    },
    rest,
    outer: &[("model.norm.weight", "output_norm.weight")],
    inner: &[MODULES, NORM],
    interleaved: &[("self_attn.q_proj", |config| config.heads), ("self_attn.k_proj", |config| config.kv_heads)],
    norms_from_one: false,
    longrope: false,
};

pub fn has_window(header: &Gguf) -> bool {
    header.int("llama.attention.sliding_window").is_some_and(|window| window > 0)
}

/// The config keys of the family that are not in the table of facts.
pub fn more(file: &Metadata, json: &mut Value) -> Result<()> {
    let theta = json["rope_theta"].as_f64().unwrap_or_default();
    let head_dim = json["head_dim"].as_u64().unwrap_or_default() as usize;
    json["hidden_act"] = json!("silu");
    json["attention_bias"] = json!(false);
    json["rope_scaling"] = rope::scaling(file, theta, head_dim)?;
    Ok(())
}

/// The inverse of [`more`].
pub fn rest(config: &Config) -> Result<Vec<(&'static str, Meta)>> {
    let width = Meta::Int(config.head_dim as i64);
    let mut rest = vec![("rope.dimension_count", width.clone()), ("attention.value_length", width)];
    rest.push(("vocab_size", Meta::Int(config.vocab as i64)));
    rest.extend(rope::written(config)?);
    Ok(rest)
}

pub fn defaults(fields: &Fields) -> Result<Value> {
    let hidden = fields.count(&["hidden_size"])?;
    let layers = fields.layers(&["num_hidden_layers"])?;
    let heads = fields.heads(hidden)?;
    Ok(json!({
        "hidden_size": hidden,
        // 8/3 of the hidden size, as in the Llamas
        "intermediate_size": (8 * hidden).div_ceil(3).next_multiple_of(32),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": fields.head_dim(hidden, heads)?,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "rope_theta": 10000.0,
        "rope_scaling": null,
        "attention_bias": false,
        "tie_word_embeddings": true,
        "bos_token_id": null,
        "eos_token_id": null,
    }))
}

pub fn config(fields: &Fields) -> Result<Config> {
    let config = unrotated(fields)?;
    let rope = fields.rope(config.head_dim, config.max_positions)?;
    if rope.partial != 1.0 {
        bail!("model", "`partial_rotary_factor: {}` is not supported here", rope.partial);
    }
    Ok(Config { rope: Some(rope), ..config })
}

/// The config without its rotary positions.
pub fn unrotated(fields: &Fields) -> Result<Config> {
    let activation = fields.text_or(&["hidden_act"], "silu");
    if activation != "silu" {
        bail!("model", "activation `{activation}` is not supported here, only silu");
    }
    sizes(fields)
}

/// The same for related models with another activation.
pub fn sizes(fields: &Fields) -> Result<Config> {
    let hidden = fields.count(&["hidden_size"])?;
    let layers = fields.layers(&["num_hidden_layers"])?;
    let heads = fields.count(&["num_attention_heads"])?;
    let bias = fields.bool_or("attention_bias", false)?;
    Ok(Config {
        layout: &LAYOUT,
        vocab: fields.count(&["vocab_size"])?,
        hidden,
        embedding: hidden,
        ff: fields.count(&["intermediate_size"])?,
        layers,
        layer_groups: layers,
        heads,
        kv_heads: fields.count_or(&["num_key_value_heads"], heads)?,
        head_dim: fields.count_or(&["head_dim"], hidden / heads.max(1))?,
        max_positions: fields.count_or(&["max_position_embeddings"], 2048)?,
        norm_eps: fields.float_or(&["rms_norm_eps"], 1e-6)?,
        windows: vec![None; layers],
        qkv_bias: bias,
        out_bias: bias,
        mlp_bias: fields.bool_or("mlp_bias", false)?,
        activation: Activation::Silu,
        tied: fields.bool_or("tie_word_embeddings", false)?,
        init_range: fields.float_or(&["initializer_range"], 0.02)?,
        eos: fields.ids("eos_token_id"),
        ..Config::base(&LAYOUT)
    })
}

pub fn tensors(config: &Config) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let (hidden, ff) = (config.hidden, config.ff);
    let (wide, narrow) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
    let mut specs = vec![TensorSpec::new(LAYOUT.embeddings, &[config.vocab, hidden], normal)];
    for layer in 0..config.layers {
        let mut add = |name: &str, shape: &[usize], start: Start| {
            specs.push(TensorSpec::new(format!("{}{layer}.{name}", LAYOUT.blocks), shape, start));
        };
        let mut linear = |name: &str, rows: usize, columns: usize, bias: bool| {
            add(&format!("{name}.weight"), &[rows, columns], normal);
            if bias {
                add(&format!("{name}.bias"), &[rows], Start::Zeros);
            }
        };
        linear("self_attn.q_proj", wide, hidden, config.qkv_bias);
        linear("self_attn.k_proj", narrow, hidden, config.qkv_bias);
        linear("self_attn.v_proj", narrow, hidden, config.qkv_bias);
        linear("self_attn.o_proj", hidden, wide, config.out_bias);
        linear("mlp.gate_proj", ff, hidden, config.mlp_bias);
        linear("mlp.up_proj", ff, hidden, config.mlp_bias);
        linear("mlp.down_proj", hidden, ff, config.mlp_bias);
        add("input_layernorm.weight", &[hidden], Start::Ones);
        add("post_attention_layernorm.weight", &[hidden], Start::Ones);
        if config.qk_norm {
            add("self_attn.q_norm.weight", &[config.head_dim], Start::Ones);
            add("self_attn.k_norm.weight", &[config.head_dim], Start::Ones);
        }
    }
    specs.push(TensorSpec::new("model.norm.weight", &[hidden], Start::Ones));
    specs
}

fn embed(pass: &Forward) -> Result<Tensor> {
    pass.embedding(LAYOUT.embeddings, pass.ids())
}

/// The attention of a layer, from its normalized input.
pub fn attention(pass: &Forward, layer: usize, h: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", LAYOUT.blocks));
    let config = pass.config();
    let mut q = at.heads(&at.linear("self_attn.q_proj", h)?, config.heads)?;
    let mut k = at.heads(&at.linear("self_attn.k_proj", h)?, config.kv_heads)?;
    let v = at.heads(&at.linear("self_attn.v_proj", h)?, config.kv_heads)?;
    if config.qk_norm {
        q = at.rms_norm("self_attn.q_norm", &q)?;
        k = at.rms_norm("self_attn.k_norm", &k)?;
    }
    let h = pass.attend(layer, &pass.rotate_in(layer, &q)?, &pass.rotate_in(layer, &k)?, &v)?;
    at.linear("self_attn.o_proj", &h)
}

fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", LAYOUT.blocks));
    let x = ops::add(x, &attention(pass, layer, &at.rms_norm("input_layernorm", x)?)?)?;
    let h = at.rms_norm("post_attention_layernorm", &x)?;
    let h = nn::swiglu(&at.linear("mlp.gate_proj", &h)?, &at.linear("mlp.up_proj", &h)?)?;
    ops::add(&x, &at.linear("mlp.down_proj", &h)?)
}

fn finish(pass: &Forward, x: &Tensor) -> Result<Tensor> {
    pass.at("model").rms_norm("norm", x)
}

/// The same again, for [`Decoder::step`].
fn decoder(config: &Config, weights: &Weights) -> Result<Decoder> {
    let layer = |index: usize| -> Result<Layer> {
        let linear = |name: &str| weights.linear(&format!("{}{index}.{name}", LAYOUT.blocks));
        let norm = |name: &str| weights.plain(&format!("{}{index}.{name}.weight", LAYOUT.blocks));
        Ok(Layer {
            attention_norm: norm("input_layernorm")?,
            qkv: [linear("self_attn.q_proj")?, linear("self_attn.k_proj")?, linear("self_attn.v_proj")?],
            head_norms: match config.qk_norm {
                true => Some([norm("self_attn.q_norm")?, norm("self_attn.k_norm")?]),
                false => None,
            },
            out: linear("self_attn.o_proj")?,
            mlp_norm: norm("post_attention_layernorm")?,
            gate_up: [linear("mlp.gate_proj")?, linear("mlp.up_proj")?],
            down: linear("mlp.down_proj")?,
            window: config.windows[index],
        })
    };
    Ok(Decoder {
        table: weights.embeddings(LAYOUT.embeddings)?,
        layers: (0..config.layers).map(layer).collect::<Result<_>>()?,
        norm: weights.plain("model.norm.weight")?,
        head: weights.linear(config.output.as_ref().map_or("", |output| output.layer()))?,
        heads: config.heads,
        kv_heads: config.kv_heads,
        head_dim: config.head_dim,
        eps: config.norm_eps,
        precision: Precision::F32,
    })
}
