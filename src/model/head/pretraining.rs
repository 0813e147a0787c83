//! Both pre-training objectives of BERT: masked tokens, and whether the second sentence follows the first (in ALBERT, whether two
//! sentences are in order).

use super::{masked, next_sentence};
use crate::Result;
use crate::model::config::Config;
use crate::model::forward::Forward;
use crate::model::rows::TokenRows;
use crate::model::spec::{Head, LossPlan, Targets, TensorSpec};
use crate::tensor::{Tensor, ops};

pub const HEAD: Head = Head { name: "pretraining", tensors, targets, loss, ..masked::HEAD };

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let mut specs = (masked::HEAD.tensors)(config);
    specs.extend(next_sentence::tensors(config));
    specs
}

fn targets(rows: &TokenRows, config: &Config) -> Result<Targets> {
    let tokens = (masked::HEAD.targets)(rows, config)?;
    let pairs = next_sentence::of_pairs(rows, config)?;
    // without a masked token only the pairs have a loss
    let count = if tokens.count == 0 { pairs.count } else { tokens.count };
    Ok(Targets { pairs: pairs.ids, count, ..tokens })
}

/// The sum of both means, times the number of masked tokens.
fn loss(pass: &Forward, hidden: &Tensor, targets: &Targets, plan: &LossPlan) -> Result<Tensor> {
    let ids = targets.pairs.clone();
    let count = ids.iter().filter(|&&id| id >= 0).count();
    let pairs = Targets { ids, count, ..Targets::default() };
    let of_tokens = || (masked::HEAD.loss)(pass, hidden, targets, plan);
    if count == 0 {
        return of_tokens();
    }
    let of_pairs = next_sentence::loss(pass, hidden, &pairs, plan)?;
    if targets.ids.iter().all(|&id| id < 0) {
        return Ok(of_pairs);
    }
    ops::add(&of_tokens()?, &ops::multiply(&of_pairs, targets.count as f64 / count as f64)?)
}
