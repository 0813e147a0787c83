//! A conditional random field over the steps of sequences: its loss, and the best paths.

use super::segments::Packing;
use crate::kernel::chain::Transitions;
use crate::tensor::ops::Reduction;
use crate::tensor::values::{array, each_line, values_f64};
use crate::tensor::{DType, Tensor};
use crate::{Error, Result, bail};

/// The scores of a random field with C states.
#[derive(Clone)]
pub struct Crf {
    /// `[C, C]`, from the row's state to the column's.
    pub transitions: Tensor,
    /// `[C]`, for the first state and for the last; 0 if not given.
    pub start: Option<Tensor>,
    pub end: Option<Tensor>,
    /// The allowed moves; all if not given.
    pub allowed: Option<Allowed>,
}

/// Allowed moves between states, first states and last states.
#[derive(Clone, Debug)]
pub struct Allowed {
    pub transitions: Vec<bool>,
    pub start: Vec<bool>,
    pub end: Vec<bool>,
}

/// Reduction of the losses of sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrfReduction {
    /// Over sequences.
    Each(Reduction),
    /// Their sum divided by the number of steps.
    TokenMean,
}

impl Crf {
    fn scores(&self, who: &str, states: usize) -> Result<Transitions> {
        let dims = self.transitions.shape();
        if dims != [states, states] {
            bail!(who, "transitions of shape {dims:?} for {states} states");
        }
        let side = |given: &Option<Tensor>, what: &str| match given {
            None => Ok(vec![0.0; states]),
            Some(given) if given.shape() == [states] => values_f64(&given.value()),
            Some(given) => bail!(who, "{what} of shape {:?} for {states} states", given.shape()),
        };
        let mut between = values_f64(&self.transitions.value())?;
        let (mut start, mut end) = (side(&self.start, "start transitions")?, side(&self.end, "end transitions")?);
        if between.iter().chain(&start).chain(&end).any(|score| score.is_nan()) {
            bail!(who, "the transitions are not finite");
        }
        if let Some(allowed) = &self.allowed {
            let sides = [(&mut between, &allowed.transitions), (&mut start, &allowed.start), (&mut end, &allowed.end)];
            for (scores, allowed) in sides {
                if scores.len() != allowed.len() {
                    bail!(who, "constraints of {} states for {states}", allowed.len().isqrt());
                }
                let forbidden = scores.iter_mut().zip(allowed).filter(|(_, allowed)| !**allowed);
                forbidden.for_each(|(score, _)| *score = f64::NEG_INFINITY);
            }
        }
        Ok(Transitions::new(between, start, end))
    }
}

/// The sequences of scores `[B, T, C]`, and the scores as f64, without padding.
fn sequences(who: &str, emissions: &Tensor, segments: Option<&[u32]>) -> Result<(Packing, Vec<f64>, usize)> {
    let dims = emissions.shape();
    let &[rows, length, states] = dims.as_slice() else {
        bail!(who, "emissions of shape {dims:?} are not [batch, length, states]");
    };
    if states == 0 || rows * length == 0 {
        bail!(who, "emissions of shape {dims:?} hold nothing");
    }
    let packing = Packing::of(who, segments, rows, length)?;
    let scores = values_f64(&emissions.value())?;
    let scores: Vec<f64> =
        packing.places.iter().flat_map(|place| &scores[place * states..][..states]).copied().collect();
    if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
        let place = packing.places[at / states];
        bail!(who, "row {}, place {}: a score is {}", place / length, place % length, scores[at]);
    }
    Ok((packing, scores, states))
}

/// One sequence's negative log likelihood and its gradients.
struct Part {
    loss: f64,
    /// Expected count of each score, minus its count in the true path.
    states: Vec<f64>,
    between: Vec<f64>,
}

