//! Words that come again and again.

use super::facts::Facts;
use crate::clean::near::together;
use crate::token::words::{FastMap, FastSet};

/// How often a sequence comes before it counts as one that comes again and again.
const OFTEN: usize = 3;

/// The sequence of `words` words that covers most of the text, of those that come again and again: where it begins, where it ends,
/// how often it comes, and the share of the text that it is.
pub fn top(facts: &Facts, words: usize) -> Option<(usize, usize, usize, f64)> {
    let ngram = facts.units_of_words(words);
    if facts.units.len() < ngram * 2 {
        return None;
    }
    // where the first begins, where the last ends, how often it comes
    let mut known: FastMap<u64, (usize, usize, usize)> =
        FastMap::with_capacity_and_hasher(facts.units.len(), Default::default());
    let mut hashes = vec![0; ngram];
    for at in 0..=facts.units.len() - ngram {
        facts.units[at..at + ngram].iter().zip(&mut hashes).for_each(|(unit, hash)| *hash = unit.hash);
        let (_, end, count) = known.entry(together(&hashes)).or_insert((at, 0, 0));
        // those that overlap are one: `a a a` has `a a` once
        if at >= *end {
            (*end, *count) = (at + ngram, *count + 1);
        }
    }
    let length = |first: usize| -> usize {
        facts.units[first..first + ngram].iter().map(|unit| (unit.end - unit.start) as usize).sum()
    };
    let all: usize = facts.units.iter().map(|unit| (unit.end - unit.start) as usize).sum();
    let again = known.values().filter(|(.., count)| *count >= OFTEN);
    // of equal ones the first, so that the order of the map does not count
    let (size, first, count) =
        again.map(|(first, _, count)| (length(*first) * count, usize::MAX - first, *count)).max()?;
    let first = usize::MAX - first;
    let (start, end) = (facts.units[first].start as usize, facts.units[first + ngram - 1].end as usize);
    Some((start, end, count, size as f64 / all.max(1) as f64))
}

/// The share of the text that is in sequences of `words` words which were there before.
pub fn duplicate(facts: &Facts, words: usize) -> Option<f64> {
    let ngram = facts.units_of_words(words);
    if facts.units.len() < ngram + 1 {
        return None;
    }
    let mut known = FastSet::with_capacity_and_hasher(facts.units.len(), Default::default());
    let mut hashes = vec![0; ngram];
    let size = |from: usize, to: usize| -> usize {
        facts.units[from..to].iter().map(|unit| (unit.end - unit.start) as usize).sum()
    };
    let (mut counted_to, mut again) = (0, 0);
    for at in 0..=facts.units.len() - ngram {
        facts.units[at..at + ngram].iter().zip(&mut hashes).for_each(|(unit, hash)| *hash = unit.hash);
        if !known.insert(together(&hashes)) {
            again += size(at.max(counted_to), at + ngram);
            counted_to = at + ngram;
        }
    }
    Some(again as f64 / size(0, facts.units.len()).max(1) as f64)
}
