//! Retrieval metrics, from the ranks of the relevant passages.

use crate::{Result, bail};

/// The result of one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The rank of each relevant passage, from 1, ascending.
    ranks: Vec<usize>,
}

impl Found {
    /// The ranks of the relevant passages by their scores. In a tie relevant ones rank last: a model that gives all passages the
    /// same score finds nothing.
    pub fn new(scores: &[f64], right: &[usize]) -> Result<Found> {
        const WHO: &str = "retrieval";
        if let Some(at) = scores.iter().position(|score| score.is_nan()) {
            bail!(WHO, "the score of passage {at} is NaN");
        }
        if right.is_empty() {
            bail!(WHO, "no passage is right");
        }
        if let Some(at) = right.iter().find(|&&at| at >= scores.len()) {
            bail!(WHO, "passage {at} of {}", scores.len());
        }
        let mut own: Vec<f64> = right.iter().map(|&at| scores[at]).collect();
        own.sort_by(|a, b| b.total_cmp(a));
        let wrong = |score: f64| (0..scores.len()).filter(|at| scores[*at] >= score && !right.contains(at)).count();
        Ok(Found { ranks: own.iter().enumerate().map(|(before, &score)| 1 + before + wrong(score)).collect() })
    }

    /// The share of the relevant passages among the first `k`.
    pub fn recall(&self, k: usize) -> f64 {
        self.ranks.iter().filter(|&&rank| rank <= k).count() as f64 / self.ranks.len() as f64
    }

    /// The reciprocal of the rank of the first relevant passage, 0 if it is not among the first `k`.
    pub fn reciprocal_rank(&self, k: usize) -> f64 {
        self.ranks.first().filter(|&&rank| rank <= k).map_or(0.0, |&rank| 1.0 / rank as f64)
    }

    /// Discounted cumulative gain of the first `k`, divided by the best possible (Järvelin and Kekäläinen 2002).
    pub fn ndcg(&self, k: usize) -> f64 {
        let gain = |rank: usize| 1.0 / (rank as f64 + 1.0).log2();
        let found: f64 = self.ranks.iter().filter(|&&rank| rank <= k).map(|&rank| gain(rank)).sum();
        let best: f64 = (1..=self.ranks.len().min(k)).map(gain).sum();
        found / best
    }
}

/// Rank correlation (Spearman 1904), ties with their mean rank.
pub fn spearman(a: &[f64], b: &[f64]) -> Result<f64> {
    const WHO: &str = "spearman";
    if a.len() != b.len() {
        bail!(WHO, "{} numbers and {}", a.len(), b.len());
    }
    if a.len() < 2 {
        bail!(WHO, "{} pairs have no correlation", a.len());
    }
    if let Some(at) = a.iter().chain(b).position(|number| number.is_nan()) {
        bail!(WHO, "number {} is NaN", at % a.len());
    }
    Ok(pearson(&ranks(a), &ranks(b)))
}

/// Ranks from 1; ties get their mean rank.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    let mut ranks = vec![0.0; numbers.len()];
    for tie in order.chunk_by(|a, b| numbers[*a] == numbers[*b]) {
        let first = order.partition_point(|at| numbers[*at] < numbers[tie[0]]);
        let mean = first as f64 + (tie.len() + 1) as f64 / 2.0;
        tie.iter().for_each(|&at| ranks[at] = mean);
    }
    ranks
}

/// The Pearson correlation; 0 if one side is constant.
fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |of: &dyn Fn(usize) -> f64| (0..a.len()).map(of).sum::<f64>();
    let both = sum(&|at| (a[at] - mean_a) * (b[at] - mean_b));
    let spread = (sum(&|at| (a[at] - mean_a).powi(2)) * sum(&|at| (b[at] - mean_b).powi(2))).sqrt();
    if spread == 0.0 { 0.0 } else { both / spread }
}
