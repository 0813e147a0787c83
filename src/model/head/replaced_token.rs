//! Whether a token is original or was replaced by a generator (Clark et al. 2020, ELECTRA): label 1 means replaced.

use super::targets;
use crate::Result;
use crate::model::config::Config;
use crate::model::forward::Forward;
use crate::model::pooling::select;
use crate::model::spec::{Head, LossPlan, Start, Targets, TensorSpec};
use crate::tensor::{Array, Tensor, ops};

pub const HEAD: Head = Head {
    name: "replaced_token",
    next_token: false,
    classes: false,
    output: |_| None,
    tensors,
    outputs: |pass, hidden| scores(pass, hidden),
    ties: |_| Vec::new(),
    targets: |rows, _| targets::of_tokens(rows, 2),
    loss,
    peft_task: None,
};

const DENSE: &str = "discriminator_predictions.dense";
const SCORE: &str = "discriminator_predictions.dense_prediction";

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let (hidden, normal) = (config.hidden, Start::Normal(config.init_range));
    let mut specs = Vec::new();
    for (name, rows) in [(DENSE, hidden), (SCORE, 1)] {
        specs.push(TensorSpec::new(format!("{name}.weight"), &[rows, hidden], normal));
        specs.push(TensorSpec::new(format!("{name}.bias"), &[rows], Start::Zeros));
    }
    specs
}

/// A logit for each token, without the dimension of the hidden states.
fn scores(pass: &Forward, hidden: &Tensor) -> Result<Tensor> {
    let x = pass.config().activation.apply(&pass.linear(DENSE, hidden)?)?;
    ops::squeeze(&pass.linear(SCORE, &x)?, Some(-1))
}

fn loss(pass: &Forward, hidden: &Tensor, targets: &Targets, _: &LossPlan) -> Result<Tensor> {
    let (places, ids) = targets.labeled();
    let scores = scores(pass, &select(hidden, places)?)?;
    let wanted: Vec<f32> = ids.into_iter().map(|id| id as f32).collect();
    let wanted = Array::from_vec(wanted, targets.count, scores.value().device())?;
    ops::binary_cross_entropy(&scores, &wanted.into(), true, ops::Reduction::Sum)
}
