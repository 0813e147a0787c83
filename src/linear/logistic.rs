//! Logistic regression of two or more classes with L2 regularization, as in scikit-learn: the intercepts are not regularized, and
//! L-BFGS minimizes the loss.

use super::lbfgs::{Stopping, minimize};
use super::sparse::Sparse;
use crate::{Error, Result, bail, progress};
use std::collections::BTreeMap;

/// Class weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassWeight {
    Equal,
    /// Equal total weight for every class.
    Balanced,
}

/// Options of a fit.
#[derive(Clone, Copy, Debug)]
pub struct Fitting {
    /// Inverse of the regularization strength.
    pub c: f64,
    pub class_weight: ClassWeight,
    pub stopping: Stopping,
}

/// Initial weights and intercepts of a fit.
type Start<'m> = Option<&'m LogisticRegression>;

/// A fitted model. A value.
#[derive(Clone, Debug)]
pub struct LogisticRegression {
    pub(super) classes: Vec<String>,
    /// `[columns, width]`: for two classes one number, that of the second; otherwise one per class.
    pub(super) weights: Vec<f64>,
    pub(super) intercepts: Vec<f64>,
    pub(super) iterations: usize,
    pub(super) converged: bool,
}

impl LogisticRegression {
    /// Fits a model to rows and their labels, from zeros or from another model.
    pub fn fit(x: &Sparse, labels: &[String], fitting: &Fitting, start: Start) -> Result<LogisticRegression> {
        const WHO: &str = "logistic_regression";
        if x.rows() != labels.len() {
            bail!(WHO, "{} rows for {} labels", x.rows(), labels.len());
        }
        if !(fitting.c > 0.0 && fitting.c.is_finite()) {
            bail!(WHO, "option `C` is {}, not above 0", fitting.c);
        }
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        labels.iter().for_each(|label| *counts.entry(label).or_default() += 1);
        if counts.len() < 2 {
            let label = counts.keys().next().map_or_else(String::new, |label| format!(" `{label}`"));
            return Err(Error::new(WHO, format!("the {} items have one label{label}", labels.len()))
                .help("it learns to tell two labels apart, or more"));
        }
        let classes: Vec<String> = counts.keys().map(|label| (*label).clone()).collect();
        let places: Vec<usize> = labels.iter().map(|label| classes.binary_search(label).unwrap_or(0)).collect();
        let weight = |label: &String| match fitting.class_weight {
            ClassWeight::Equal => 1.0,
            ClassWeight::Balanced => labels.len() as f64 / (counts.len() * counts[label]) as f64,
        };
        let weights: Vec<f64> = labels.iter().map(weight).collect();
        let width = if classes.len() == 2 { 1 } else { classes.len() };
        let objective = Objective { x, turned: x.transposed(), places, weights, width, c: fitting.c };
        let start = match start {
            None => vec![0.0; (x.columns + 1) * width],
            Some(model) if model.classes == classes && model.columns() == x.columns => {
                [model.weights.as_slice(), &model.intercepts].concat()
            }
            Some(model) => {
                let (of, columns) = (model.classes.join(", "), model.columns());
                bail!(
                    WHO,
                    "option `start` is a model of {of} over {columns} columns; this one is of {} over {}",
                    classes.join(", "),
                    x.columns
                )
            }
        };
        let found = minimize(WHO, start, fitting.stopping, &mut |at, gradient| Ok(objective.value(at, gradient)))?;
        if !found.converged {
            progress::warn(
                WHO,
                format!("it has not converged after {} iterations: a larger `max_iter` lets it", found.iterations),
            );
        }
        let mut weights = found.x;
        let intercepts = weights.split_off(x.columns * width);
        Ok(LogisticRegression {
            classes,
            weights,
            intercepts,
            iterations: found.iterations,
            converged: found.converged,
        })
    }

    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    pub fn columns(&self) -> usize {
        self.weights.len() / self.intercepts.len().max(1)
    }

    /// Weights `[columns, width]` and intercepts `[width]`; the width is 1 for two classes.
    pub fn coefficients(&self) -> (&[f64], &[f64]) {
        (&self.weights, &self.intercepts)
    }

    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// The probability of each class, row by row.
    pub fn probabilities(&self, x: &Sparse) -> Result<Vec<f64>> {
        if x.columns != self.columns() {
            bail!("predict", "rows of {} numbers, and the model is of {}", x.columns, self.columns());
        }
        let width = self.intercepts.len();
        let mut scores = x.times(&self.weights, width);
        scores.chunks_exact_mut(width).for_each(|row| row.iter_mut().zip(&self.intercepts).for_each(|(s, b)| *s += b));
        if width == 1 {
            return Ok(scores.iter().flat_map(|score| [sigmoid(-score), sigmoid(*score)]).collect());
        }
        scores.chunks_exact_mut(width).for_each(|row| {
            softmax(row);
        });
        Ok(scores)
    }

    /// The most likely class of each row; of equal ones the first.
    pub fn predict(&self, x: &Sparse) -> Result<Vec<&str>> {
        let count = self.classes.len();
        let best = |row: &[f64]| (0..count).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        Ok(self.probabilities(x)?.chunks_exact(count).map(|row| self.classes[best(row)].as_str()).collect())
    }
}

struct Objective<'a> {
    x: &'a Sparse,
    turned: Sparse,
    places: Vec<usize>,
    weights: Vec<f64>,
    width: usize,
    c: f64,
}

impl Objective<'_> {
    /// The mean loss of all rows, plus the penalty of the weights over twice C times the number of rows, as scikit-learn scales
    /// it.
    fn value(&self, at: &[f64], gradient: &mut [f64]) -> f64 {
        let (width, all) = (self.width, self.weights.iter().sum::<f64>());
        let (weights, intercepts) = at.split_at(self.x.columns * width);
        let mut scores = self.x.times(weights, width);
        let mut loss = 0.0;
        for ((row, place), weight) in scores.chunks_exact_mut(width).zip(&self.places).zip(&self.weights) {
            row.iter_mut().zip(intercepts).for_each(|(score, intercept)| *score += intercept);
            if width == 1 {
                // log(1 + e^s), minus s where the second class is correct
                let score = row[0];
                loss += weight * (score.max(0.0) + (-score.abs()).exp().ln_1p() - *place as f64 * score);
                row[0] = weight / all * (sigmoid(score) - *place as f64);
            } else {
                let right = row[*place];
                loss += weight * (softmax(row) - right);
                row[*place] -= 1.0;
                row.iter_mut().for_each(|share| *share *= weight / all);
            }
        }
        let penalty = 1.0 / (self.c * all);
        let (of_weights, of_intercepts) = gradient.split_at_mut(self.x.columns * width);
        of_weights.copy_from_slice(&self.turned.times(&scores, width));
        of_weights.iter_mut().zip(weights).for_each(|(gradient, weight)| *gradient += penalty * weight);
        of_intercepts.fill(0.0);
        for row in scores.chunks_exact(width) {
            of_intercepts.iter_mut().zip(row).for_each(|(sum, share)| *sum += share);
        }
        loss / all + 0.5 * penalty * weights.iter().map(|weight| weight * weight).sum::<f64>()
    }
}

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 {
        let e = x.exp();
        e / (1.0 + e)
    } else {
        1.0 / (1.0 + (-x).exp())
    }
}

/// Converts scores to probabilities; returns the log of the sum of e^score.
fn softmax(row: &mut [f64]) -> f64 {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in row.iter_mut() {
        *score = (*score - top).exp();
        sum += *score;
    }
    row.iter_mut().for_each(|share| *share /= sum);
    top + sum.ln()
}
