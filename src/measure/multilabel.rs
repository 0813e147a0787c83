//! Items with any number of labels each.

use super::confusion::Scores;
use crate::{Result, bail};

/// The predicted and expected labels, with `labels` booleans per item.
pub struct MultiLabel<'a> {
    predicted: &'a [bool],
    expected: &'a [bool],
    labels: usize,
}

impl<'a> MultiLabel<'a> {
    pub fn of(predicted: &'a [bool], expected: &'a [bool], labels: usize) -> Result<MultiLabel<'a>> {
        const WHO: &str = "multilabel";
        if predicted.len() != expected.len() {
            bail!(WHO, "{} predicted for {} expected", predicted.len() / labels.max(1), expected.len() / labels.max(1));
        }
        if expected.is_empty() || labels == 0 {
            bail!(WHO, "the lists are empty");
        }
        Ok(MultiLabel { predicted, expected, labels })
    }

    fn pairs(&self) -> impl Iterator<Item = (&bool, &bool)> {
        self.predicted.iter().zip(self.expected)
    }

    /// Precision, recall and F1 of each label.
    pub fn scores(&self) -> Vec<Scores> {
        (0..self.labels).map(|label| scores(self.pairs().skip(label).step_by(self.labels))).collect()
    }

    /// Over all pairs of an item and a label.
    pub fn micro_average(&self) -> Scores {
        scores(self.pairs())
    }

    /// The mean over items of each item's scores, computed from its own labels.
    pub fn samples_average(&self) -> Scores {
        let rows = self.predicted.chunks_exact(self.labels).zip(self.expected.chunks_exact(self.labels));
        let all: Vec<Scores> = rows.map(|(predicted, expected)| scores(predicted.iter().zip(expected))).collect();
        Scores::macro_average(&all)
    }

    /// The proportion of items whose labels are all correct.
    pub fn subset_accuracy(&self) -> f64 {
        let rows = self.predicted.chunks_exact(self.labels).zip(self.expected.chunks_exact(self.labels));
        let right = rows.filter(|(predicted, expected)| predicted == expected).count();
        right as f64 / (self.expected.len() / self.labels) as f64
    }

    /// The proportion of wrong item-label pairs.
    pub fn hamming_loss(&self) -> f64 {
        self.pairs().filter(|(predicted, expected)| predicted != expected).count() as f64 / self.expected.len() as f64
    }
}

fn scores<'a>(pairs: impl Iterator<Item = (&'a bool, &'a bool)>) -> Scores {
    let (mut right, mut predicted, mut expected) = (0, 0, 0);
    for (found, wanted) in pairs {
        right += u64::from(*found && *wanted);
        predicted += u64::from(*found);
        expected += u64::from(*wanted);
    }
    Scores::of(right, predicted, expected)
}
