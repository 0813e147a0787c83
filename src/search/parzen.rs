//! Kernel densities of trials: a kernel around each trial and one over the whole space (Bergstra et al. 2011; its form with joint
//! kernels: Falkner et al. 2018). Widths and weights are those of Optuna 5's multivariate TPE: a kernel is as wide as the gap to
//! its farther neighbor, in each dimension separately (Bergstra et al. 2011), within bounds that narrow with the number of
//! trials.

use super::space::Domain;
use crate::rng::Rng;

/// A kernel in one dimension.
enum Kernel {
    /// A normal density, truncated to the range.
    Normal { mean: f64, deviation: f64 },
    /// The probability of each choice.
    Choices(Vec<f64>),
}

pub struct Density<'a> {
    domains: &'a [&'a Domain],
    /// A kernel for each dimension, and the logarithm of its weight.
    kernels: Vec<(f64, Vec<Kernel>)>,
}

/// Number of trials with full weight; older ones weigh less.
const RECENT: usize = 25;

/// Weights that decrease with age; the density over the whole space weighs as much as a recent trial.
fn weights(count: usize) -> Vec<f64> {
    let old = count.saturating_sub(RECENT);
    let ramp = |at: usize| {
        let first = 1.0 / count as f64;
        if old == 1 { first } else { first + (1.0 - first) * at as f64 / (old - 1) as f64 }
    };
    (0..count).map(|at| if at < old { ramp(at) } else { 1.0 }).chain([1.0]).collect()
}

impl<'a> Density<'a> {
    /// From trials in order, with a place for each domain. `fades` gives older trials less weight.
    pub fn of(domains: &'a [&'a Domain], trials: &[Vec<f64>], fades: bool) -> Density<'a> {
        let weights = if fades { weights(trials.len()) } else { vec![1.0; trials.len() + 1] };
        let sum: f64 = weights.iter().sum();
        let widths: Vec<Vec<f64>> = domains
            .iter()
            .enumerate()
            .map(|(dimension, domain)| widths(domain, &trials.iter().map(|trial| trial[dimension]).collect::<Vec<_>>()))
            .collect();
        let kernels = weights.iter().enumerate().map(|(at, weight)| {
            let own = domains.iter().enumerate().map(|(dimension, domain)| {
                let trial = trials.get(at).map(|trial| (trial[dimension], widths[dimension][at]));
                kernel(domain, trial, trials.len())
            });
            ((weight / sum).ln(), own.collect())
        });
        Density { kernels: kernels.collect(), domains }
    }

    pub fn sample(&self, rng: &mut Rng) -> Vec<f64> {
        let mut left = rng.uniform();
        let mut at = 0;
        while at + 1 < self.kernels.len() {
            left -= self.kernels[at].0.exp();
            if left < 0.0 {
                break;
            }
            at += 1;
        }
        let kernels = self.kernels[at].1.iter().zip(self.domains);
        kernels.map(|(kernel, domain)| sample(kernel, domain, rng)).collect()
    }

    /// The logarithm of the density at a place.
    pub fn log(&self, place: &[f64]) -> f64 {
        let each: Vec<f64> = self
            .kernels
            .iter()
            .map(|(share, kernels)| {
                let parts = kernels.iter().zip(self.domains).zip(place);
                share + parts.map(|((kernel, domain), at)| log(kernel, domain, *at)).sum::<f64>()
            })
            .collect();
        let most = each.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + each.iter().map(|one| (one - most).exp()).sum::<f64>().ln()
    }
}

/// The kernel width of each place: the gap to its farther neighbor; the outermost have only one. A single place has the ends of
/// the range as neighbors.
fn widths(domain: &Domain, places: &[f64]) -> Vec<f64> {
    let (low, high) = domain.range();
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| places[a].total_cmp(&places[b]).then(a.cmp(&b)));
    let mut widths = vec![0.0; places.len()];
    let is_alone = places.len() < 2;
    for (rank, &at) in order.iter().enumerate() {
        let below = if rank > 0 { Some(places[order[rank - 1]]) } else { is_alone.then_some(low) };
        let above = order.get(rank + 1).map(|&next| places[next]).or(is_alone.then_some(high));
        let gaps = [below.map(|place| places[at] - place), above.map(|place| place - places[at])];
        let gap = gaps.into_iter().flatten().fold(0.0, f64::max);
        let least = (high - low) / (places.len() as f64 + 2.0).min(100.0);
        widths[at] = gap.clamp(least, high - low);
    }
    widths
}

/// A kernel around a trial with its width, or over the whole range without a trial.
fn kernel(domain: &Domain, trial: Option<(f64, f64)>, trials: usize) -> Kernel {
    if let Domain::Choice { count } = *domain {
        // the density over the whole range is shared among the kernels
        let each = 1.0 / (trials + 1) as f64;
        let sum = each * count as f64 + if trial.is_some() { 1.0 } else { 0.0 };
        let own = |choice: usize| if trial.is_some_and(|(at, _)| at == choice as f64) { each + 1.0 } else { each };
        return Kernel::Choices((0..count).map(|choice| own(choice) / sum).collect());
    }
    let (low, high) = domain.range();
    match trial {
        Some((mean, deviation)) => Kernel::Normal { mean, deviation },
        None => Kernel::Normal { mean: (low + high) / 2.0, deviation: high - low },
    }
}

fn sample(kernel: &Kernel, domain: &Domain, rng: &mut Rng) -> f64 {
    match kernel {
        Kernel::Choices(shares) => {
            let mut left = rng.uniform();
            let chosen = shares.iter().position(|share| {
                left -= share;
                left < 0.0
            });
            chosen.unwrap_or(shares.len() - 1) as f64
        }
        Kernel::Normal { mean, deviation } => {
            let (low, high) = domain.range();
            // at least a sixth of a kernel is inside the range
            for _ in 0..100 {
                let place = mean + deviation * rng.normal();
                if (low..=high).contains(&place) {
                    return domain.place(domain.value(place));
                }
            }
            domain.place(domain.value(low + rng.uniform() * (high - low)))
        }
    }
}

fn log(kernel: &Kernel, domain: &Domain, place: f64) -> f64 {
    match (kernel, domain) {
        (Kernel::Choices(shares), _) => shares[place as usize].ln(),
        (Kernel::Normal { mean, deviation }, domain) => {
            let (low, high) = domain.range();
            let mass = |from: f64, to: f64| below((to - mean) / deviation) - below((from - mean) / deviation);
            let inside = mass(low, high).max(1e-300);
            match domain {
                Domain::Number { whole: true, log, .. } => {
                    let value = domain.value(place);
                    let at = |x: f64| if *log { x.ln() } else { x };
                    (mass(at(value - 0.5), at(value + 0.5)).max(1e-300) / inside).ln()
                }
                _ => {
                    let z = (place - mean) / deviation;
                    -0.5 * z * z - deviation.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln() - inside.ln()
                }
            }
        }
    }
}

/// The share of the normal distribution below z, to 1e-7 (Abramowitz and Stegun 7.1.26's successor: Numerical Recipes' `erfc`).
fn below(z: f64) -> f64 {
    const C: [f64; 10] = [
        -1.26551223,
        1.00002368,
        0.37409196,
        0.09678418,
        -0.18628806,
        0.27886807,
        -1.13520398,
        1.48851587,
        -0.82215223,
        0.17087277,
    ];
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let sum = C.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let tail = 0.5 * t * (-x * x + sum).exp();
    if z < 0.0 { tail } else { 1.0 - tail }
}
