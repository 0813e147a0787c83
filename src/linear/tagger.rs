//! A linear-chain conditional random field over token features, trained by L-BFGS with L2 regularization, as in CRFsuite: a
//! weight for each pair of a feature and a label, and for each pair of labels, that occurs in training.

use super::features::features;
use super::lbfgs::{Stopping, minimize};
use crate::data::tags::{Scheme, Tag};
use crate::kernel::chain::Transitions;
use crate::kernel::parallel;
use crate::{Error, Result, bail, cancel, progress};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Training options.
#[derive(Clone, Copy, Debug)]
pub struct TaggerOptions {
    /// Distance to which features look around a token.
    pub window: usize,
    /// Weight of the L2 penalty.
    pub c2: f64,
    /// Minimum number of occurrences of a feature.
    pub min_frequency: usize,
    pub stopping: Stopping,
    /// The tag scheme: only paths that are well formed in it are decoded.
    pub scheme: Option<Scheme>,
}

/// A trained tagger. A value.
#[derive(Clone, Debug)]
pub struct CrfTagger {
    pub(super) labels: Vec<String>,
    pub(super) window: usize,
    pub(super) scheme: Option<Scheme>,
    /// In alphabetical order.
    pub(super) names: Vec<String>,
    /// End offsets of each feature's weights, the label of each weight, and the weights.
    pub(super) ends: Vec<usize>,
    pub(super) states: Vec<u32>,
    pub(super) weights: Vec<f64>,
    /// `[labels, labels]`, 0 where a pair never occurred.
    pub(super) transitions: Vec<f64>,
    pub(super) iterations: usize,
    pub(super) converged: bool,
    index: HashMap<String, u32>,
}

/// A row as indices: the features of each token, and its label.
struct Row {
    features: Vec<Vec<u32>>,
    labels: Vec<usize>,
}

impl CrfTagger {
    /// Trains a tagger on rows of tokens and rows of tags.
    pub fn fit(rows: &[Vec<String>], tags: &[Vec<String>], options: &TaggerOptions) -> Result<CrfTagger> {
        const WHO: &str = "crf_tagger";
        check(WHO, rows, tags, options)?;
        let labels: BTreeSet<&String> = tags.iter().flatten().collect();
        let labels: Vec<String> = labels.into_iter().cloned().collect();
        if let Some(scheme) = options.scheme {
            labels.iter().try_for_each(|label| scheme.read(WHO, label).map(|_| ()))?;
        }
        let looks = looks(rows, options.window)?;
        let mut counts: HashMap<&str, usize> = HashMap::new();
        looks.iter().flatten().flatten().for_each(|name| *counts.entry(name.as_str()).or_default() += 1);
        let mut names: Vec<String> = counts
            .into_iter()
            .filter(|(_, count)| *count >= options.min_frequency)
            .map(|(name, _)| name.into())
            .collect();
        names.sort();
        let mut tagger = CrfTagger::of(labels, options.window, options.scheme, names);
        let rows: Vec<Row> = looks
            .iter()
            .zip(tags)
            .map(|(look, tags)| Row {
                features: tagger.numbers(look),
                labels: tags.iter().map(|tag| tagger.labels.binary_search(tag).unwrap_or(0)).collect(),
            })
            .collect();
        tagger.occurring(&rows);
        tagger.train(WHO, &rows, options)?;
        Ok(tagger)
    }

    /// Without weights.
    pub(super) fn of(labels: Vec<String>, window: usize, scheme: Option<Scheme>, names: Vec<String>) -> CrfTagger {
        let index = names.iter().enumerate().map(|(at, name)| (name.clone(), at as u32)).collect();
        let transitions = vec![0.0; labels.len() * labels.len()];
        let (ends, states, weights) = (Vec::new(), Vec::new(), Vec::new());
        let (iterations, converged) = (0, false);
        CrfTagger { labels, window, scheme, names, ends, states, weights, transitions, iterations, converged, index }
    }

    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The number of features, and the number of weights.
    pub fn size(&self) -> (usize, usize) {
        (self.names.len(), self.weights.len())
    }

    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// The weight of a feature and a label, if they occurred together.
    pub fn weight(&self, feature: &str, label: &str) -> Option<f64> {
        let feature = *self.index.get(feature)? as usize;
        let label = self.labels.iter().position(|own| own == label)? as u32;
        self.span(feature).find(|at| self.states[*at] == label).map(|at| self.weights[at])
    }

