//! Scores of items compared with earlier scores of the same items. As for times, the interval states the uncertainty and the
//! margin the smallest effect of interest: a whole interval below minus the margin is FAIL, one above it PASS, one that contains
//! it INCONCLUSIVE.

use super::Scored;
use super::decision::{Decision, Judged, judged};
use crate::measure::paired::{Paired, Scores};
use crate::measure::proportion::{mcnemar, paired_interval};
use crate::measure::statistics::Estimate;
use std::collections::BTreeMap;

/// Scores are equal if they differ by less than this, or by less than this share if above 1: the difference is rounding.
const EQUAL: f64 = 1e-9;
/// On another machine, a mean loss below this share of the mean score may be rounding.
const ROUNDING: f64 = 1e-3;

/// The scores of items present in both, old and new.
struct Pairs<'a> {
    items: Vec<(&'a str, f64, f64)>,
    /// Number of items in only one of them.
    alone: usize,
}

impl<'a> Pairs<'a> {
    fn of(case: &'a Scored, before: &BTreeMap<String, f64>) -> Pairs<'a> {
        let pair = |(item, new): &'a (String, f64)| before.get(item).map(|old| (item.as_str(), *old, *new));
        let items: Vec<_> = case.items.iter().filter_map(pair).collect();
        let alone = (case.items.len() - items.len()) + (before.len() - items.len().min(before.len()));
        Pairs { items, alone }
    }

    /// The gain of each item, 0 if its scores are equal.
    fn gains(&self, lower_is_better: bool) -> Vec<f64> {
        let toward = if lower_is_better { -1.0 } else { 1.0 };
        let gain = |(_, old, new): &(&str, f64, f64)| {
            if (new - old).abs() <= EQUAL * old.abs().max(1.0) { 0.0 } else { toward * (new - old) }
        };
        self.items.iter().map(gain).collect()
    }

    fn are_binary(&self) -> bool {
        self.items.iter().all(|(_, old, new)| [old, new].iter().all(|score| **score == 0.0 || **score == 1.0))
    }

    fn names(&self, gains: &[f64], is_meant: impl Fn(f64) -> bool) -> Vec<&'a str> {
        self.items.iter().zip(gains).filter(|(_, gain)| is_meant(**gain)).map(|(pair, _)| pair.0).collect()
    }
}

/// Judges the scores of a case against earlier scores of the same items, possibly from another machine.
pub fn judge(case: &Scored, before: &BTreeMap<String, f64>, elsewhere: bool) -> Judged {
    let pairs = Pairs::of(case, before);
    if pairs.items.is_empty() {
        return judged(Decision::Inconclusive, "no item is in the baseline");
    }
    let unpaired = if pairs.alone > 0 { format!("; {} items without a pair", pairs.alone) } else { String::new() };
    let gains = pairs.gains(case.lower_is_better);
    let (lost, won) = (pairs.names(&gains, |gain| gain < 0.0), pairs.names(&gains, |gain| gain > 0.0));
    if lost.is_empty() && won.is_empty() {
        let decision = if pairs.alone > 0 { Decision::Inconclusive } else { Decision::Pass };
        return judged(decision, format!("{} items equal{unpaired}", pairs.items.len()));
    }
    let counts = (won.len() as u64, lost.len() as u64);
    let binary = pairs.are_binary();
    let tail = format!("; lost {}, won {}{unpaired}", listed(&lost), listed(&won));
    let Some(gain) = interval(&gains, binary.then_some(counts), case.alpha) else {
        return judged(Decision::Inconclusive, format!("{}: one item gives no interval{tail}", signed(gains[0])));
    };
    let size = pairs.items.iter().map(|(_, old, _)| old.abs()).sum::<f64>() / gains.len() as f64;
    let (decision, why) = match () {
        () if gain.high < -case.margin && elsewhere && -gain.value <= ROUNDING * size => {
            (Decision::Inconclusive, ": the baseline's machine may round otherwise".to_string())
        }
        () if gain.high < -case.margin => (Decision::Fail, format!(": a loss of over {}", case.margin)),
        () if gain.low < -case.margin => (Decision::Inconclusive, format!(": the interval contains {}", -case.margin)),
        () if pairs.alone > 0 => (Decision::Inconclusive, String::new()),
        () => (Decision::Pass, String::new()),
    };
    let mut reason = format!("{} ({} … {}){why}", signed(gain.value), signed(gain.low), signed(gain.high));
    if binary {
        reason += &format!(", McNemar p {}", probability(mcnemar(counts.1, counts.0)));
    }
    reason.push_str(&tail);
    Judged { decision, reason, change: Some(gain) }
}

/// The mean gain, and its interval with `alpha` in each tail; for correct or wrong answers from the numbers won and lost. `None`
/// for one item, unless it is correct or wrong.
fn interval(gains: &[f64], flips: Option<(u64, u64)>, alpha: f64) -> Option<Estimate> {
    let level = 1.0 - 2.0 * alpha;
    let value = gains.iter().sum::<f64>() / gains.len() as f64;
    if let Some((won, lost)) = flips {
        let (low, high) = paired_interval(won, lost, gains.len() as u64, level);
        return Some(Estimate { value, low, high });
    }
    let (before, after) = ([vec![0.0; gains.len()]], [gains.to_vec()]);
    let scores = Scores { before: &before, after: &after, documents: None, denominators: None };
    let (low, high) = Paired::of(&scores).ok()?.interval(level);
    Some(Estimate { value, low, high })
}

/// Four decimal digits, or two significant ones for smaller numbers.
fn signed(value: f64) -> String {
    if value != 0.0 && value.abs() < 5e-5 { format!("{value:+.1e}") } else { format!("{value:+.4}") }
}

fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_string() } else { format!("{p:.3}") }
}

/// A count, and the first few by name.
fn listed(items: &[&str]) -> String {
    const SHOWN: usize = 8;
    let names = items.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match items.len() {
        0 => "0".to_string(),
        count if count > SHOWN => format!("{count} ({names}, …)"),
        count => format!("{count} ({names})"),
    }
}
