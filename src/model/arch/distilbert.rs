//! DistilBERT (Sanh et al. 2019): BERT with half the layers, without token types and pooler, and with other names.

use super::bert;
use crate::Result;
use crate::bail;
use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::head::names::{DenseNames, HeadNames, MaskedNames};
use crate::model::head::{embed, masked, sequence, token};
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::{Tensor, ops};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout {
    model_type: "distilbert",
    embeddings: "distilbert.embeddings.word_embeddings.weight",
    prefix: "distilbert.",
    blocks: "distilbert.transformer.layer.",
    outputs: ["attention.out_lin", "ffn.lin2"],
    heads: HeadNames {
        masked: Some(MaskedNames {
            prefixes: &["vocab_"],
            dense: "vocab_transform",
            norm: "vocab_layer_norm",
            decoder: "vocab_projector",
            bias: "vocab_projector.bias",
        }),
        dense: Some(DenseNames { name: "pre_classifier", norm: None, of_tokens: false }),
        ..HeadNames::ENCODER
    },
    unused: &[],
    ..bert::LAYOUT
};

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("DistilBertForMaskedLM", &masked::HEAD),
        ("DistilBertForSequenceClassification", &sequence::HEAD),
        ("DistilBertForTokenClassification", &token::HEAD),
        ("DistilBertModel", &embed::HEAD),
    ],
    keys: &[
        ("hidden_size", "dim"),
        ("num_hidden_layers", "n_layers"),
        ("num_attention_heads", "n_heads"),
        ("intermediate_size", "hidden_dim"),
        ("hidden_act", "activation"),
        ("hidden_dropout_prob", "dropout"),
    ],
    defaults,
    config,
    tensors,
    block,
    gguf: None,
    ..bert::ARCH
};

fn defaults(fields: &Fields) -> Result<Value> {
    let hidden = fields.count(&["dim"])?;
    let heads = fields.count_or(&["n_heads"], (hidden / 64).max(1))?;
    fields.head_dim(hidden, heads.max(1))?;
    Ok(json!({
        "dim": hidden,
        "hidden_dim": 4 * hidden,
        "n_layers": fields.layers(&["n_layers"])?,
        "n_heads": heads,
        "max_position_embeddings": 512,
        "sinusoidal_pos_embds": false,
        "activation": "gelu",
        "initializer_range": 0.02,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "seq_classif_dropout": 0.0,
        "tie_word_embeddings": true,
        "pad_token_id": 0,
    }))
}

fn config(fields: &Fields) -> Result<Config> {
    let hidden = fields.count(&["dim", "hidden_size"])?;
    let layers = fields.layers(&["n_layers", "num_hidden_layers"])?;
    let heads = fields.count(&["n_heads", "num_attention_heads"])?;
    if !hidden.is_multiple_of(heads.max(1)) {
        bail!("model", "dim {hidden} is not divisible by {heads} heads");
    }
    let activation = Activation::named("model", fields.text_or(&["activation"], "gelu"), &bert::ACTIVATIONS)?;
    Ok(Config {
        vocab: fields.count(&["vocab_size"])?,
        hidden,
        embedding: hidden,
        ff: fields.count_or(&["hidden_dim"], 4 * hidden)?,
        layers,
        layer_groups: layers,
        heads,
        kv_heads: heads,
        head_dim: hidden / heads.max(1),
        max_positions: fields.count_or(&["max_position_embeddings"], 512)?,
        norm_eps: 1e-12,
        windows: vec![None; layers],
        activation,
        masked_activation: activation,
        pooled_activation: Activation::Relu,
        tied: fields.bool_or("tie_word_embeddings", true)?,
        init_range: fields.float_or(&["initializer_range"], 0.02)?,
        ..Config::base(&LAYOUT)
    })
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let (hidden, ff) = (config.hidden, config.ff);
    let mut specs = bert::embedding_tensors(config);
    for layer in 0..config.layers {
        let mut pair = |name: &str, weight: &[usize], start: Start| {
            bert::pair(&mut specs, &format!("{}{layer}.{name}", LAYOUT.blocks), weight, start);
        };
        for name in ["q_lin", "k_lin", "v_lin", "out_lin"] {
            pair(&format!("attention.{name}"), &[hidden, hidden], normal);
        }
        pair("sa_layer_norm", &[hidden], Start::Ones);
        pair("ffn.lin1", &[ff, hidden], normal);
        pair("ffn.lin2", &[hidden, ff], normal);
        pair("output_layer_norm", &[hidden], Start::Ones);
    }
    specs
}

fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let at = pass.at(format!("{}{layer}", LAYOUT.blocks));
    let part = |name: &str| at.heads(&at.linear(&format!("attention.{name}"), x)?, pass.config().heads);
    let h = pass.attend(layer, &part("q_lin")?, &part("k_lin")?, &part("v_lin")?)?;
    let x = at.layer_norm("sa_layer_norm", &ops::add(&at.linear("attention.out_lin", &h)?, x)?)?;
    let h = pass.config().activation.apply(&at.linear("ffn.lin1", &x)?)?;
    at.layer_norm("output_layer_norm", &ops::add(&at.dropped("ffn.lin2", &h)?, &x)?)
}