    /// The weight of the transition from a label to the next.
    pub fn transition(&self, from: &str, to: &str) -> Option<f64> {
        let place = |label: &str| self.labels.iter().position(|own| own == label);
        Some(self.transitions[place(from)? * self.labels.len() + place(to)?])
    }

    fn numbers(&self, look: &[Vec<String>]) -> Vec<Vec<u32>> {
        look.iter().map(|names| names.iter().filter_map(|name| self.index.get(name).copied()).collect()).collect()
    }

    fn span(&self, feature: usize) -> std::ops::Range<usize> {
        let start = if feature == 0 { 0 } else { self.ends[feature - 1] };
        start..self.ends[feature]
    }

    /// Creates a weight for each pair of a feature and a label that occur together.
    fn occurring(&mut self, rows: &[Row]) {
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for row in rows {
            for (features, label) in row.features.iter().zip(&row.labels) {
                pairs.extend(features.iter().map(|feature| (*feature, *label as u32)));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        self.ends = vec![0; self.names.len()];
        for (at, (feature, _)) in pairs.iter().enumerate() {
            self.ends[*feature as usize] = at + 1;
        }
        self.states = pairs.into_iter().map(|(_, label)| label).collect();
        self.weights = vec![0.0; self.states.len()];
    }

    fn train(&mut self, who: &str, rows: &[Row], options: &TaggerOptions) -> Result<()> {
        let n = self.labels.len();
        let pairs: BTreeSet<usize> =
            rows.iter().flat_map(|row| row.labels.windows(2)).map(|pair| pair[0] * n + pair[1]).collect();
        let pairs: Vec<usize> = pairs.into_iter().collect();
        let start = vec![0.0; self.weights.len() + pairs.len()];
        let tokens: usize = rows.iter().map(|row| row.labels.len()).sum();
        let found = minimize(who, start, options.stopping, &mut |at, gradient| {
            self.loss(rows, &pairs, tokens, options.c2, at, gradient)
        })?;
        if !found.converged {
            progress::warn(
                who,
                format!("it has not converged after {} iterations: a larger `max_iter` lets it", found.iterations),
            );
        }
        (self.iterations, self.converged) = (found.iterations, found.converged);
        self.weights = found.x;
        let last = self.weights.split_off(self.weights.len() - pairs.len());
        pairs.iter().zip(last).for_each(|(pair, weight)| self.transitions[*pair] = weight);
        Ok(())
    }

    /// The negative log likelihood of all rows plus the penalty, divided by the number of tokens.
    fn loss(
        &self,
        rows: &[Row],
        pairs: &[usize],
        tokens: usize,
        c2: f64,
        at: &[f64],
        gradient: &mut [f64],
    ) -> Result<f64> {
        let n = self.labels.len();
        let (weights, moves) = at.split_at(self.states.len());
        let mut between = vec![0.0; n * n];
        pairs.iter().zip(moves).for_each(|(pair, weight)| between[*pair] = *weight);
        let transitions = Transitions::new(between, vec![0.0; n], vec![0.0; n]);
        // chunks that depend on the number of rows alone, added in order
        let step = rows.len().div_ceil(16).max(1);
        let mut parts: Vec<(f64, Vec<f64>, Vec<f64>)> = Vec::new();
        let cancel = cancel::current();
        parallel::extend(&mut parts, 0..rows.len().div_ceil(step), 1, |pieces| {
            pieces.map(|piece| {
                let (mut loss, mut states, mut moved) = (0.0, vec![0.0; self.states.len()], vec![0.0; n * n]);
                for row in &rows[piece * step..((piece + 1) * step).min(rows.len())] {
                    if !cancel.is_requested() {
                        loss += self.row_loss(row, weights, &transitions, &mut states, &mut moved);
                    }
                }
                (loss, states, moved)
            })
        });
        cancel::check()?;
        let scale = 1.0 / tokens as f64;
        let mut loss = 0.0;
        gradient.iter_mut().zip(at).for_each(|(gradient, weight)| *gradient = 2.0 * c2 * weight * scale);
        let (of_states, of_moves) = gradient.split_at_mut(self.states.len());
        for (part, states, moved) in &parts {
            loss += part;
            of_states.iter_mut().zip(states).for_each(|(sum, part)| *sum += part * scale);
            of_moves.iter_mut().zip(pairs).for_each(|(sum, pair)| *sum += moved[*pair] * scale);
        }
        let penalty: f64 = at.iter().map(|weight| weight * weight).sum();
        Ok((loss + c2 * penalty) * scale)
    }

    fn row_loss(
        &self,
        row: &Row,
        weights: &[f64],
        transitions: &Transitions,
        states: &mut [f64],
        moved: &mut [f64],
    ) -> f64 {
        let n = self.labels.len();
        let scores = self.scores(&row.features, weights);
        let Some((total, expected)) = transitions.forward_backward(&scores) else { return f64::INFINITY };
        for ((features, label), shares) in row.features.iter().zip(&row.labels).zip(expected.states.chunks_exact(n)) {
            for feature in features {
                for at in self.span(*feature as usize) {
                    let state = self.states[at] as usize;
                    states[at] += shares[state] - f64::from(u8::from(state == *label));
                }
            }
        }
        moved.iter_mut().zip(&expected.between).for_each(|(sum, share)| *sum += share);
        row.labels.windows(2).for_each(|pair| moved[pair[0] * n + pair[1]] -= 1.0);
        total - transitions.score(&scores, &row.labels)
    }

    /// The score of each label at each token.
    fn scores(&self, features: &[Vec<u32>], weights: &[f64]) -> Vec<f64> {
        let n = self.labels.len();
        let mut scores = vec![0.0; features.len() * n];
        for (features, scores) in features.iter().zip(scores.chunks_exact_mut(n)) {
            for feature in features {
                for at in self.span(*feature as usize) {
                    scores[self.states[at] as usize] += weights[at];
                }
            }
        }
        scores
    }

    /// The best tags of rows of tokens.
    pub fn predict(&self, rows: &[Vec<String>]) -> Result<Vec<Vec<String>>> {
        const WHO: &str = "predict";
        let n = self.labels.len();
        let (mut between, mut start, mut end) = (self.transitions.clone(), vec![0.0; n], vec![0.0; n]);
        if let Some(scheme) = self.scheme {
            let tags = self.labels.iter().map(|label| scheme.read(WHO, label)).collect::<Result<Vec<Tag>>>()?;
            let forbid = |score: &mut f64, allowed: bool| {
                if !allowed {
                    *score = f64::NEG_INFINITY;
                }
            };
            for (i, tag) in tags.iter().enumerate() {
                forbid(&mut start[i], scheme.allows(Tag::OUTSIDE, *tag));
                forbid(&mut end[i], scheme.allows(*tag, Tag::OUTSIDE));
                for (j, next) in tags.iter().enumerate() {
                    forbid(&mut between[i * n + j], scheme.allows(*tag, *next));
                }
            }
        }
        let transitions = Transitions::new(between, start, end);
        let looks = looks(rows, self.window)?;
        let mut found: Vec<Option<Vec<String>>> = Vec::new();
        parallel::extend(&mut found, 0..rows.len(), 16, |range| {
            range.map(|row| {
                let scores = self.scores(&self.numbers(&looks[row]), &self.weights);
                let (path, _) = transitions.best(&scores)?;
                Some(path.into_iter().map(|label| self.labels[label].clone()).collect())
            })
        });
        let told = |(row, tags): (usize, Option<Vec<String>>)| match tags {
            Some(tags) => Ok(tags),
            None => bail!(WHO, "row {row}: no path of {} tags is well formed", rows[row].len()),
        };
        found.into_iter().enumerate().map(told).collect()
    }
}

/// The features of all rows.
fn looks(rows: &[Vec<String>], window: usize) -> Result<Vec<Vec<Vec<String>>>> {
    let mut found = Vec::new();
    for rows in rows.chunks(1024) {
        cancel::check()?;
        parallel::extend(&mut found, 0..rows.len(), 16, |range| range.map(|row| features(&rows[row], window)));
    }
    Ok(found)
}

fn check(who: &str, rows: &[Vec<String>], tags: &[Vec<String>], options: &TaggerOptions) -> Result<()> {
    if rows.len() != tags.len() {
        bail!(who, "{} rows of tokens for {} rows of tags", rows.len(), tags.len());
    }
    for (row, (tokens, tags)) in rows.iter().zip(tags).enumerate() {
        if tokens.len() != tags.len() {
            bail!(who, "row {row}: {} tokens for {} tags", tokens.len(), tags.len());
        }
    }
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    tags.iter().flatten().for_each(|tag| *counts.entry(tag).or_default() += 1);
    if counts.len() < 2 {
        let only = counts.keys().next().map_or_else(String::new, |tag| format!(": `{tag}`"));
        return Err(Error::new(who, format!("there is no second tag{only}")).help("it learns to tell tags apart"));
    }
    if !(options.c2 >= 0.0 && options.c2.is_finite()) {
        bail!(who, "option `c2` is {}, below 0", options.c2);
    }
    Ok(())
}
