//! Predictions of a masked model at labeled tokens: the most likely ids, and the loss of the label.

use super::Model;
use super::head::masked;
use super::rows::TokenRows;
use crate::tensor::{DType, Rng, no_grad, ops};
use crate::{Error, Result, cancel};
use rayon::prelude::*;

/// Tokens whose scores are held at once.
const CHUNK: usize = 256;

/// The prediction at one token.
#[derive(Clone, Debug)]
pub struct MaskGuess {
    /// Its position in `rows × length`.
    pub place: usize,
    /// The target id.
    pub label: u32,
    /// The negative log likelihood of the label.
    pub nats: f32,
    /// Whether no id is more likely than the label.
    pub is_best: bool,
    /// The most likely ids with their probabilities, in descending order.
    pub top: Vec<(u32, f32)>,
}

impl Model {
    /// The predictions at every labeled token, in order, with the `top` most likely ids.
    pub fn fill_mask(&self, who: &'static str, rows: &TokenRows, top: usize) -> Result<Vec<MaskGuess>> {
        self.at_labels(who, rows, |scores, place, label| guess(scores, place, label, top))
    }

    /// A sampled id for every labeled token: the only one in `top`.
    pub fn draw_masked(&self, who: &'static str, rows: &TokenRows, rng: &Rng) -> Result<Vec<MaskGuess>> {
        self.at_labels(who, rows, |scores, place, label| {
            let id = drawn(scores, rng.split(place as u64).uniform());
            let (nats, share) = (-scores[label as usize], scores[id as usize].exp());
            MaskGuess { place, label, nats, is_best: id == label, top: vec![(id, share)] }
        })
    }

    /// Applies `make` to the scores of every labeled token.
    fn at_labels(
        &self,
        who: &'static str,
        rows: &TokenRows,
        make: impl Fn(&[f32], usize, u32) -> MaskGuess + Sync,
    ) -> Result<Vec<MaskGuess>> {
        let inner = self.read();
        if !["masked", "pretraining"].contains(&inner.head.name) {
            let (model, head) = (inner.config.model_type(), inner.head.name);
            return Err(Error::new(who, format!("a {model} with a {head} head does not predict masked tokens"))
                .help("open it with `#{ head: \"masked\" }`"));
        }
        let (places, labels) = (inner.head.targets)(rows, &inner.config)?.labeled();
        let pass = inner.pass(who, rows)?;
        let hidden = no_grad(|| inner.arch.hidden_states(&pass, false))?;
        let hidden = no_grad(|| ops::reshape(&hidden, &[-1, inner.config.hidden as i64]))?;
        let mut found = Vec::with_capacity(places.len());
        for (places, labels) in places.chunks(CHUNK).zip(labels.chunks(CHUNK)) {
            cancel::check()?;
            let scores = no_grad(|| ops::log_softmax(&masked::scores(&pass, &hidden, places.to_vec())?, -1))?.value();
            let scores: Vec<f32> = scores.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            let rows = scores.par_chunks_exact(inner.config.vocab).zip(places.par_iter().zip(labels));
            found.par_extend(rows.map(|(scores, (&place, &label))| make(scores, place as usize, label as u32)));
        }
        Ok(found)
    }
}

/// The id at which the cumulative probability first reaches `point`, from 0 to 1.
fn drawn(scores: &[f32], point: f64) -> u32 {
    let mut sum = 0.0;
    let reached = |score: &f32| {
        sum += f64::from(score.exp());
        sum > point
    };
    scores.iter().position(reached).unwrap_or(scores.len() - 1) as u32
}

fn guess(scores: &[f32], place: usize, label: u32, top: usize) -> MaskGuess {
    let own = scores[label as usize];
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    let higher = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    let top = top.min(order.len());
    if top > 0 && top < order.len() {
        order.select_nth_unstable_by(top - 1, higher);
    }
    order.truncate(top);
    order.sort_unstable_by(higher);
    MaskGuess {
        place,
        label,
        nats: -own,
        is_best: scores.iter().all(|&score| score <= own),
        top: order.into_iter().map(|id| (id, scores[id as usize].exp())).collect(),
    }
}
