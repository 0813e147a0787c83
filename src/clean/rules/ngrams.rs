//! Repeated sequences of words.

use super::facts::Facts;
use crate::clean::near::together;
use crate::token::words::{FastMap, FastSet};

/// Minimum number of occurrences of a repeated sequence.
const OFTEN: usize = 3;

/// The repeated sequence of `words` words that covers most of the text: where it begins and ends, its number of occurrences, and
/// its share of the text.
pub fn top(facts: &Facts, words: usize) -> Option<(usize, usize, usize, f64)> {
    let ngram = facts.units_of_words(words);
    if facts.units.len() < ngram * 2 {
        return None;
    }
    // where the first begins, where the last ends, the number of occurrences
    let mut known: FastMap<u64, (usize, usize, usize)> =
        FastMap::with_capacity_and_hasher(facts.units.len(), Default::default());
    let mut hashes = vec![0; ngram];
    for at in 0..=facts.units.len() - ngram {
        facts.units[at..at + ngram].iter().zip(&mut hashes).for_each(|(unit, hash)| *hash = unit.hash);
        let (_, end, count) = known.entry(together(&hashes)).or_insert((at, 0, 0));
        // overlapping ones count once: `a a a` has `a a` once
        if at >= *end {
            (*end, *count) = (at + ngram, *count + 1);
        }
    }
    let length = |first: usize| -> usize {
        facts.units[first..first + ngram].iter().map(|unit| (unit.end - unit.start) as usize).sum()
    };
    let all: usize = facts.units.iter().map(|unit| (unit.end - unit.start) as usize).sum();
    let again = known.values().filter(|(.., count)| *count >= OFTEN);
    // of equal ones the first, so that the order of the map does not matter
    let (size, first, count) =
        again.map(|(first, _, count)| (length(*first) * count, usize::MAX - first, *count)).max()?;
    let first = usize::MAX - first;
    let (start, end) = (facts.units[first].start as usize, facts.units[first + ngram - 1].end as usize);
    Some((start, end, count, size as f64 / all.max(1) as f64))
}

/// The share of the text in repeated sequences of `words` words.
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
