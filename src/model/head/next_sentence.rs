//! Whether the second sentence of a pair follows the first (Devlin et al. 2019): class 0 means it does.

use super::{dense, targets};
use crate::Result;
use crate::model::config::Config;
use crate::model::forward::Forward;
use crate::model::pooling::Pooling;
use crate::model::rows::TokenRows;
use crate::model::spec::{Head, LossPlan, Targets, TensorSpec};
use crate::tensor::{Tensor, nn, ops};

pub const HEAD: Head = Head {
    name: "next_sentence",
    next_token: false,
    classes: false,
    output: |_| None,
    tensors,
    outputs,
    ties: |_| Vec::new(),
    targets: of_pairs,
    loss,
    peft_task: None,
};

const CLASSES: usize = 2;

pub fn tensors(config: &Config) -> Vec<TensorSpec> {
    let mut specs = dense::tensors(config);
    specs.extend(dense::classifier(config, config.layout.heads.pair, CLASSES, true));
    specs
}

pub fn of_pairs(rows: &TokenRows, _: &Config) -> Result<Targets> {
    targets::classes(rows, rows.sequences().len(), CLASSES)
}

/// `[sequences, 2]`
pub fn outputs(pass: &Forward, hidden: &Tensor) -> Result<Tensor> {
    let hidden = ops::reshape(hidden, &[-1, pass.config().hidden as i64])?;
    let pooled = Pooling::First.apply(&hidden, &pass.sequences())?;
    pass.linear(pass.config().layout.heads.pair, &dense::apply(pass, &pooled)?)
}

pub fn loss(pass: &Forward, hidden: &Tensor, targets: &Targets, plan: &LossPlan) -> Result<Tensor> {
    nn::cross_entropy(&outputs(pass, hidden)?, &targets.ids, plan.smoothing)
}
