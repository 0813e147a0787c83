//! Correct or wrong answers: intervals of a proportion, and of the difference of two on the same items.

use super::distributions::{beta_quantile, bisect, normal_upper};

/// The confidence interval of the proportion `count` of `n` (Clopper and Pearson 1934): exact, with coverage of at least `level`,
/// also at 0 and n.
pub fn interval(count: u64, n: u64, level: f64) -> (f64, f64) {
    let tail = (1.0 - level) / 2.0;
    let (hits, rest) = (count as f64, (n - count) as f64);
    let low = if count == 0 { 0.0 } else { beta_quantile(tail, hits, rest + 1.0) };
    let high = if count == n { 1.0 } else { beta_quantile(1.0 - tail, hits + 1.0, rest) };
    (low, high)
}

/// The interval of the gain (`won` minus `lost`, over `n`) of answers to the same items: the differences not rejected by a score
/// test (Tango 1998), which at zero is McNemar's test.
pub fn paired_interval(won: u64, lost: u64, n: u64, level: f64) -> (f64, f64) {
    let (won, lost, n) = (won as f64, lost as f64, n as f64);
    let limit = normal_upper((1.0 - level) / 2.0);
    let score = |gain: f64| {
        let a = 2.0 * n;
        let b = -won - lost + (2.0 * n - won + lost) * gain;
        let c = -lost * gain * (1.0 - gain);
        let losing = ((b * b - 4.0 * a * c).max(0.0).sqrt() - b) / (2.0 * a);
        let variance = n * (2.0 * losing + gain * (1.0 - gain));
        let distance = won - lost - n * gain;
        if variance > 0.0 { distance / variance.sqrt() } else { distance.signum() * f64::INFINITY }
    };
    let gain = (won - lost) / n;
    let low = bisect(|at| score(at) <= limit, -1.0, gain);
    let high = bisect(|at| score(at) < -limit, gain, 1.0);
    (low, high)
}

/// McNemar's exact test: the probability of flips at least as one-sided as `lost` and `won`, if both directions are equally
/// likely.
pub fn mcnemar(lost: u64, won: u64) -> f64 {
    let (flips, fewer) = (lost + won, lost.min(won));
    // sums of binomial coefficients over 2^flips, in logarithms
    let log_half = -(flips as f64) * std::f64::consts::LN_2;
    let (mut log_choose, mut tail) = (0.0_f64, 0.0);
    for k in 0..=fewer {
        if k > 0 {
            log_choose += ((flips - k + 1) as f64 / k as f64).ln();
        }
        tail += (log_choose + log_half).exp();
    }
    (2.0 * tail).min(1.0)
}
