//! Statistics of repeated measurements: medians with bootstrap intervals (Efron 1979), outliers by Tukey's fences, and ratios of
//! paired samples.

use crate::tensor::Rng;

/// A number, and its confidence interval at the requested level.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Estimate {
    /// Width of the interval as a share of the value.
    pub fn width(&self) -> f64 {
        (self.high - self.low) / self.value.abs()
    }

    /// The interval that contains all of `parts`, around the median of their values.
    pub fn hull(parts: &[Estimate]) -> Option<Estimate> {
        let low = parts.iter().map(|part| part.low).reduce(f64::min)?;
        let high = parts.iter().map(|part| part.high).reduce(f64::max)?;
        Some(Estimate { value: median(&parts.iter().map(|part| part.value).collect::<Vec<_>>()), low, high })
    }

    /// This divided by that: the widest interval consistent with both.
    pub fn over(&self, other: &Estimate) -> Estimate {
        Estimate { value: self.value / other.value, low: self.low / other.high, high: self.high / other.low }
    }
}

/// Number of bootstrap resamples.
const SAMPLES: usize = 1000;
/// The level of intervals of times: sampling stops when they are narrow, which makes them look better than they are.
pub const SURE: f64 = 0.99;

/// The median; NaN if empty.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    middle(&sorted)
}

fn middle(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// Linear interpolation between the two nearest of `sorted`.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

/// The middle `level` of the resampled values.
fn interval(value: f64, mut resampled: Vec<f64>, level: f64) -> Estimate {
    resampled.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Estimate { value, low: quantile(&resampled, tail), high: quantile(&resampled, 1.0 - tail) }
}

fn draw<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.below(from.len() as u64) as usize]
}

/// The median of `values` (at least one) and its bootstrap interval. The same values return the same interval.
pub fn median_interval(values: &[f64]) -> Estimate {
    let mut rng = Rng::new(0);
    let mut drawn = vec![0.0; values.len()];
    let medians = (0..SAMPLES).map(|_| {
        drawn.iter_mut().for_each(|slot| *slot = *draw(&mut rng, values));
        drawn.sort_by(f64::total_cmp);
        middle(&drawn)
    });
    let medians = medians.collect();
    interval(median(values), medians, SURE)
}

/// The ratio of paired samples, from rounds of pairs: rounds are resampled, and pairs within each, since two starts of one
/// program differ by more than their samples show. The value is the median of the rounds' medians.
pub fn ratio_interval(rounds: &[Vec<f64>]) -> Option<Estimate> {
    let rounds: Vec<&Vec<f64>> = rounds.iter().filter(|round| !round.is_empty()).collect();
    if rounds.is_empty() {
        return None;
    }
    let mut rng = Rng::new(0);
    let value = median(&rounds.iter().map(|round| median(round)).collect::<Vec<_>>());
    let resampled = (0..SAMPLES).map(|_| {
        // the mean of the few medians: their median would jump between them
        let drawn = (0..rounds.len()).map(|_| {
            let round = draw(&mut rng, &rounds);
            let pairs: Vec<f64> = round.iter().map(|_| *draw(&mut rng, round)).collect();
            median(&pairs).ln()
        });
        let drawn: Vec<f64> = drawn.collect();
        (drawn.iter().sum::<f64>() / drawn.len() as f64).exp()
    });
    let resampled = resampled.collect();
    let found = interval(value, resampled, SURE);
    Some(Estimate { value, low: found.low.min(value), high: found.high.max(value) })
}

/// Number of `values` outside Tukey's outer fences (three times the interquartile range): below, above.
pub fn outliers(values: &[f64]) -> (usize, usize) {
    if values.len() < 4 {
        return (0, 0);
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (first, third) = (quantile(&sorted, 0.25), quantile(&sorted, 0.75));
    let fence = 3.0 * (third - first);
    let below = sorted.iter().filter(|value| **value < first - fence).count();
    let above = sorted.iter().filter(|value| **value > third + fence).count();
    (below, above)
}
