//! ALBERT (Lan et al. 2020): weights shared by all layers, or by each group of layers, and narrow embeddings.

use super::bert;
use crate::Result;
use crate::bail;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::head::names::{DenseNames, HeadNames, MaskedNames};
use crate::model::head::{embed, masked, pretraining, sequence, token};
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::{Tensor, ops};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout {
    model_type: "albert",
    embeddings: "albert.embeddings.word_embeddings.weight",
    prefix: "albert.",
    blocks: "albert.encoder.albert_layer_groups.",
    outer: &[PROJECTION],
    outputs: ["albert_layers.0.attention.dense", "albert_layers.0.ffn_output"],
    heads: HeadNames {
        masked: Some(MaskedNames {
            prefixes: &["predictions."],
            dense: "predictions.dense",
            norm: "predictions.LayerNorm",
            decoder: "predictions.decoder",
            bias: "predictions.bias",
        }),
        dense: Some(DenseNames { name: "albert.pooler", norm: None, of_tokens: false }),
        pair: "sop_classifier.classifier",
        ..HeadNames::ENCODER
    },
    unused: &["albert.pooler.", "sop_classifier."],
    ..bert::LAYOUT
};

/// Projection from embedding size to hidden size.
const PROJECTION: &str = "albert.encoder.embedding_hidden_mapping_in";

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("AlbertForMaskedLM", &masked::HEAD),
        ("AlbertForPreTraining", &pretraining::HEAD),
        ("AlbertForSequenceClassification", &sequence::HEAD),
        ("AlbertForTokenClassification", &token::HEAD),
        ("AlbertModel", &embed::HEAD),
    ],
    defaults,
    config,
    tensors,
    embed: |pass| pass.linear(PROJECTION, &bert::embeddings(pass, pass.positions())?),
    block,
    gguf: None,
    ..bert::ARCH
};

fn defaults(fields: &Fields) -> Result<Value> {
    let mut json = bert::defaults(fields)?;
    json["embedding_size"] = json!(128);
    json["num_hidden_groups"] = json!(1);
    json["inner_group_num"] = json!(1);
    json["hidden_act"] = json!("gelu_new");
    json["classifier_dropout_prob"] = json["classifier_dropout"].take();
    if let Some(json) = json.as_object_mut() {
        json.remove("classifier_dropout");
    }
    Ok(json)
}

fn config(fields: &Fields) -> Result<Config> {
    let config = bert::config(fields, &LAYOUT)?;
    let inner = fields.count_or(&["inner_group_num"], 1)?;
    if inner != 1 {
        bail!("model", "`inner_group_num` is {inner}, and only 1 is supported");
    }
    Ok(Config {
        embedding: fields.count_or(&["embedding_size"], 128)?,
        layer_groups: fields.count_or(&["num_hidden_groups"], 1)?,
        ..config
    })
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let (hidden, ff) = (config.hidden, config.ff);
    let mut specs = bert::embedding_tensors(config);
    bert::pair(&mut specs, PROJECTION, &[hidden, config.embedding], normal);
    for group in 0..config.layer_groups {
        let mut pair = |name: &str, weight: &[usize], start: Start| {
            bert::pair(&mut specs, &format!("{}{group}.albert_layers.0.{name}", LAYOUT.blocks), weight, start);
        };
        for name in ["query", "key", "value", "dense"] {
            pair(&format!("attention.{name}"), &[hidden, hidden], normal);
        }
        pair("attention.LayerNorm", &[hidden], Start::Ones);
        pair("ffn", &[ff, hidden], normal);
        pair("ffn_output", &[hidden, ff], normal);
        pair("full_layer_layer_norm", &[hidden], Start::Ones);
    }
    specs
}

fn block(pass: &Forward, layer: usize, x: &Tensor) -> Result<Tensor> {
    let group = pass.config().group_of(layer);
    let at = pass.at(format!("{}{group}.albert_layers.0", LAYOUT.blocks));
    let part = |name: &str| at.heads(&at.linear(&format!("attention.{name}"), x)?, pass.config().heads);
    let h = pass.attend(layer, &part("query")?, &part("key")?, &part("value")?)?;
    // layers share their weights, but not their dropout
    let h =
        pass.drop(&format!("attention {layer}"), &at.linear("attention.dense", &h)?, pass.config().dropout.hidden)?;
    let x = at.layer_norm("attention.LayerNorm", &ops::add(&h, x)?)?;
    let h = pass.config().activation.apply(&at.linear("ffn", &x)?)?;
    at.layer_norm("full_layer_layer_norm", &ops::add(&at.linear("ffn_output", &h)?, &x)?)
}
