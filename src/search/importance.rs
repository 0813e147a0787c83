//! Share of the scores' variance explained by each parameter alone: functional ANOVA over a forest of regression trees (Hutter,
//! Hoos and Leyton-Brown 2014).
//!
//! The variance of a tree over the whole space is known exactly, since its leaves are boxes. So is the mean over all other
//! parameters at each value of one, whose variance is that parameter's share. The rest belongs to interactions.

use super::forest::{Node, Table, grow};
use super::space::{Domain, Space, Values};
use crate::rng::Rng;
use crate::{Result, bail};

const TREES: usize = 64;
/// Minimum number of trials.
const LEAST: usize = 4;

/// The extent of a box in one parameter.
#[derive(Clone)]
enum Side {
    Range(f64, f64),
    /// Whether it includes each choice.
    Choices(Vec<bool>),
}

type Place = Vec<Side>;

/// Shares of the variance by parameter, in the space's order; `None` for parameters that some trials lack. Scores must be finite.
pub fn importance(space: &Space, trials: &[(Values, f64)], seed: u64) -> Result<Vec<Option<f64>>> {
    if trials.len() < LEAST {
        bail!(
            "search::importance",
            "{} finished trials are too few to tell what matters: {LEAST} at least",
            trials.len()
        );
    }
    let is_everywhere = |param: &usize| trials.iter().all(|(values, _)| values[*param].is_some());
    let params: Vec<usize> = (0..space.0.len()).filter(is_everywhere).collect();
    let domains: Vec<&Domain> = params.iter().map(|&param| &space.0[param].domain).collect();
    if params.is_empty() {
        bail!("search::importance", "no parameter is there in every trial");
    }
    let row = |values: &Values| {
        let each = params.iter().zip(&domains);
        each.map(|(&param, domain)| domain.place(values[param].unwrap_or_default())).collect()
    };
    let choices = domains.iter().map(|domain| if let Domain::Choice { count } = domain { Some(*count) } else { None });
    let table = Table {
        rows: trials.iter().map(|(values, _)| row(values)).collect(),
        values: trials.iter().map(|(_, score)| *score).collect(),
        choices: choices.collect(),
    };
    let whole: Place = domains
        .iter()
        .map(|domain| match domain {
            Domain::Choice { count } => Side::Choices(vec![true; *count]),
            Domain::Number { .. } => Side::Range(domain.range().0, domain.range().1),
        })
        .collect();
    let trees: Vec<Tree> = grow(&table, TREES, &Rng::new(seed).split("importance"))
        .iter()
        .map(|root| Tree::of(root, &whole))
        .filter(|tree| tree.variance > 0.0)
        .collect();
    let share = |at: usize| {
        let sum: f64 = trees.iter().map(|tree| tree.marginal(at) / tree.variance).sum();
        if trees.is_empty() { 0.0 } else { sum / trees.len() as f64 }
    };
    let place = |param: usize| params.iter().position(|&known| known == param);
    Ok((0..space.0.len()).map(|param| place(param).map(share)).collect())
}

impl Side {
    fn size(&self) -> f64 {
        match self {
            Side::Range(low, high) => high - low,
            Side::Choices(inside) => inside.iter().filter(|inside| **inside).count() as f64,
        }
    }

    /// Both sides of a split.
    fn split(&self, at: f64) -> (Side, Side) {
        match self {
            Side::Range(low, high) => (Side::Range(*low, at), Side::Range(at, *high)),
            Side::Choices(inside) => {
                let part = |own: bool| {
                    let each = inside.iter().enumerate();
                    Side::Choices(each.map(|(choice, inside)| *inside && (choice as f64 == at) == own).collect())
                };
                (part(true), part(false))
            }
        }
    }
}

/// The leaves of a tree, boxes with their values, and the total variance.
struct Tree {
    leaves: Vec<(Place, f64)>,
    variance: f64,
}

/// The weighted variance of values.
fn variance(each: &[(f64, f64)]) -> f64 {
    let mean = mean(each);
    let all: f64 = each.iter().map(|(weight, _)| weight).sum();
    each.iter().map(|(weight, value)| weight * (value - mean) * (value - mean)).sum::<f64>() / all
}

fn mean(each: &[(f64, f64)]) -> f64 {
    each.iter().map(|(weight, value)| weight * value).sum::<f64>() / each.iter().map(|(weight, _)| weight).sum::<f64>()
}

impl Tree {
    fn of(root: &Node, whole: &Place) -> Tree {
        let mut leaves = Vec::new();
        let mut open = vec![(root, whole.clone())];
        while let Some((node, place)) = open.pop() {
            match node {
                Node::Leaf(value) => leaves.push((place, *value)),
                Node::Split { feature, at, below, above } => {
                    let (left, right) = place[*feature].split(*at);
                    let (mut under, mut over) = (place.clone(), place);
                    (under[*feature], over[*feature]) = (left, right);
                    open.push((below, under));
                    open.push((above, over));
                }
            }
        }
        let volume = |place: &Place| place.iter().map(Side::size).product::<f64>();
        let each: Vec<(f64, f64)> = leaves.iter().map(|(place, value)| (volume(place), *value)).collect();
        Tree { variance: variance(&each), leaves }
    }

    /// The variance of the mean over all other parameters as this one varies: over the intervals between its splits, or over its
    /// choices.
    fn marginal(&self, own: usize) -> f64 {
        let cells: Vec<(f64, f64)> = match &self.leaves[0].0[own] {
            Side::Choices(inside) => (0..inside.len()).map(|choice| (1.0, self.at(own, choice as f64))).collect(),
            Side::Range(..) => {
                let ends =
                    |place: &Place| if let Side::Range(low, high) = place[own] { vec![low, high] } else { vec![] };
                let mut ends: Vec<f64> = self.leaves.iter().flat_map(|(place, _)| ends(place)).collect();
                ends.sort_by(f64::total_cmp);
                ends.dedup();
                ends.windows(2).map(|pair| (pair[1] - pair[0], self.at(own, (pair[0] + pair[1]) / 2.0))).collect()
            }
        };
        variance(&cells)
    }

    /// The mean over all other parameters, with this one fixed.
    fn at(&self, own: usize, value: f64) -> f64 {
        let meets = |place: &Place| match &place[own] {
            Side::Range(low, high) => (*low..=*high).contains(&value),
            Side::Choices(inside) => inside.get(value as usize).copied().unwrap_or(false),
        };
        let rest = |place: &Place| {
            let others = place.iter().enumerate().filter(|(at, _)| *at != own);
            others.map(|(_, side)| side.size()).product::<f64>()
        };
        let here = self.leaves.iter().filter(|(place, _)| meets(place));
        mean(&here.map(|(place, value)| (rest(place), *value)).collect::<Vec<_>>())
    }
}
