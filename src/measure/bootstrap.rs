//! Percentile bootstrap of a mean over items (Efron 1979).

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

/// Resamples `values` with replacement `samples` times. The same seed gives the same interval.
pub fn bootstrap(values: &[f64], samples: usize, level: f64, seed: u64) -> Result<Interval> {
    if values.is_empty() || samples == 0 {
        bail!("bootstrap", "{} values and {samples} samples give no interval", values.len());
    }
    if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
        bail!("bootstrap", "a value is {bad}");
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
    Ok(Interval { mean, low: quantile(&means, tail), high: quantile(&means, 1.0 - tail) })
}
