//! Paired comparison of scores of the same items, over seeds and over the documents that contain the items.
//!
//! Seeds and documents are crossed random factors. The variance of the mean over either is estimated from its own means, and the
//! interval adds their squares, each with its own quantile of Student's t: the sum of t² · variance of Banerjee (1961) and
//! Cochran. The interaction of seed and document is counted twice, so the interval is too wide rather than too narrow.
//!
//! - Items of one document are not independent: their residuals are added before they are squared (Liang and Zeger 1986), and
//!   degrees of freedom count documents (for language models: Miller 2024).
//! - A score such as bits per byte is a ratio of sums. Its items are linearized around it, so that a long item that costs many
//!   bits does not inflate the variance (Cochran 1977, 6.3).

use super::distributions::{bisect, t_upper};
use crate::{Error, Result, bail};
use std::collections::HashMap;

const WHO: &str = "measure::paired";

/// The input: scores by seed and item, before and after.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    pub before: &'a [Vec<f64>],
    pub after: &'a [Vec<f64>],
    /// The document of each item; without it every item is its own document.
    pub documents: Option<&'a [String]>,
    /// Denominators of the items' scores, such as bytes for bits; without them a score is a mean over items.
    pub denominators: Option<&'a [f64]>,
}

/// A mean difference with its standard errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// After minus before.
    pub mean: f64,
    pub items: usize,
    pub documents: usize,
    /// Effective number of documents of equal weight: lower if a few hold most items (Kish 1965).
    pub effective_documents: f64,
    pub seeds: usize,
    /// Standard error over documents.
    pub se_items: f64,
    /// Standard error over seeds; `None` with a single seed.
    pub se_seeds: Option<f64>,
}

impl Paired {
    pub fn of(scores: &Scores) -> Result<Paired> {
        let (seeds, items) = checked(scores)?;
        let weights = scores.denominators.map_or_else(|| vec![1.0; items], <[f64]>::to_vec);
        let whole: f64 = weights.iter().sum();
        let mut by_item = vec![0.0; items];
        let mut by_seed = Vec::with_capacity(seeds);
        for (before, after) in scores.before.iter().zip(scores.after) {
            let mut sum = 0.0;
            for (slot, (before, after)) in by_item.iter_mut().zip(before.iter().zip(after)) {
                *slot += (after - before) / seeds as f64;
                sum += after - before;
            }
            by_seed.push(sum / whole);
        }
        let mean = by_seed.iter().sum::<f64>() / seeds as f64;
        let residuals = by_item.iter().zip(&weights).map(|(gain, weight)| gain - mean * weight);
        let (documents, squares) = clustered(residuals, scores.documents);
        let effective_documents = whole * whole / clustered(weights.iter().copied(), scores.documents).1;
        if documents < 2 {
            let all = if items == 1 { "one item".to_string() } else { format!("{items} items of one document") };
            let error = Error::new(WHO, format!("{all} say nothing of others"));
            return Err(error.help("an interval takes items of at least two documents"));
        }
        let correction = documents as f64 / (documents - 1) as f64;
        let se_items = (correction * squares).sqrt() / whole;
        let deviations: f64 = by_seed.iter().map(|gain| (gain - mean).powi(2)).sum();
        let se_seeds = (seeds > 1).then(|| (deviations / ((seeds - 1) * seeds) as f64).sqrt());
        Ok(Paired { mean, items, documents, effective_documents, seeds, se_items, se_seeds })
    }

    /// The two components of the interval's half-width: over items, and over seeds.
    pub fn halves(&self, level: f64) -> (f64, f64) {
        self.halves_beyond((1.0 - level) / 2.0)
    }

    fn halves_beyond(&self, tail: f64) -> (f64, f64) {
        let part =
            |error: f64, count: usize| if error == 0.0 { 0.0 } else { error * t_upper(tail, (count - 1) as f64) };
        (part(self.se_items, self.documents), self.se_seeds.map_or(0.0, |error| part(error, self.seeds)))
    }

    /// The lower and upper ends of the interval.
    pub fn interval(&self, level: f64) -> (f64, f64) {
        let (items, seeds) = self.halves(level);
        let half = items.hypot(seeds);
        (self.mean - half, self.mean + half)
    }

    /// The two-sided p value of the hypothesis that the mean is `value`: 1 minus the highest level whose interval excludes it.
    pub fn p_value(&self, value: f64) -> f64 {
        let gap = (self.mean - value).abs();
        if gap == 0.0 {
            return 1.0;
        }
        let excludes = |ln_p: f64| {
            let (items, seeds) = self.halves_beyond(ln_p.exp() / 2.0);
            items.hypot(seeds) <= gap
        };
        const LEAST: f64 = -600.0;
        if excludes(LEAST) { 0.0 } else { bisect(excludes, LEAST, 0.0).exp() }
    }
}

/// The numbers of seeds and items, after checking that the scores are comparable.
fn checked(scores: &Scores) -> Result<(usize, usize)> {
    let (before, after) = (scores.before, scores.after);
    if before.len() != after.len() {
        let error = Error::new(WHO, format!("{} seeds before, {} after", before.len(), after.len()));
        return Err(error.help("give both for the same seeds"));
    }
    let items = before.first().map_or(0, Vec::len);
    for (seed, run) in before.iter().chain(after).enumerate() {
        if run.len() != items || items == 0 {
            let what = match seed.checked_sub(before.len()) {
                Some(0) => format!("{items} items before, {} after", run.len()),
                Some(seed) => format!("{items} items before, {} after, seed {seed}", run.len()),
                None => format!("{items} items of seed 0, {} of seed {seed}", run.len()),
            };
            return Err(Error::new(WHO, what).help("give scores of the same items, in the same order"));
        }
        if let Some(item) = run.iter().position(|score| !score.is_finite()) {
            let (side, seed) = seed.checked_sub(before.len()).map_or(("before", seed), |seed| ("after", seed));
            let error = Error::new(WHO, format!("{side}, seed {seed}, item {item}: the score is {}", run[item]));
            return Err(error.help("a run that failed can't be compared, and can't be left out: repeat it"));
        }
    }
    let count = |what: &str, given: usize| -> Result<()> {
        if given != items {
            bail!(WHO, "{given} {what} for {items} items");
        }
        Ok(())
    };
    if let Some(documents) = scores.documents {
        count("documents", documents.len())?;
    }
    if let Some(denominators) = scores.denominators {
        count("denominators", denominators.len())?;
        if let Some(item) = denominators.iter().position(|value| !value.is_finite() || *value <= 0.0) {
            bail!(WHO, "item {item} has the denominator {}, not above 0", denominators[item]);
        }
    }
    Ok((before.len(), items))
}

/// The number of documents, and the sum of squares of their item totals.
fn clustered(values: impl Iterator<Item = f64>, documents: Option<&[String]>) -> (usize, f64) {
    let Some(documents) = documents else {
        return values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value * value));
    };
    let mut place: HashMap<&str, usize> = HashMap::new();
    let mut sums: Vec<f64> = Vec::new();
    for (value, document) in values.zip(documents) {
        let next = sums.len();
        let at = *place.entry(document).or_insert(next);
        if at == next {
            sums.push(0.0);
        }
        sums[at] += value;
    }
    (sums.len(), sums.iter().map(|sum| sum * sum).sum())
}
