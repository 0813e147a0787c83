//! One vector per sequence, close to those of sequences with the same meaning.
//!
//! The loss is InfoNCE over the batch (multiple negatives ranking): the cosine of each anchor with its own positive against those
//! with all others, times a scale; optionally in both directions.

use crate::model::config::Config;
use crate::model::forward::Forward;
use crate::model::pooling::select;
use crate::model::rows::TokenRows;
use crate::model::spec::{Head, LossPlan, Targets};
use crate::tensor::{Tensor, nn, ops};
use crate::{Error, Result, bail};
use std::collections::HashMap;

pub const HEAD: Head = Head {
    name: "embed",
    next_token: false,
    classes: false,
    output: |_| None,
    tensors: |_| Vec::new(),
    outputs,
    ties: |_| Vec::new(),
    targets,
    loss,
    peft_task: Some("FEATURE_EXTRACTION"),
};

/// Vectors `[sequences, hidden]`, normalized to length 1 if the model does so.
fn outputs(pass: &Forward, hidden: &Tensor) -> Result<Tensor> {
    let pooled = pooled(pass, hidden)?;
    if pass.config().normalize { normalized(&pooled) } else { Ok(pooled) }
}

fn pooled(pass: &Forward, hidden: &Tensor) -> Result<Tensor> {
    let hidden = ops::reshape(hidden, &[-1, pass.config().hidden as i64])?;
    pass.config().pooling.apply(&hidden, &pass.sequences())
}

/// Normalizes rows to length 1.
fn normalized(x: &Tensor) -> Result<Tensor> {
    let length = ops::norm(x, 2.0, Some(&[-1]), true)?;
    ops::divide(x, &ops::maximum(&length, 1e-12)?)
}

/// The group index of each sequence: the first of a group is an anchor, the second its positive, and the rest are negatives for
/// all. Without targets consecutive sequences form pairs.
fn targets(rows: &TokenRows, _: &Config) -> Result<Targets> {
    let sequences = rows.sequences().len();
    let ids: Vec<i64> = match rows.targets {
        None => (0..sequences as i64).map(|at| at / 2).collect(),
        Some(given) if given.len() == sequences => given.iter().map(|&group| group as i64).collect(),
        Some(given) => bail!("loss", "{} targets for {sequences} sequences", given.len()),
    };
    let groups = groups(&ids);
    if let Some(alone) = groups.iter().find(|group| group.len() < 2) {
        return Err(Error::new("loss", format!("sequence {} is alone, and an anchor needs its positive", alone[0]))
            .help("sequences with the same target are a pair; without targets, neighbors are"));
    }
    if groups.len() < 2 {
        return Err(Error::new("loss", "one pair has no other to be told apart from")
            .help("a larger `batch_size` holds more pairs"));
    }
    Ok(Targets { count: groups.len(), ids, ..Targets::default() })
}

/// The sequences of each group, ordered by the groups' first sequences.
fn groups(ids: &[i64]) -> Vec<Vec<i64>> {
    let mut known: HashMap<i64, usize> = HashMap::new();
    let mut groups: Vec<Vec<i64>> = Vec::new();
    for (sequence, id) in ids.iter().enumerate() {
        let at = *known.entry(*id).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(sequence as i64);
    }
    groups
}

fn loss(pass: &Forward, hidden: &Tensor, targets: &Targets, plan: &LossPlan) -> Result<Tensor> {
    let vectors = normalized(&pooled(pass, hidden)?)?;
    let groups = groups(&targets.ids);
    let anchors = select(&vectors, groups.iter().map(|group| group[0]).collect())?;
    let positives = groups.iter().map(|group| group[1]);
    let negatives = groups.iter().flat_map(|group| group[2..].iter().copied());
    let others = select(&vectors, positives.chain(negatives).collect())?;
    let scores = ops::multiply(&ops::matmul(&anchors, &ops::t(&others)?)?, plan.scale)?;
    let own: Vec<i64> = (0..groups.len() as i64).collect();
    let forward = nn::cross_entropy(&scores, &own, plan.smoothing)?;
    if !plan.symmetric {
        return Ok(forward);
    }
    let pairs = ops::narrow(&scores, 1, 0, groups.len() as i64)?;
    let backward = nn::cross_entropy(&ops::t(&pairs)?, &own, plan.smoothing)?;
    ops::multiply(&ops::add(&forward, &backward)?, 0.5)
}
