//! A class for each token: names of persons and places, parts of speech, words of a text without spaces. With a conditional
//! random field the classes of a sequence are predicted jointly (Lafferty, McCallum and Pereira 2001).

use super::{classes, dense, targets};
use crate::Result;
use crate::model::config::Config;
use crate::model::forward::Forward;
use crate::model::pooling::select;
use crate::model::spec::{Head, LossPlan, Start, Targets, TensorSpec};
use crate::tensor::layers::{Crf, CrfReduction, crf};
use crate::tensor::{Tensor, ops};

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

/// The scores of the random field, by torchcrf's names.
const TRANSITIONS: [&str; 3] = ["crf.transitions", "crf.start_transitions", "crf.end_transitions"];

/// Whether tokens go through the layer before the classifier.
fn is_dense(config: &Config) -> bool {
    config.layout.heads.dense.is_some_and(|dense| dense.of_tokens)
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let mut specs = if is_dense(config) { dense::tensors(config) } else { Vec::new() };
    specs.extend(dense::classifier(config, config.layout.heads.token_classifier, config.labels, true));
    if config.crf {
        let count = config.labels;
        let shapes: [&[usize]; 3] = [&[count, count], &[count], &[count]];
        specs.extend(TRANSITIONS.iter().zip(shapes).map(|(name, shape)| TensorSpec::new(*name, shape, Start::Zeros)));
    }
    specs
}

/// `[.., labels]`
fn outputs(pass: &Forward, hidden: &Tensor) -> Result<Tensor> {
    dense::classified(pass, hidden, pass.config().layout.heads.token_classifier, true)
}

/// Only labeled tokens go through the head.
fn loss(pass: &Forward, hidden: &Tensor, targets: &Targets, plan: &LossPlan) -> Result<Tensor> {
    let (places, ids) = targets.labeled();
    let logits = outputs(pass, &select(hidden, places.clone())?)?;
    if !pass.config().crf {
        return classes::one_of(&logits, &ids, plan);
    }
    let segments = segments(pass, &places);
    let emissions = ops::reshape(&logits, &[1, places.len() as i64, pass.config().labels as i64])?;
    let sum = CrfReduction::Each(ops::Reduction::Sum);
    crf(&emissions, &ids, &field(pass)?, Some(&segments), sum).map_err(|error| error.attributed_to("loss"))
}

/// The sequence number of each position, from 1.
fn segments(pass: &Forward, places: &[i64]) -> Vec<u32> {
    let mut of = std::collections::HashMap::new();
    for (number, sequence) in pass.sequences().into_iter().enumerate() {
        of.extend(sequence.into_iter().map(|place| (i64::from(place), number as u32 + 1)));
    }
    places.iter().map(|place| of.get(place).copied().unwrap_or(0)).collect()
}

fn field(pass: &Forward) -> Result<Crf> {
    let [between, start, end] = TRANSITIONS.map(|name| pass.weight(name));
    Ok(Crf { transitions: between?, start: Some(start?), end: Some(end?), allowed: None })
}
