//! ModernBERT (Warner et al. 2024): norms before the sublayers, rotary positions, gated feed-forward layers without biases, and
//! global attention in every third layer, a window in the others, each kind with its own rotary base.

use super::bert::ACTIVATIONS;
use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::head::names::{DenseNames, HeadNames, MaskedNames};
use crate::model::head::{embed, masked, sequence, token};
use crate::model::pooling::Pooling;
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::{Tensor, ops};
use crate::{Result, bail};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout {
    model_type: "modernbert",
    embeddings: "model.embeddings.tok_embeddings.weight",
    prefix: "model.",
    blocks: "model.layers.",
    outer: &[],
    outputs: ["attn.Wo", "mlp.Wo"],
    causal: false,
    heads: HeadNames {
        masked: Some(MaskedNames {
            prefixes: &["head.", "decoder."],
            dense: "head.dense",
            norm: "head.norm",
            decoder: "decoder",
            bias: "decoder.bias",
        }),
        dense: Some(DenseNames { name: "head.dense", norm: Some("head.norm"), of_tokens: true }),
        ..HeadNames::ENCODER
    },
    transposed: false,
    renamed: &[],
    unused: &[],
    computed: &["rotary_emb.inv_freq"],
};

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("ModernBertForMaskedLM", &masked::HEAD),
        ("ModernBertForSequenceClassification", &sequence::HEAD),
        ("ModernBertForTokenClassification", &token::HEAD),
        ("ModernBertModel", &embed::HEAD),
    ],
    keys: &[("hidden_act", "hidden_activation"), ("layer_norm_eps", "norm_eps")],
    defaults,
    config,
    tensors,
    embed,
    block,
    finish: |pass, x| pass.layer_norm("model.final_norm", x),
    gguf: None,
    decoder: None,
};

fn defaults(fields: &Fields) -> Result<Value> {
    let hidden = fields.count(&["hidden_size"])?;
    let heads = fields.heads(hidden)?;
    fields.head_dim(hidden, heads)?;
    Ok(json!({
        "hidden_size": hidden,
        // 3/2, as in the models: the gate is extra
        "intermediate_size": 3 * hidden / 2,
        "num_hidden_layers": fields.layers(&["num_hidden_layers"])?,
        "num_attention_heads": heads,
        "max_position_embeddings": 8192,
        "norm_eps": 1e-5,
        "norm_bias": false,
        "hidden_activation": "gelu",
        "initializer_range": 0.02,
        "global_attn_every_n_layers": 3,
        "local_attention": 128,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
        "attention_bias": false,
        "mlp_bias": false,
        "decoder_bias": true,
        "classifier_bias": false,
        "classifier_activation": "gelu",
        "classifier_pooling": "cls",
        "attention_dropout": 0.0,
        "embedding_dropout": 0.0,
        "mlp_dropout": 0.0,
        "classifier_dropout": 0.0,
        "tie_word_embeddings": true,
        "pad_token_id": 0,
        "bos_token_id": null,
        "eos_token_id": null,
        "cls_token_id": null,
        "sep_token_id": null,
    }))
}

/// The window of each layer, in both directions, in tokens including the query's.
fn windows(fields: &Fields, layers: usize) -> Result<Vec<Option<usize>>> {
    let window = fields.count_or(&["local_attention"], 128)? / 2 + 1;
    if let Some(sliding) = fields.sliding_layers(layers)? {
        return Ok(sliding.into_iter().map(|sliding| sliding.then_some(window)).collect());
    }
    let every = fields.count_or(&["global_attn_every_n_layers"], 3)?;
    if every == 0 {
        bail!("model", "`global_attn_every_n_layers` is 0");
    }
    Ok((0..layers).map(|layer| (layer % every != 0).then_some(window)).collect())
}

