//! ELECTRA (Clark et al. 2020): BERT, with narrower embeddings in some models, pre-trained to detect replaced tokens.

use super::bert;
use crate::Result;
use crate::model::activation::Activation;
use crate::model::config::{Config, Layout};
use crate::model::fields::Fields;
use crate::model::forward::Forward;
use crate::model::head::names::{DenseNames, HeadNames, MaskedNames};
use crate::model::head::{embed, masked, replaced_token, sequence, token};
use crate::model::spec::{Arch, Start, TensorSpec};
use crate::tensor::Tensor;
use serde_json::{Value, json};

const LAYOUT: Layout = Layout {
    model_type: "electra",
    embeddings: "electra.embeddings.word_embeddings.weight",
    prefix: "electra.",
    blocks: "electra.encoder.layer.",
    outer: &[PROJECTION],
    heads: HeadNames {
        masked: Some(MaskedNames {
            prefixes: &["generator_predictions.", "generator_lm_head."],
            dense: "generator_predictions.dense",
            norm: "generator_predictions.LayerNorm",
            decoder: "generator_lm_head",
            bias: "generator_lm_head.bias",
        }),
        dense: Some(DenseNames { name: "classifier.dense", norm: None, of_tokens: false }),
        drops_input: true,
        classifier: "classifier.out_proj",
        ..HeadNames::ENCODER
    },
    unused: &[],
    ..bert::LAYOUT
};

/// Projection from embedding size to hidden size, if they differ.
const PROJECTION: &str = "electra.embeddings_project";

pub const ARCH: Arch = Arch {
    layout: &LAYOUT,
    heads: &[
        ("ElectraForPreTraining", &replaced_token::HEAD),
        ("ElectraForMaskedLM", &masked::HEAD),
        ("ElectraForSequenceClassification", &sequence::HEAD),
        ("ElectraForTokenClassification", &token::HEAD),
        ("ElectraModel", &embed::HEAD),
    ],
    defaults,
    config,
    tensors,
    embed,
    gguf: None,
    ..bert::ARCH
};

fn defaults(fields: &Fields) -> Result<Value> {
    let mut json = bert::defaults(fields)?;
    json["embedding_size"] = json["hidden_size"].clone();
    json["summary_activation"] = json!("gelu");
    Ok(json)
}

fn config(fields: &Fields) -> Result<Config> {
    let config = bert::config(fields, &LAYOUT)?;
    Ok(Config {
        embedding: fields.count_or(&["embedding_size"], 128)?,
        masked_activation: Activation::Gelu,
        // BERT uses tanh here
        pooled_activation: Activation::Gelu,
        ..config
    })
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let mut specs = bert::tensors(config);
    if config.embedding != config.hidden {
        bert::pair(&mut specs, PROJECTION, &[config.hidden, config.embedding], Start::Normal(config.init_range));
    }
    specs
}

fn embed(pass: &Forward) -> Result<Tensor> {
    let x = bert::embeddings(pass, pass.positions())?;
    if pass.config().embedding == pass.config().hidden { Ok(x) } else { pass.linear(PROJECTION, &x) }
}
