//! The tree-structured Parzen estimator (Bergstra et al. 2011): suggests points that are likelier among the best trials than
//! among the others. With several goals the best are those of the first fronts (Ozaki et al. 2022).

use super::goals;
use super::parzen::Density;
use super::space::{Domain, Space, Values};
use crate::rng::Rng;

/// The values of an earlier trial, and its score in each goal, which is minimized; a failed trial is infinite.
pub struct Past {
    pub values: Values,
    pub scores: Vec<f64>,
}

/// Optuna's numbers: random trials before the estimator is used, and candidates of which the best is tried.
const STARTUP: usize = 10;
const CANDIDATES: usize = 24;

/// Suggests the values of a trial from the earlier trials visible to it, in order.
pub fn suggest(space: &Space, past: &[Past], rng: &mut Rng) -> Values {
    if past.len() < STARTUP {
        return space.random(rng);
    }
    let mut values: Values = vec![None; space.0.len()];
    // dependents of one choice are estimated jointly, from the trials that have them
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

/// The indices of parameters with the same condition, unconditional ones first.
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
    let known: Vec<(&[f64], Vec<f64>)> =
        past.iter().filter_map(|past| Some((&past.scores[..], places(past)?))).collect();
    let is_good = split(&known.iter().map(|(scores, _)| *scores).collect::<Vec<_>>());
    // both in trial order: kernels are weighted by age
    let density = |good: bool, fades: bool| {
        let chosen = known.iter().zip(&is_good).filter(|(_, is_good)| **is_good == good);
        Density::of(domains, &chosen.map(|((_, places), _)| places.clone()).collect::<Vec<_>>(), fades)
    };
    let several = known.first().is_some_and(|(scores, _)| scores.len() > 1);
    let (good, rest) = (density(true, !several), density(false, true));
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

/// The best tenth of the trials: at most 25 with a single goal.
fn split(scores: &[&[f64]]) -> Vec<bool> {
    let count = scores.len().div_ceil(10);
    let mut is_good = vec![false; scores.len()];
    let finite: Vec<usize> = (0..scores.len()).filter(|&at| scores[at].iter().all(|score| score.is_finite())).collect();
    if scores.first().is_some_and(|goals| goals.len() > 1) {
        let known: Vec<Vec<f64>> = finite.iter().map(|&at| scores[at].to_vec()).collect();
        goals::best(&known, count.min(known.len())).into_iter().for_each(|at| is_good[finite[at]] = true);
        return is_good;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a][0].total_cmp(&scores[b][0]).then(a.cmp(&b)));
    order.into_iter().take(count.min(25)).for_each(|at| is_good[at] = true);
    is_good
}
