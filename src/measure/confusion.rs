//! Confusion counts, and the scores computed from them.

use crate::{Error, Result, bail};
use std::collections::{BTreeSet, HashMap};

/// Counts of (expected, predicted) pairs. Labels are in numeric order if all are integers, otherwise in alphabetical order, or in
/// the given order.
#[derive(Clone, Debug, Default)]
pub struct Confusion {
    labels: Vec<String>,
    /// `counts[expected][predicted]`
    counts: Vec<Vec<u64>>,
}

/// Scores of one label, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// Number of cases with this label.
    pub support: u64,
}

impl Scores {
    /// From the number of hits among the predicted and the expected. A ratio without cases is 0, as in scikit-learn.
    pub fn of(right: u64, predicted: u64, expected: u64) -> Scores {
        Scores {
            precision: ratio(right, predicted),
            recall: ratio(right, expected),
            f1: ratio(2 * right, predicted + expected),
            support: expected,
        }
    }

    /// The mean of several, weighted by `weight`; 0 if all weights are 0.
    pub fn mean(all: &[Scores], weight: impl Fn(&Scores) -> f64) -> Scores {
        let whole: f64 = all.iter().map(&weight).sum();
        let mean = |of: fn(&Scores) -> f64| {
            let sum: f64 = all.iter().map(|one| weight(one) * of(one)).sum();
            if whole == 0.0 { 0.0 } else { sum / whole }
        };
        Scores {
            precision: mean(|one| one.precision),
            recall: mean(|one| one.recall),
            f1: mean(|one| one.f1),
            support: all.iter().map(|one| one.support).sum(),
        }
    }

    /// The unweighted mean.
    pub fn macro_average(all: &[Scores]) -> Scores {
        Scores::mean(all, |_| 1.0)
    }

    /// The mean weighted by support.
    pub fn weighted_average(all: &[Scores]) -> Scores {
        Scores::mean(all, |one| one.support as f64)
    }
}

/// Distance of two labels, for Cohen's kappa.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// All different labels are equally far apart.
    Equal,
    /// By their positions in the order of labels.
    Linear,
    /// By the squared difference of their positions.
    Quadratic,
}

impl Distance {
    fn between(self, a: usize, b: usize) -> f64 {
        let apart = a.abs_diff(b) as f64;
        match self {
            Distance::Equal => f64::from(u8::from(a != b)),
            Distance::Linear => apart,
            Distance::Quadratic => apart * apart,
        }
    }
}

impl Confusion {
    /// From the labels that occur.
    pub fn of(predicted: &[String], expected: &[String]) -> Result<Confusion> {
        let labels: BTreeSet<&String> = predicted.iter().chain(expected).collect();
        let mut labels: Vec<String> = labels.into_iter().cloned().collect();
        if labels.iter().all(|label| label.parse::<i64>().is_ok()) {
            labels.sort_by_key(|label| label.parse::<i64>().unwrap_or_default());
        }
        Confusion::among(predicted, expected, labels)
    }

    /// From these labels, which may include labels that do not occur.
    pub fn among(predicted: &[String], expected: &[String], labels: Vec<String>) -> Result<Confusion> {
        const WHO: &str = "confusion";
        if predicted.len() != expected.len() {
            bail!(WHO, "{} predicted for {} expected", predicted.len(), expected.len());
        }
        if expected.is_empty() {
            bail!(WHO, "the lists are empty");
        }
        let index: HashMap<&str, usize> = labels.iter().enumerate().map(|(at, label)| (label.as_str(), at)).collect();
        if let Some(twice) = labels.iter().enumerate().find(|(at, label)| index[label.as_str()] != *at) {
            bail!(WHO, "label `{}` is given twice", twice.1);
        }
        let place = |label: &String, row: usize| match index.get(label.as_str()) {
            Some(place) => Ok(*place),
            None => {
                Err(Error::unknown(WHO, "label", label, labels.iter().map(String::as_str)).at(format!("item {row}")))
            }
        };
        let mut counts = vec![vec![0; labels.len()]; labels.len()];
        for (row, (predicted, expected)) in predicted.iter().zip(expected).enumerate() {
            counts[place(expected, row)?][place(predicted, row)?] += 1;
        }
        Ok(Confusion { labels, counts })
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

    /// The proportion of correct predictions.
    pub fn accuracy(&self) -> f64 {
        ratio(self.right(0..self.labels.len()), self.total())
    }

    /// Precision, recall and F1 of each label. A ratio without cases is 0, as in scikit-learn.
    pub fn scores(&self) -> Vec<Scores> {
        (0..self.labels.len()).map(|label| self.pooled(label..label + 1)).collect()
    }

    /// The unweighted mean over labels.
    pub fn macro_average(&self) -> Scores {
        Scores::macro_average(&self.scores())
    }

    /// The mean over labels, weighted by support.
    pub fn weighted_average(&self) -> Scores {
        Scores::weighted_average(&self.scores())
    }

    /// Over all cases, without the labels in `skip`, such as `O` for entity tags.
    pub fn micro_average(&self, skip: &[String]) -> Scores {
        self.pooled((0..self.labels.len()).filter(|label| !skip.contains(&self.labels[*label])))
    }

    /// The mean recall of the labels that occur among the expected.
    pub fn balanced_accuracy(&self) -> f64 {
        let known: Vec<f64> = self.scores().iter().filter(|one| one.support > 0).map(|one| one.recall).collect();
        known.iter().sum::<f64>() / known.len() as f64
    }

    /// Matthews correlation coefficient, for any number of labels (Gorodkin 2004); 0 if one side has a single label.
    pub fn mcc(&self) -> f64 {
        let (expected, predicted) = self.sums();
        let of = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (all, right) = (self.total() as f64, self.right(0..self.labels.len()) as f64);
        let together = right * all - of(&expected, &predicted);
        let (own, other) = (all * all - of(&predicted, &predicted), all * all - of(&expected, &expected));
        if own * other == 0.0 { 0.0 } else { together / (own * other).sqrt() }
    }

    /// Cohen's kappa: agreement beyond chance.
    pub fn kappa(&self, distance: Distance) -> Result<f64> {
        let (expected, predicted) = self.sums();
        let (mut found, mut chance) = (0.0, 0.0);
        for (i, row) in self.counts.iter().enumerate() {
            for (j, count) in row.iter().enumerate() {
                let far = distance.between(i, j);
                found += far * *count as f64;
                chance += far * expected[i] * predicted[j] / self.total() as f64;
            }
        }
        if chance == 0.0 {
            return Err(Error::new("kappa", "both lists hold one label only, and the same: chance would agree too")
                .help("it is defined where there are two labels or more"));
        }
        Ok(1.0 - found / chance)
    }

    /// Number of times each label is expected, and predicted.
    fn sums(&self) -> (Vec<f64>, Vec<f64>) {
        let expected = self.counts.iter().map(|row| row.iter().sum::<u64>() as f64).collect();
        let predicted = (0..self.labels.len()).map(|at| self.counts.iter().map(|row| row[at]).sum::<u64>() as f64);
        (expected, predicted.collect())
    }

    fn pooled(&self, labels: impl Iterator<Item = usize> + Clone) -> Scores {
        let expected = labels.clone().map(|label| self.counts[label].iter().sum::<u64>()).sum();
        let predicted = labels.clone().map(|label| self.counts.iter().map(|row| row[label]).sum::<u64>()).sum();
        Scores::of(self.right(labels), predicted, expected)
    }

    fn right(&self, labels: impl Iterator<Item = usize>) -> u64 {
        labels.map(|label| self.counts[label][label]).sum()
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