/// The negative log likelihood of the paths `tags [B, T]` by the scores `emissions [B, T, C]`.
pub fn crf(
    emissions: &Tensor,
    tags: &[i64],
    field: &Crf,
    segments: Option<&[u32]>,
    reduction: CrfReduction,
) -> Result<Tensor> {
    const WHO: &str = "crf";
    let (packing, scores, states) = sequences(WHO, emissions, segments)?;
    if tags.len() != packing.rows * packing.length {
        bail!(WHO, "{} tags for {} rows of {}", tags.len(), packing.rows, packing.length);
    }
    let transitions = field.scores(WHO, states)?;
    let path = path(tags, &packing, states)?;
    let count = packing.spans.len();
    let parts = each_line(count, states * states * packing.length, |at| {
        let span = packing.spans[at].clone();
        part(&transitions, &scores[span.start * states..span.end * states], &path[span])
    })?;
    let parts: Vec<Part> = parts
        .into_iter()
        .enumerate()
        .map(|(at, part)| part.ok_or_else(|| forbidden(&packing, at, &path, &transitions)))
        .collect::<Result<_>>()?;
    let share = match reduction {
        CrfReduction::Each(Reduction::Mean) => 1.0 / count as f64,
        CrfReduction::TokenMean => 1.0 / packing.places.len() as f64,
        CrfReduction::Each(_) => 1.0,
    };
    let value = emissions.value();
    let losses: Vec<f64> = parts.iter().map(|part| part.loss * share).collect();
    let (losses, dims) = match reduction {
        CrfReduction::Each(Reduction::None) => (losses, vec![count]),
        _ => (vec![losses.iter().sum()], vec![]),
    };
    let dtype = if value.dtype().is_float() { value.dtype() } else { DType::F32 };
    let loss = array(losses, &dims, &value)?.to_dtype(dtype)?;
    let none: Tensor = array(vec![0f64; states], &[states], &value)?.into();
    let [start, end] = [&field.start, &field.end].map(|side| side.clone().unwrap_or_else(|| none.clone()));
    let inputs = [emissions, &field.transitions, &start, &end];
    if !Tensor::records(&inputs) {
        return Ok(loss.into());
    }
    let shapes = inputs.map(|input| (input.shape(), input.dtype()));
    let gradients = Gradients { packing, parts, states, share };
    Ok(Tensor::derive(loss, inputs, move |grad, flow| {
        let by = gradients.weights(&values_f64(&grad)?);
        for (input, (dims, dtype)) in shapes.iter().enumerate() {
            flow.add(input, || {
                let numbers = match input {
                    0 => gradients.emissions(&by),
                    1 => gradients.between(&by),
                    side => gradients.side(&by, side == 3),
                };
                Ok(array(numbers, dims, &value)?.to_dtype(*dtype)?)
            })?;
        }
        Ok(())
    }))
}

/// The tags of the steps that are not padding.
fn path(tags: &[i64], packing: &Packing, states: usize) -> Result<Vec<usize>> {
    const WHO: &str = "crf";
    let read = |place: &usize| match usize::try_from(tags[*place]) {
        Ok(tag) if tag < states => Ok(tag),
        _ => {
            let (row, at) = (place / packing.length, place % packing.length);
            Err(Error::new(WHO, format!("row {row}, place {at}: tag {} is not one of {states}", tags[*place]))
                .help("padding is what `segments` gives 0"))
        }
    };
    packing.places.iter().map(read).collect()
}

fn part(transitions: &Transitions, scores: &[f64], path: &[usize]) -> Option<Part> {
    let own = transitions.score(scores, path);
    let (total, expected) = transitions.forward_backward(scores).filter(|_| own.is_finite())?;
    let (mut states, mut between) = (expected.states, expected.between);
    let n = transitions.states;
    path.iter().enumerate().for_each(|(step, state)| states[step * n + state] -= 1.0);
    path.windows(2).for_each(|pair| between[pair[0] * n + pair[1]] -= 1.0);
    Some(Part { loss: total - own, states, between })
}

