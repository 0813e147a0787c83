//! Confusion counts, and the scores computed from them.

use crate::{Result, bail};
use std::collections::BTreeMap;

/// Counts of (expected, predicted) pairs. Labels are in alphabetical order.
#[derive(Clone, Debug, Default)]
pub struct Confusion {
    labels: Vec<String>,
    /// `counts[expected][predicted]`
    counts: Vec<Vec<u64>>,
}

/// Scores of one label, or of several together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// Number of cases with this label.
    pub support: u64,
}

impl Confusion {
    pub fn of(predicted: &[String], expected: &[String]) -> Result<Confusion> {
        if predicted.len() != expected.len() {
            bail!("confusion", "{} predicted for {} expected", predicted.len(), expected.len());
        }
        if expected.is_empty() {
            bail!("confusion", "the lists are empty");
        }
        let mut index: BTreeMap<&str, usize> =
            predicted.iter().chain(expected).map(|label| (label.as_str(), 0)).collect();
        for (place, slot) in index.values_mut().enumerate() {
            *slot = place;
        }
        let mut counts = vec![vec![0; index.len()]; index.len()];
        for (predicted, expected) in predicted.iter().zip(expected) {
            counts[index[expected.as_str()]][index[predicted.as_str()]] += 1;
        }
        Ok(Confusion { labels: index.into_keys().map(String::from).collect(), counts })
    }

    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// The proportion that is right.
    pub fn accuracy(&self) -> f64 {
        ratio(self.right(0..self.labels.len()), self.total())
    }

    /// Precision, recall and F1 of each label. A ratio without cases is 0, as in scikit-learn.
    pub fn scores(&self) -> Vec<Scores> {
        (0..self.labels.len()).map(|label| self.pooled(label..label + 1)).collect()
    }

    /// The unweighted mean over labels.
    pub fn macro_average(&self) -> Scores {
        let all = self.scores();
        let mean = |of: fn(&Scores) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        Scores {
            precision: mean(|one| one.precision),
            recall: mean(|one| one.recall),
            f1: mean(|one| one.f1),
            support: self.total(),
        }
    }

    /// Over all cases, without the labels in `skip`: `O` for entity tags.
    pub fn micro_average(&self, skip: &[String]) -> Scores {
        self.pooled((0..self.labels.len()).filter(|label| !skip.contains(&self.labels[*label])))
    }

    fn pooled(&self, labels: impl Iterator<Item = usize> + Clone) -> Scores {
        let right = self.right(labels.clone());
        let expected = labels.clone().map(|label| self.counts[label].iter().sum::<u64>()).sum();
        let predicted = labels.map(|label| self.counts.iter().map(|row| row[label]).sum::<u64>()).sum();
        let (precision, recall) = (ratio(right, predicted), ratio(right, expected));
        let f1 = ratio(2 * right, predicted + expected);
        Scores { precision, recall, f1, support: expected }
    }

    fn right(&self, labels: impl Iterator<Item = usize>) -> u64 {
        labels.map(|label| self.counts[label][label]).sum()
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
