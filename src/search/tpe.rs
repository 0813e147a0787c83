//! The tree-structured Parzen estimator (Bergstra et al. 2011): what is likelier among the best trials than among the others.

use super::parzen::Density;
use super::space::{Domain, Space, Values};
use crate::rng::Rng;

/// What an earlier trial was, and what came of it: less is better. What failed is infinite.
pub struct Past {
    pub values: Values,
    pub score: f64,
}

/// Trials at random before anything is learned from them, and candidates of which the best is tried: Optuna's.
const STARTUP: usize = 10;
const CANDIDATES: usize = 24;

/// Suggests the values of a trial from those that it may see, in their order.
pub fn suggest(space: &Space, past: &[Past], rng: &mut Rng) -> Values {
    if past.len() < STARTUP {
        return space.random(rng);
    }
    let mut values: Values = vec![None; space.0.len()];
    // what depends on one choice is estimated together, of the trials that have it
    for group in groups(space) {
        if space.is_there(group[0], &values) {
            let domains: Vec<&Domain> = group.iter().map(|&at| &space.0[at].domain).collect();
            for (&at, place) in group.iter().zip(best(&domains, &group, past, rng)) {
                values[at] = Some(space.0[at].domain.value(place));
            }
        }
    }
    values
}

/// The places of parameters with the same condition, those without one first.
fn groups(space: &Space) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, param) in space.0.iter().enumerate() {
        match groups.iter_mut().find(|group| space.0[group[0]].when == param.when) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups.sort_by_key(|group| group[0]);
    groups
}

fn best(domains: &[&Domain], group: &[usize], past: &[Past], rng: &mut Rng) -> Vec<f64> {
    let places = |past: &Past| -> Option<Vec<f64>> {
        group.iter().zip(domains).map(|(&at, domain)| Some(domain.place(past.values[at]?))).collect()
    };
    let mut known: Vec<(usize, f64, Vec<f64>)> =
        past.iter().enumerate().filter_map(|(at, past)| Some((at, past.score, places(past)?))).collect();
    known.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let good = known.len().div_ceil(10).min(25);
    let mut rest = known.split_off(good);
    // kernels weigh by their age
    known.sort_by_key(|trial| trial.0);
    rest.sort_by_key(|trial| trial.0);
    let density = |trials: Vec<(usize, f64, Vec<f64>)>| {
        Density::of(domains, &trials.into_iter().map(|trial| trial.2).collect::<Vec<_>>())
    };
    let (good, rest) = (density(known), density(rest));
    let mut best = (f64::NEG_INFINITY, Vec::new());
    for _ in 0..CANDIDATES {
        let place = good.sample(rng);
        let gain = good.log(&place) - rest.log(&place);
        if gain > best.0 || best.1.is_empty() {
            best = (gain, place);
        }
    }
    best.1
}