/// The error for a forbidden move of a path.
fn forbidden(packing: &Packing, at: usize, path: &[usize], transitions: &Transitions) -> Error {
    let span = packing.spans[at].clone();
    let place = |step: usize| {
        let place = packing.places[span.start + step];
        format!("row {}, place {}", place / packing.length, place % packing.length)
    };
    let path = &path[span.clone()];
    let n = transitions.states;
    let what = if transitions.start[path[0]] == f64::NEG_INFINITY {
        format!("{}: tag {} cannot be the first", place(0), path[0])
    } else if let Some(step) =
        (1..path.len()).find(|step| transitions.between[path[step - 1] * n + path[*step]] == f64::NEG_INFINITY)
    {
        format!("{}: tag {} cannot follow {}", place(step), path[step], path[step - 1])
    } else if transitions.end[path[path.len() - 1]] == f64::NEG_INFINITY {
        format!("{}: tag {} cannot be the last", place(path.len() - 1), path[path.len() - 1])
    } else {
        format!("{}: the scores are too large", place(0))
    };
    Error::new("crf", what).help("the constraints forbid it: repair the tags, or leave the constraints to decoding")
}

struct Gradients {
    packing: Packing,
    parts: Vec<Part>,
    states: usize,
    share: f64,
}

impl Gradients {
    /// The weight of each sequence's loss.
    fn weights(&self, grad: &[f64]) -> Vec<f64> {
        let one = |at: usize| grad.get(at).or(grad.first()).copied().unwrap_or_default() * self.share;
        (0..self.parts.len()).map(one).collect()
    }

    fn emissions(&self, by: &[f64]) -> Vec<f64> {
        let n = self.states;
        let mut sums = vec![0.0; self.packing.rows * self.packing.length * n];
        for ((part, span), by) in self.parts.iter().zip(&self.packing.spans).zip(by) {
            for (row, place) in part.states.chunks_exact(n).zip(&self.packing.places[span.clone()]) {
                sums[place * n..][..n].iter_mut().zip(row).for_each(|(sum, share)| *sum = by * share);
            }
        }
        sums
    }

    fn between(&self, by: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.states * self.states];
        for (part, by) in self.parts.iter().zip(by) {
            sums.iter_mut().zip(&part.between).for_each(|(sum, share)| *sum += by * share);
        }
        sums
    }

    /// For the first states, or for the last.
    fn side(&self, by: &[f64], last: bool) -> Vec<f64> {
        let n = self.states;
        let mut sums = vec![0.0; n];
        for (part, by) in self.parts.iter().zip(by) {
            let step = if last { part.states.len() / n - 1 } else { 0 };
            sums.iter_mut().zip(&part.states[step * n..][..n]).for_each(|(sum, share)| *sum += by * share);
        }
        sums
    }
}

/// The best path of each row `[B, T]`, -1 for padding, and the score of each sequence.
pub fn decode(emissions: &Tensor, field: &Crf, segments: Option<&[u32]>) -> Result<(Vec<i64>, Vec<f64>)> {
    const WHO: &str = "crf_decode";
    let (packing, scores, states) = sequences(WHO, emissions, segments)?;
    let transitions = field.scores(WHO, states)?;
    let found = each_line(packing.spans.len(), states * states * packing.length, |at| {
        let span = &packing.spans[at];
        transitions.best(&scores[span.start * states..span.end * states])
    })?;
    let (mut paths, mut tops) = (vec![-1; packing.rows * packing.length], Vec::new());
    for (at, (best, span)) in found.into_iter().zip(&packing.spans).enumerate() {
        let Some((path, score)) = best else { bail!(WHO, "sequence {at}: the constraints allow no path") };
        for (state, place) in path.into_iter().zip(&packing.places[span.clone()]) {
            paths[*place] = state as i64;
        }
        tops.push(score);
    }
    Ok((paths, tops))
}
