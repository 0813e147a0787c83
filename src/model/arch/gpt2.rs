//! GPT-2: learned positions, layer norms with biases, one product for queries, keys and values, weights stored `[in, out]`.

use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::gguf::names::{GgufNames, fact, fact_or};
use crate::model::head::names::HeadNames;
use crate::model::head::{causal, embed, sequence, token};
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::{Tensor, ops};
use crate::{Error, Result, bail};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout {
    model_type: "gpt2",
    embeddings: "transformer.wte.weight",
    prefix: "transformer.",
    blocks: "transformer.h.",
    outer: &[],
    outputs: ["attn.c_proj", "mlp.c_proj"],
    causal: true,
    heads: HeadNames { token_classifier: "classifier", ..HeadNames::DECODER },
    transposed: true,
    renamed: &[],
    unused: &[],
    computed: &[".attn.bias", ".attn.masked_bias"],
};

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("GPT2LMHeadModel", &causal::HEAD),
        ("GPT2ForSequenceClassification", &sequence::HEAD),
        ("GPT2ForTokenClassification", &token::HEAD),
        ("GPT2Model", &embed::HEAD),
    ],
    keys: &[
        ("hidden_size", "n_embd"),
        ("num_hidden_layers", "n_layer"),
        ("num_attention_heads", "n_head"),
        ("intermediate_size", "n_inner"),
        ("max_position_embeddings", "n_positions"),
        ("layer_norm_eps", "layer_norm_epsilon"),
        ("hidden_act", "activation_function"),
    ],
    defaults,
    config,
    tensors,
    embed,
    block,
    finish,
    gguf: Some(&GGUF),
    decoder: None,
};

const GGUF: GgufNames = GgufNames {
    architecture: "gpt2",
    head: causal::HEAD.name,
    matches: |_| true,
    facts: &[
        fact("n_embd", "embedding_length"),
        fact("n_layer", "block_count"),
        fact("n_head", "attention.head_count"),
        fact("n_positions", "context_length"),
        fact_or("n_inner", "feed_forward_length", |json| json!(4 * json["n_embd"].as_u64().unwrap_or_default())),
        fact_or("layer_norm_epsilon", "attention.layer_norm_epsilon", |_| json!(1e-5)),
    ],
    more: |_, json| {
        json["activation_function"] = json!("gelu_new");
        Ok(())
    },
    rest: |config| match config.activation {
        Activation::GeluTanh => Ok(Vec::new()),
        _ => bail!("save", "the exact gelu, where llama.cpp's gpt2 has gelu_new"),
    },
    outer: &[
        (POSITIONS, "position_embd.weight"),
        ("transformer.ln_f.weight", "output_norm.weight"),
        ("transformer.ln_f.bias", "output_norm.bias"),
    ],
    inner: &[&[
        ("ln_1", "attn_norm"),
        ("attn.c_attn", "attn_qkv"),
        ("attn.c_proj", "attn_output"),
        ("ln_2", "ffn_norm"),
        ("mlp.c_fc", "ffn_up"),
        ("mlp.c_proj", "ffn_down"),
    ]],
    interleaved: &[],
    norms_from_one: false,
    longrope: false,
};

const POSITIONS: &str = "transformer.wpe.weight";

fn defaults(fields: &Fields) -> Result<Value> {
    let hidden = fields.count(&["n_embd"])?;
    let heads = fields.heads(hidden)?;
    fields.head_dim(hidden, heads)?;
    Ok(json!({
        "n_embd": hidden,
        "n_layer": fields.layers(&["n_layer"])?,
        "n_head": heads,
        "n_inner": 4 * hidden,
        "n_positions": 2048,
        "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new",
        "initializer_range": 0.02,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "tie_word_embeddings": true,
        "bos_token_id": null,
        "eos_token_id": null,
    }))
}

