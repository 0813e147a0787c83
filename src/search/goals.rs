//! Multiple objectives: Pareto dominance and hypervolume.
//!
//! All scores are minimized.

use std::cmp::Ordering;

/// Whether `a` is at least as good as `b` in every goal, and better in one.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
}

/// The front of each result: 0 if no result dominates it, 1 if only results of front 0 do, and so on (Deb et al. 2002).
pub fn fronts(scores: &[Vec<f64>]) -> Vec<usize> {
    let mut fronts = vec![usize::MAX; scores.len()];
    let mut left: Vec<usize> = (0..scores.len()).collect();
    let mut front = 0;
    while !left.is_empty() {
        let beaten = |at: usize| left.iter().any(|&other| dominates(&scores[other], &scores[at]));
        let (rest, best): (Vec<usize>, Vec<usize>) = left.iter().partition(|&&at| beaten(at));
        best.iter().for_each(|&at| fronts[at] = front);
        left = rest;
        front += 1;
    }
    fronts
}

/// A reference point worse than all of these in every goal: a tenth beyond the worst, as in Optuna.
pub fn reference(scores: &[Vec<f64>]) -> Vec<f64> {
    let goals = scores.first().map_or(0, Vec::len);
    let worst = |goal: usize| scores.iter().map(|score| score[goal]).fold(f64::NEG_INFINITY, f64::max);
    let beyond = |worst: f64| (1.1 * worst).max(0.9 * worst);
    (0..goals).map(worst).map(|worst| if worst == 0.0 { 1e-12 } else { beyond(worst) }).collect()
}

/// The volume dominated up to a reference point (Zitzler and Thiele 1998), by slices along the last goal.
pub fn hypervolume(scores: &[Vec<f64>], reference: &[f64]) -> f64 {
    let goals = reference.len();
    let inside = |score: &&Vec<f64>| score.iter().zip(reference).all(|(score, end)| score < end);
    let mut points: Vec<&Vec<f64>> = scores.iter().filter(inside).collect();
    if goals == 0 || points.is_empty() {
        return 0.0;
    }
    points.sort_by(|a, b| a[goals - 1].total_cmp(&b[goals - 1]));
    if goals == 1 {
        return reference[0] - points[0][0];
    }
    let mut volume = 0.0;
    for at in 0..points.len() {
        let end = points.get(at + 1).map_or(reference[goals - 1], |next| next[goals - 1]);
        let height = end - points[at][goals - 1];
        if height > 0.0 {
            let below: Vec<Vec<f64>> = points[..=at].iter().map(|point| point[..goals - 1].to_vec()).collect();
            volume += height * hypervolume(&below, &reference[..goals - 1]);
        }
    }
    volume
}

/// The `count` best results: whole fronts, and from the last one those that together dominate the largest volume, removed one by
/// one (Guerreiro et al. 2016; as in the multi-objective TPE of Ozaki et al. 2022).
pub fn best(scores: &[Vec<f64>], count: usize) -> Vec<usize> {
    let fronts = fronts(scores);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| fronts[a].cmp(&fronts[b]).then(a.cmp(&b)));
    let Some(&last) = order.get(count) else { return order };
    let last = fronts[last];
    let mut chosen: Vec<usize> = order.iter().copied().filter(|&at| fronts[at] < last).collect();
    let mut open: Vec<usize> = order.iter().copied().filter(|&at| fronts[at] == last).collect();
    let of = |which: &[usize]| which.iter().map(|&at| scores[at].clone()).collect::<Vec<_>>();
    let end = reference(&of(&open));
    let mut taken: Vec<Vec<f64>> = Vec::new();
    while chosen.len() < count && !open.is_empty() {
        let gain = |at: usize| {
            let with = [taken.clone(), vec![scores[at].clone()]].concat();
            hypervolume(&with, &end)
        };
        let gains: Vec<f64> = open.iter().map(|&at| gain(at)).collect();
        let by = |a: &usize, b: &usize| gains[*a].partial_cmp(&gains[*b]).unwrap_or(Ordering::Equal).then(b.cmp(a));
        let most = (0..open.len()).max_by(by).unwrap_or(0);
        let at = open.remove(most);
        taken.push(scores[at].clone());
        chosen.push(at);
    }
    chosen.sort_unstable();
    chosen
}
