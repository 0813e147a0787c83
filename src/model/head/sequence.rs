//! Classes or numbers for whole sequences: a classifier of one token, or of the mean of all.

use super::{classes, dense, targets};
use crate::Result;
use crate::model::config::{Config, Problem};
use crate::model::forward::Forward;
use crate::model::spec::{Head, LossPlan, Targets, TensorSpec};
use crate::tensor::{Array, Tensor, ops};

pub const HEAD: Head = Head {
    name: "sequence",
    next_token: false,
    classes: true,
    output: |_| None,
    tensors,
    outputs,
    ties: |_| Vec::new(),
    targets: targets::of_sequences,
    loss,
    peft_task: Some("SEQ_CLS"),
};

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let names = &config.layout.heads;
    let mut specs = dense::tensors(config);
    specs.extend(dense::classifier(config, names.classifier, config.labels, names.classifier_bias));
    specs
}

/// `[sequences, labels]`
fn outputs(pass: &Forward, hidden: &Tensor) -> Result<Tensor> {
    let config = pass.config();
    let hidden = ops::reshape(hidden, &[-1, config.hidden as i64])?;
    let pooled = config.pooling.apply(&hidden, &pass.sequences())?;
    dense::classified(pass, &pooled, config.layout.heads.classifier, false)
}

fn loss(pass: &Forward, hidden: &Tensor, targets: &Targets, plan: &LossPlan) -> Result<Tensor> {
    let logits = outputs(pass, hidden)?;
    let problem = pass.config().problem;
    if problem == Problem::SingleLabel {
        return classes::one_of(&logits, &targets.ids, plan);
    }
    let value = logits.value();
    let wanted = Tensor::from(Array::from_vec(targets.values.clone(), value.dims(), value.device())?);
    match problem {
        Problem::Regression => ops::mse(&logits, &wanted, ops::Reduction::Sum),
        _ => classes::each_of(&logits, &wanted, plan),
    }
}
