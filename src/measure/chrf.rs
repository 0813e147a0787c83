//! chrF: the F score of character n-grams (Popović 2015), as sacreBLEU computes it for one pair.

use crate::cancel::Pace;
use std::collections::HashMap;

const ORDER: usize = 6;
const BETA: f64 = 2.0;

/// chrF of `candidate` against `reference`, 0 to 100. Whitespace is ignored.
pub fn chrf(candidate: &str, reference: &str) -> f64 {
    let [candidate, reference] = [candidate, reference].map(letters);
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0);
    for n in 1..=ORDER {
        let (ours, theirs) = (ngrams(&candidate, n), ngrams(&reference, n));
        let common: u64 = ours.iter().map(|(gram, count)| (*count).min(*theirs.get(gram).unwrap_or(&0))).sum();
        let (given, wanted): (u64, u64) = (ours.values().sum(), theirs.values().sum());
        if given > 0 && wanted > 0 {
            precision += common as f64 / given as f64;
            recall += common as f64 / wanted as f64;
            orders += 1;
        }
    }
    if orders == 0 {
        return 0.0;
    }
    let (precision, recall) = (precision / orders as f64, recall / orders as f64);
    if precision + recall == 0.0 {
        return 0.0;
    }
    let weight = BETA * BETA;
    100.0 * (1.0 + weight) * precision * recall / (weight * precision + recall)
}

fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn ngrams(text: &[char], n: usize) -> HashMap<&[char], u64> {
    let mut counts = HashMap::new();
    let pace = Pace::default();
    for gram in text.windows(n) {
        pace.step();
        *counts.entry(gram).or_insert(0) += 1;
    }
    counts
}
