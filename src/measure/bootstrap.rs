//! Bootstrap of a mean over items (Efron 1979), by percentiles, or corrected for bias and acceleration (Efron 1987).

use super::distributions::{normal_cdf, normal_upper};
use super::statistics::quantile;
use crate::tensor::Rng;
use crate::{Result, bail, cancel};

/// A mean and its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// The quantiles of the resampled means at the interval's ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Percentile,
    /// Bias-corrected and accelerated: the quantiles shift for skewed means.
    Bca,
}

/// Resamples `values` with replacement `samples` times. The same seed returns the same interval.
pub fn bootstrap(values: &[f64], samples: usize, level: f64, seed: u64, method: Method) -> Result<Interval> {
    if values.len() < 2 || samples == 0 {
        bail!("bootstrap", "{} values and {samples} samples give no interval", values.len());
    }
    if let Some(bad) = values.iter().position(|value| !value.is_finite()) {
        bail!("bootstrap", "value {bad} is {}", values[bad]);
    }
    if !(0.0 < level && level < 1.0) {
        bail!("bootstrap", "level {level} is not between 0 and 1");
    }
    let mut rng = Rng::new(seed);
    let mut means = Vec::with_capacity(samples);
    for _ in 0..samples {
        cancel::check()?;
        let sum: f64 = values.iter().map(|_| values[rng.below(values.len() as u64) as usize]).sum();
        means.push(sum / values.len() as f64);
    }
    means.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let (low, high) = match method {
        Method::Percentile => (tail, 1.0 - tail),
        Method::Bca => shifted(values, &means, mean, tail),
    };
    Ok(Interval { mean, low: quantile(&means, low), high: quantile(&means, high) })
}

/// The quantiles that BCa uses instead of `tail` and 1 − `tail`: from the share of resampled means below the mean, and the
/// skewness of the mean without each value in turn (the jackknife).
fn shifted(values: &[f64], means: &[f64], mean: f64, tail: f64) -> (f64, f64) {
    let below = means.iter().filter(|value| **value < mean).count();
    let equal = means.iter().filter(|value| **value == mean).count();
    let bias = -normal_upper((below as f64 + equal as f64 / 2.0) / means.len() as f64);
    let sum = |power: i32| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>();
    let spread = sum(2);
    if spread == 0.0 || !bias.is_finite() {
        return (tail, 1.0 - tail);
    }
    let acceleration = sum(3) / (6.0 * spread.powf(1.5));
    let at = |z: f64| normal_cdf(bias + (bias + z) / (1.0 - acceleration * (bias + z)));
    let z = normal_upper(tail);
    (at(-z), at(z))
}