fn config(fields: &Fields) -> Result<Config> {
    let hidden = fields.count(&["n_embd", "hidden_size"])?;
    let layers = fields.layers(&["n_layer", "num_hidden_layers"])?;
    let heads = fields.count(&["n_head", "num_attention_heads"])?;
    let known = [Activation::Gelu, Activation::GeluTanh];
    for (name, wanted) in [("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false)] {
        if fields.bool_or(name, wanted)? != wanted {
            return Err(Error::new("model", format!("`{name}: {}` is not supported", !wanted)));
        }
    }
    Ok(Config {
        layout: &LAYOUT,
        vocab: fields.count(&["vocab_size"])?,
        hidden,
        embedding: hidden,
        ff: fields.count_or(&["n_inner"], 4 * hidden)?,
        layers,
        layer_groups: layers,
        heads,
        kv_heads: heads,
        head_dim: hidden / heads.max(1),
        max_positions: fields.count(&["n_positions", "n_ctx"])?,
        norm_eps: fields.float_or(&["layer_norm_epsilon"], 1e-5)?,
        windows: vec![None; layers],
        activation: Activation::named("model", fields.text_or(&["activation_function"], "gelu_new"), &known)?,
        tied: fields.bool_or("tie_word_embeddings", true)?,
        init_range: fields.float_or(&["initializer_range"], 0.02)?,
        eos: fields.ids("eos_token_id"),
        ..Config::base(&LAYOUT)
    })
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    // layers that add to the residual stream start smaller, as in transformers
    let residual = Start::Normal(config.init_range / (2.0 * config.layers as f64).sqrt());
    let (hidden, ff) = (config.hidden, config.ff);
    let mut specs = vec![
        TensorSpec::new(LAYOUT.embeddings, &[config.vocab, hidden], normal),
        TensorSpec::new(POSITIONS, &[config.max_positions, hidden], normal),
    ];
    for layer in 0..config.layers {
        let mut pair = |name: &str, weight: &[usize], bias: usize, start: Start| {
            let name = format!("{}{layer}.{name}", LAYOUT.blocks);
            specs.push(TensorSpec::new(format!("{name}.weight"), weight, start));
            specs.push(TensorSpec::new(format!("{name}.bias"), &[bias], Start::Zeros));
        };
        pair("ln_1", &[hidden], hidden, Start::Ones);
        pair("attn.c_attn", &[hidden, 3 * hidden], 3 * hidden, normal);
        pair("attn.c_proj", &[hidden, hidden], hidden, residual);
        pair("ln_2", &[hidden], hidden, Start::Ones);
        pair("mlp.c_fc", &[hidden, ff], ff, normal);
        pair("mlp.c_proj", &[ff, hidden], hidden, residual);
    }
    specs.push(TensorSpec::new("transformer.ln_f.weight", &[hidden], Start::Ones));
    specs.push(TensorSpec::new("transformer.ln_f.bias", &[hidden], Start::Zeros));
    specs
}

fn embed(pass: &Forward) -> Result<Tensor> {
    ops::add(&pass.embedding(LAYOUT.embeddings, pass.ids())?, &pass.embedding(POSITIONS, pass.positions())?)
}

fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", LAYOUT.blocks));
    let config = pass.config();
    let qkv = at.linear("attn.c_attn", &at.layer_norm("ln_1", x)?)?;
    let part = |index: usize| {
        at.heads(&ops::narrow(&qkv, -1, (index * config.hidden) as i64, config.hidden as i64)?, config.heads)
    };
    let h = pass.attend(layer, &part(0)?, &part(1)?, &part(2)?)?;
    let x = ops::add(x, &at.linear("attn.c_proj", &h)?)?;
    let h = at.linear("mlp.c_fc", &at.layer_norm("ln_2", &x)?)?;
    ops::add(&x, &at.linear("mlp.c_proj", &config.activation.apply(&h)?)?)
}

fn finish(pass: &Forward, x: &Tensor) -> Result<Tensor> {
    pass.at("transformer").layer_norm("ln_f", x)
}
