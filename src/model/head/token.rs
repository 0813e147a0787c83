//! A class for each token: names of persons and places, parts of speech, words of a text without spaces.

use super::{dense, targets};
use crate::Result;
use crate::model::config::Config;
use crate::model::forward::Forward;
use crate::model::pooling::select;
use crate::model::spec::{Head, LossPlan, Targets, TensorSpec};
use crate::tensor::{Tensor, nn};

pub const HEAD: Head = Head {
    name: "token",
    next_token: false,
    classes: true,
    output: |_| None,
    tensors,
    outputs,
    ties: |_| Vec::new(),
    targets: |rows, config| targets::of_tokens(rows, config.labels),
    loss,
    peft_task: Some("TOKEN_CLS"),
};

/// Whether each token goes through the layer before the classifier.
fn is_dense(config: &Config) -> bool {
    config.layout.heads.dense.is_some_and(|dense| dense.of_tokens)
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let mut specs = if is_dense(config) { dense::tensors(config) } else { Vec::new() };
    specs.extend(dense::classifier(config, config.layout.heads.token_classifier, config.labels, true));
    specs
}

/// `[.., labels]`
fn outputs(pass: &Forward, hidden: &Tensor) -> Result<Tensor> {
    dense::classified(pass, hidden, pass.config().layout.heads.token_classifier, true)
}

/// Only tokens that have a label go through the head.
fn loss(pass: &Forward, hidden: &Tensor, targets: &Targets, plan: &LossPlan) -> Result<Tensor> {
    let (places, ids) = targets.labeled();
    nn::cross_entropy(&outputs(pass, &select(hidden, places)?)?, &ids, plan.smoothing)
}