fn config(fields: &Fields) -> Result<Config> {
    let hidden = fields.count(&["hidden_size"])?;
    let layers = fields.layers(&["num_hidden_layers"])?;
    let heads = fields.count(&["num_attention_heads"])?;
    if !hidden.is_multiple_of(heads.max(1)) {
        bail!("model", "hidden_size {hidden} is not divisible by {heads} heads");
    }
    let head_dim = hidden / heads.max(1);
    let max_positions = fields.count_or(&["max_position_embeddings"], 8192)?;
    let activation = |key: &str| Activation::named("model", fields.text_or(&[key], "gelu"), &ACTIVATIONS);
    let of_head = activation("classifier_activation")?;
    let rope = |kind: &str, old: &str, theta: f64| fields.rope_in(kind, old, theta, head_dim, max_positions);
    Ok(Config {
        vocab: fields.count(&["vocab_size"])?,
        hidden,
        embedding: hidden,
        ff: fields.count_or(&["intermediate_size"], 3 * hidden / 2)?,
        layers,
        layer_groups: layers,
        heads,
        kv_heads: heads,
        head_dim,
        max_positions,
        norm_eps: fields.float_or(&["norm_eps"], 1e-5)?,
        rope: Some(rope("full_attention", "global_rope_theta", 160000.0)?),
        local_rope: Some(rope("sliding_attention", "local_rope_theta", 10000.0)?),
        windows: windows(fields, layers)?,
        qkv_bias: fields.bool_or("attention_bias", false)?,
        out_bias: fields.bool_or("attention_bias", false)?,
        mlp_bias: fields.bool_or("mlp_bias", false)?,
        norm_bias: fields.bool_or("norm_bias", false)?,
        activation: activation("hidden_activation")?,
        masked_activation: of_head,
        pooled_activation: of_head,
        pooled_bias: fields.bool_or("classifier_bias", false)?,
        output_bias: fields.bool_or("decoder_bias", true)?,
        pooling: Pooling::named("model", fields.text_or(&["classifier_pooling"], "cls"))?,
        tied: fields.bool_or("tie_word_embeddings", true)?,
        init_range: fields.float_or(&["initializer_range"], 0.02)?,
        ..Config::base(&LAYOUT)
    })
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let out = Start::Normal(config.init_range / (2.0 * config.layers as f64).sqrt());
    let (hidden, ff) = (config.hidden, config.ff);
    let mut specs = vec![TensorSpec::new(LAYOUT.embeddings, &[config.vocab, hidden], normal)];
    let mut add = |name: String, weight: &[usize], start: Start, bias: bool| {
        specs.push(TensorSpec::new(format!("{name}.weight"), weight, start));
        if bias {
            specs.push(TensorSpec::new(format!("{name}.bias"), &weight[..1], Start::Zeros));
        }
    };
    add("model.embeddings.norm".into(), &[hidden], Start::Ones, config.norm_bias);
    for layer in 0..config.layers {
        let at = |name: &str| format!("{}{layer}.{name}", LAYOUT.blocks);
        if layer > 0 {
            add(at("attn_norm"), &[hidden], Start::Ones, config.norm_bias);
        }
        add(at("attn.Wqkv"), &[3 * hidden, hidden], normal, config.qkv_bias);
        add(at("attn.Wo"), &[hidden, hidden], out, config.out_bias);
        add(at("mlp_norm"), &[hidden], Start::Ones, config.norm_bias);
        add(at("mlp.Wi"), &[2 * ff, hidden], normal, config.mlp_bias);
        add(at("mlp.Wo"), &[hidden, ff], out, config.mlp_bias);
    }
    add("model.final_norm".into(), &[hidden], Start::Ones, config.norm_bias);
    specs
}

fn embed(pass: &Forward) -> Result<Tensor> {
    let x = pass.layer_norm("model.embeddings.norm", &pass.embedding(LAYOUT.embeddings, pass.ids())?)?;
    pass.drop("embeddings", &x, pass.config().dropout.embeddings)
}

fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", LAYOUT.blocks));
    let (hidden, ff) = (pass.config().hidden as i64, pass.config().ff as i64);
    let h = if layer == 0 { x.clone() } else { at.layer_norm("attn_norm", x)? };
    let qkv = at.linear("attn.Wqkv", &h)?;
    let part = |which: i64| at.heads(&ops::narrow(&qkv, -1, which * hidden, hidden)?, pass.config().heads);
    let (q, k) = (pass.rotate_in(layer, &part(0)?)?, pass.rotate_in(layer, &part(1)?)?);
    let h = pass.attend(layer, &q, &k, &part(2)?)?;
    let x = ops::add(x, &at.dropped("attn.Wo", &h)?)?;
    let both = at.linear("mlp.Wi", &at.layer_norm("mlp_norm", &x)?)?;
    let h = pass.config().activation.apply(&ops::narrow(&both, -1, 0, ff)?)?;
    let h = ops::multiply(&h, &ops::narrow(&both, -1, ff, ff)?)?;
    let h = pass.drop(&format!("inner {layer}"), &h, pass.config().dropout.inner)?;
    ops::add(&x, &at.linear("mlp.Wo", &h)?)
}
