//! Ranking metrics: how well scores separate positive from negative items.

use crate::{Error, Result, bail};

/// Scores in descending order, ties grouped: the numbers of positive and negative items of each.
fn groups(scores: &[f64], positive: &[bool]) -> Vec<(u64, u64)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut groups: Vec<(u64, u64)> = Vec::new();
    let mut last = None;
    for at in order {
        // -0 and 0 are equal
        if last != Some(scores[at] + 0.0) {
            groups.push((0, 0));
            last = Some(scores[at] + 0.0);
        }
        if let Some((right, wrong)) = groups.last_mut() {
            if positive[at] { *right += 1 } else { *wrong += 1 }
        }
    }
    groups
}

/// Checks lengths, that every score is finite, and that both classes occur.
fn check(who: &str, scores: &[f64], positive: &[bool]) -> Result<()> {
    if scores.len() != positive.len() {
        bail!(who, "{} scores for {} expected", scores.len(), positive.len());
    }
    if scores.is_empty() {
        bail!(who, "the lists are empty");
    }
    if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
        bail!(who, "the score of item {at} is {}", scores[at]);
    }
    Ok(())
}

/// The area under the ROC curve: the probability that a positive item has a higher score than a negative one, ties counting half.
pub fn roc_auc(scores: &[f64], positive: &[bool]) -> Result<f64> {
    const WHO: &str = "roc_auc";
    check(WHO, scores, positive)?;
    let right = positive.iter().filter(|positive| **positive).count() as u64;
    let wrong = positive.len() as u64 - right;
    if right == 0 || wrong == 0 {
        let which = if right == 0 { "negative" } else { "positive" };
        return Err(Error::new(WHO, format!("all {} items are {which}: there is nothing to rank", positive.len()))
            .help("it takes items of both kinds"));
    }
    let (mut twice, mut below) = (0u64, wrong);
    for (positive, negative) in groups(scores, positive) {
        below -= negative;
        twice += positive * (2 * below + negative);
    }
    Ok(twice as f64 / (2.0 * right as f64 * wrong as f64))
}

/// The average precision over the ranks of the positive items: the sum of precision times the increase in recall, score by score.
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Result<f64> {
    const WHO: &str = "average_precision";
    check(WHO, scores, positive)?;
    let all = positive.iter().filter(|positive| **positive).count();
    if all == 0 {
        return Err(Error::new(WHO, format!("none of {} items is positive", positive.len()))
            .help("precision is that of positive items"));
    }
    let (mut right, mut seen, mut sum) = (0u64, 0u64, 0.0);
    for (positive, negative) in groups(scores, positive) {
        (right, seen) = (right + positive, seen + positive + negative);
        sum += positive as f64 / all as f64 * (right as f64 / seen as f64);
    }
    Ok(sum)
}

/// The threshold of one label with the best F1 among items with these scores, and that F1. An item counts as predicted if its
/// score is at least the threshold, which is midway between two scores; in a tie the highest is returned.
pub fn best_threshold(scores: &[f64], positive: &[bool]) -> Result<(f64, f64)> {
    const WHO: &str = "thresholds";
    check(WHO, scores, positive)?;
    let all = positive.iter().filter(|positive| **positive).count() as u64;
    if all == 0 {
        return Err(Error::new(WHO, format!("none of {} items is positive", positive.len()))
            .help("a threshold is learned from positive items"));
    }
    let mut values: Vec<f64> = scores.iter().map(|score| score + 0.0).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values.dedup();
    let (mut right, mut seen, mut best) = (0u64, 0u64, (f64::INFINITY, -1.0));
    for (at, (positive, negative)) in groups(scores, positive).into_iter().enumerate() {
        (right, seen) = (right + positive, seen + positive + negative);
        let f1 = 2.0 * right as f64 / (seen + all) as f64;
        if f1 > best.1 {
            let below = values.get(at + 1);
            best = (below.map_or(values[at], |below| (values[at] + below) / 2.0), f1);
        }
    }
    Ok(best)
}
