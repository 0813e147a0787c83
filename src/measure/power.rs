//! Required sample sizes: power of the t test, and the probability that a comparison is decided with more seeds or documents.

use super::distributions::{chi_squared_upper, noncentral_t_cdf, normal_cdf, t_upper};
use super::paired::Paired;

/// The power of the two-sided one-sample t test (paired differences, one per sample): the probability that `n` values with mean
/// `effect` and standard deviation `sd` reject zero at level `alpha` (noncentral t: Cohen 1988; as statsmodels' `TTestPower`).
pub fn power(effect: f64, sd: f64, n: usize, alpha: f64) -> f64 {
    let df = (n - 1) as f64;
    let shift = effect.abs() / sd * (n as f64).sqrt();
    let critical = t_upper(alpha / 2.0, df);
    1.0 - noncentral_t_cdf(critical, df, shift) + noncentral_t_cdf(-critical, df, shift)
}

/// The smallest n, 2 or more, with power `wanted`; `None` above `most`.
pub fn required_n(effect: f64, sd: f64, alpha: f64, wanted: f64, most: usize) -> Option<usize> {
    smallest(2, most, |n| power(effect, sd, n, alpha) >= wanted)
}

/// The smallest number in `from..=most` that is enough; if a number is enough, so are all larger ones.
fn smallest(from: usize, most: usize, is_enough: impl Fn(usize) -> bool) -> Option<usize> {
    if from > most {
        return None;
    }
    let (mut below, mut above) = (from, from);
    while above < most && !is_enough(above) {
        below = above + 1;
        above = (2 * above).min(most);
    }
    if !is_enough(above) {
        return None;
    }
    while below < above {
        let middle = (below + above) / 2;
        if is_enough(middle) {
            above = middle;
        } else {
            below = middle + 1;
        }
    }
    Some(above)
}

/// The decision rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The values that the interval must exclude, ascending.
    pub bounds: &'a [f64],
    /// 1 minus the level of the interval.
    pub alpha: f64,
}

/// Numbers of seeds and documents of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub seeds: usize,
    pub documents: usize,
}

/// An unknown variance, given an estimate with `df` degrees of freedom and no prior knowledge of its size: a quantile of its
/// posterior (scaled inverse chi-squared: Gelman et al., Bayesian Data Analysis, 3.2), above the median, since small samples
/// underestimate it.
fn variance(estimate: f64, df: f64) -> f64 {
    const CAREFUL: f64 = 0.6;
    estimate * df / chi_squared_upper(CAREFUL, df)
}

/// The probability that a larger comparison that includes the current data is decided: the predictive power or assurance
/// (Spiegelhalter, Freedman and Blackburn 1986; O'Hagan and Stevens 2001). The true mean is unknown: the probability is averaged
/// over its distribution, given the data.
pub struct Assurance {
    mean: f64,
    now: Size,
    /// The variance of one seed's mean: as estimated, and as it may be.
    seeds: (f64, f64),
    /// The variance of one document's mean: as estimated, and as it may be.
    documents: (f64, f64),
}

impl Assurance {
    /// `None` for one seed, which has no spread.
    pub fn of(found: &Paired) -> Option<Assurance> {
        let (seeds, documents) = (found.seeds as f64, found.documents as f64);
        let of = |error: f64, count: f64| {
            let found = error.powi(2) * count;
            (found, variance(found, count - 1.0))
        };
        Some(Assurance {
            mean: found.mean,
            now: Size { seeds: found.seeds, documents: found.documents },
            seeds: of(found.se_seeds?, seeds),
            documents: of(found.se_items, documents),
        })
    }

    pub fn chance(&self, size: Size, rule: &Rule) -> f64 {
        // a component of the half-width then: from existing values, and from future ones
        let part = |(found, truth): (f64, f64), now: usize, then: usize| {
            let estimate = ((now - 1) as f64 * found + (then - now) as f64 * truth) / (then - 1) as f64;
            t_upper(rule.alpha / 2.0, (then - 1) as f64) * (estimate / then as f64).sqrt()
        };
        let seeds = part(self.seeds, self.now.seeds, size.seeds);
        let documents = part(self.documents, self.now.documents, size.documents);
        // the mean then, given the mean now: the remaining part of its variance
        let to_come = |truth: f64, now: usize, then: usize| truth * (1.0 / now as f64 - 1.0 / then as f64);
        let variance = to_come(self.seeds.1, self.now.seeds, size.seeds)
            + to_come(self.documents.1, self.now.documents, size.documents);
        decided(self.mean, variance.max(0.0).sqrt(), seeds.hypot(documents), rule.bounds)
    }

    /// The smallest larger size with at least the probability `wanted`: only more documents if these are enough and available
    /// without training (`documents_first`), otherwise only more seeds, otherwise both. At most `most`; `None` if that is not
    /// enough.
    pub fn required(&self, rule: &Rule, wanted: f64, most: Size, documents_first: bool) -> Option<Size> {
        let now = self.now;
        let enough = |size: Size| self.chance(size, rule) >= wanted;
        let documents = |seeds: usize, from: usize| {
            let found = smallest(from, most.documents, |documents| enough(Size { seeds, documents }));
            found.map(|documents| Size { seeds, documents })
        };
        let seeds = |documents: usize| {
            let found = smallest(now.seeds + 1, most.seeds, |seeds| enough(Size { seeds, documents }));
            found.map(|seeds| Size { seeds, documents })
        };
        let alone = if documents_first { documents(now.seeds, now.documents + 1) } else { None };
        alone.or_else(|| seeds(now.documents)).or_else(|| {
            // use all documents and the seeds that this requires; then reduce the documents to those needed
            let found = seeds(most.documents)?;
            documents(found.seeds, now.documents).or(Some(found))
        })
    }
}

/// The probability that a normal mean is further than `half` from each of `bounds`.
fn decided(mean: f64, sd: f64, half: f64, bounds: &[f64]) -> f64 {
    let below = |x: f64| {
        if sd > 0.0 {
            normal_cdf((x - mean) / sd)
        } else if x >= mean {
            1.0
        } else {
            0.0
        }
    };
    let mut sum = 0.0;
    for at in 0..=bounds.len() {
        let low = at.checked_sub(1).map_or(0.0, |at| below(bounds[at] + half));
        let high = bounds.get(at).map_or(1.0, |bound| below(bound - half));
        sum += (high - low).max(0.0);
    }
    sum
}
