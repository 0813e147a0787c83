//! BERT (Devlin et al. 2019): an encoder with learned positions and token types, a layer norm after each sublayer, and
//! biases everywhere.

use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::head::masked;
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::{Tensor, ops};
use crate::{Result, bail};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout {
    model_type: "bert",
    embeddings: "bert.embeddings.word_embeddings.weight",
    prefix: "bert.",
    blocks: "bert.encoder.layer.",
    outputs: ["attention.output.dense", "output.dense"],
    transposed: false,
    renamed: &[(".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias")],
    // the pooler and the head of next-sentence prediction, in the files of most masked models
    unused: &["bert.pooler.", "cls.seq_relationship."],
    computed: &["embeddings.position_ids"],
};

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[("BertForMaskedLM", &masked::HEAD)],
    keys: &[],
    defaults,
    config,
    tensors,
    embed,
    block,
    finish: |_, x| Ok(x.clone()),
    gguf: None,
    decoder: None,
};

fn defaults(fields: &Fields) -> Result<Value> {
    let hidden = fields.count(&["hidden_size"])?;
    let heads = fields.heads(hidden)?;
    fields.head_dim(hidden, heads)?;
    Ok(json!({
        "hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": fields.layers(&["num_hidden_layers"])?,
        "num_attention_heads": heads,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "initializer_range": 0.02,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "tie_word_embeddings": true,
        "pad_token_id": 0,
    }))
}

fn config(fields: &Fields) -> Result<Config> {
    let hidden = fields.count(&["hidden_size"])?;
    let layers = fields.layers(&["num_hidden_layers"])?;
    let heads = fields.count(&["num_attention_heads"])?;
    let positions = fields.text_or(&["position_embedding_type"], "absolute");
    if positions != "absolute" {
        bail!("model", "`position_embedding_type` is `{positions}`, and only absolute is supported");
    }
    if fields.bool_or("is_decoder", false)? {
        bail!("model", "`is_decoder` is true, and a bert is supported as an encoder only");
    }
    if !hidden.is_multiple_of(heads.max(1)) {
        bail!("model", "hidden_size {hidden} is not divisible by {heads} heads");
    }
    let known = [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu];
    Ok(Config {
        layout: &LAYOUT,
        vocab: fields.count(&["vocab_size"])?,
        hidden,
        ff: fields.count_or(&["intermediate_size"], 4 * hidden)?,
        layers,
        heads,
        kv_heads: heads,
        head_dim: hidden / heads.max(1),
        max_positions: fields.count_or(&["max_position_embeddings"], 512)?,
        token_types: fields.count_or(&["type_vocab_size"], 2)?,
        norm_eps: fields.float_or(&["layer_norm_eps"], 1e-12)?,
        rope: None,
        windows: vec![None; layers],
        qkv_bias: true,
        out_bias: true,
        mlp_bias: true,
        qk_norm: false,
        activation: Activation::named("model", fields.text_or(&["hidden_act"], "gelu"), &known)?,
        tied: fields.bool_or("tie_word_embeddings", true)?,
        init_range: fields.float_or(&["initializer_range"], 0.02)?,
        eos: Vec::new(),
        output: None,
        json: Default::default(),
    })
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let (hidden, ff) = (config.hidden, config.ff);
    let mut specs = Vec::new();
    for (name, rows) in [("word", config.vocab), ("position", config.max_positions), ("token_type", config.token_types)]
    {
        specs.push(TensorSpec::new(format!("bert.embeddings.{name}_embeddings.weight"), &[rows, hidden], normal));
    }
    let mut pair = |name: &str, weight: &[usize], start: Start| {
        specs.push(TensorSpec::new(format!("{name}.weight"), weight, start));
        specs.push(TensorSpec::new(format!("{name}.bias"), &weight[..1], Start::Zeros));
    };
    pair("bert.embeddings.LayerNorm", &[hidden], Start::Ones);
    for layer in 0..config.layers {
        let at = |name: &str| format!("{}{layer}.{name}", LAYOUT.blocks);
        for name in ["query", "key", "value"] {
            pair(&at(&format!("attention.self.{name}")), &[hidden, hidden], normal);
        }
        pair(&at("attention.output.dense"), &[hidden, hidden], normal);
        pair(&at("attention.output.LayerNorm"), &[hidden], Start::Ones);
        pair(&at("intermediate.dense"), &[ff, hidden], normal);
        pair(&at("output.dense"), &[hidden, ff], normal);
        pair(&at("output.LayerNorm"), &[hidden], Start::Ones);
    }
    specs
}

fn embed(pass: &Forward) -> Result<Tensor> {
    let of = |name: &str, ids: &[u32]| pass.embedding(&format!("bert.embeddings.{name}_embeddings.weight"), ids);
    let words = of("word", pass.ids())?;
    let types = of("token_type", &pass.token_types())?;
    // in the order of transformers, for its bits
    let sum = ops::add(&ops::add(&words, &types)?, &of("position", pass.positions())?)?;
    pass.at("bert.embeddings").layer_norm("LayerNorm", &sum)
}

fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", LAYOUT.blocks));
    let part = |name: &str| at.heads(&at.linear(&format!("attention.self.{name}"), x)?, pass.config().heads);
    let h = pass.attend(layer, &part("query")?, &part("key")?, &part("value")?)?;
    let x = at.layer_norm("attention.output.LayerNorm", &ops::add(&at.linear("attention.output.dense", &h)?, x)?)?;
    let h = pass.config().activation.apply(&at.linear("intermediate.dense", &x)?)?;
    at.layer_norm("output.LayerNorm", &ops::add(&at.linear("output.dense", &h)?, &x)?)
}
