//! An index from pairs of neighboring tokens to the words that contain them.

use crate::Result;
use crate::cancel::{self, Cancel};
use crate::token::bpe::merges::pair;
use crate::token::words::FastMap;
use rayon::prelude::*;
use std::ops::Range;

/// Two ids: the left one in the upper half.
pub type Pair = u64;

/// Segmented words, all in one vector, with their counts.
#[derive(Default)]
pub struct Corpus {
    symbols: Vec<u32>,
    words: Vec<SegmentedWord>,
}

struct SegmentedWord {
    start: usize,
    length: u32,
    count: u64,
}

impl Corpus {
    /// Adds a word; a single token has nothing to merge.
    pub fn push(&mut self, ids: &[u32], count: u64) {
        if ids.len() > 1 {
            self.words.push(SegmentedWord { start: self.symbols.len(), length: ids.len() as u32, count });
            self.symbols.extend_from_slice(ids);
        }
    }

    pub fn count(&self, at: usize) -> i64 {
        self.words[at].count as i64
    }

    fn word(&self, at: usize) -> &[u32] {
        let word = &self.words[at];
        &self.symbols[word.start..word.start + word.length as usize]
    }

    pub fn word_mut(&mut self, at: usize) -> &mut [u32] {
        let word = &self.words[at];
        &mut self.symbols[word.start..word.start + word.length as usize]
    }

    /// Shortens a word.
    pub fn shorten(&mut self, at: usize, length: usize) {
        self.words[at].length = length as u32;
    }
}

/// The count of a pair, and the words that may contain it.
#[derive(Default)]
pub struct Stat {
    pub count: i64,
    pub places: Places,
}

impl Stat {
    pub fn add(&mut self, count: i64, word: usize) {
        self.count += count;
        self.places.push(word);
    }
}

/// Ascending numbers, delta-encoded in seven bits per byte: usually one byte each.
#[derive(Default)]
pub struct Places {
    bytes: Vec<u8>,
    /// The last number plus one; 0 if empty.
    next: usize,
}

impl Places {
    /// Adds a number, unless it equals the last.
    pub fn push(&mut self, place: usize) {
        if place + 1 == self.next {
            return;
        }
        let mut distance = place - self.next.saturating_sub(1);
        while distance >= 0x80 {
            self.bytes.push(distance as u8 | 0x80);
            distance >>= 7;
        }
        self.bytes.push(distance as u8);
        self.next = place + 1;
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let mut bytes = self.bytes.iter();
        let mut place = 0;
        std::iter::from_fn(move || {
            let (mut distance, mut shift) = (0, 0);
            loop {
                let byte = usize::from(*bytes.next()?);
                distance |= (byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    place += distance;
                    return Some(place);
                }
            }
        })
    }
}

/// Pairs that occur at least `floor` times, and their words.
pub struct Frequent {
    pub floor: i64,
    pub stats: Vec<(Pair, Stat)>,
}

/// The most frequent pairs with counts in `counts`: `number` of them and any ties with the last; all if there are fewer.
pub fn frequent(corpus: &Corpus, counts: Range<i64>, number: usize) -> Result<Frequent> {
    let cancel = cancel::current();
    // every thread scans all words, and counts its share of the pairs: no results have to be combined
    let shares = rayon::current_num_threads().max(1) as u64;
    let counted: Vec<FastMap<Pair, i64>> = (0..shares)
        .into_par_iter()
        .map(|share| {
            let mut counted: FastMap<Pair, i64> = FastMap::default();
            pairs(corpus, &cancel, |pair, word| {
                if share_of(pair, shares) == share {
                    *counted.entry(pair).or_default() += corpus.count(word);
                }
            })?;
            counted.retain(|_, count| counts.contains(count));
            Ok(counted)
        })
        .collect::<Result<_>>()?;
    let mut all: Vec<i64> = counted.iter().flat_map(|counted| counted.values().copied()).collect();
    let floor = match all.len() > number {
        true => *all.select_nth_unstable_by(number - 1, |a, b| b.cmp(a)).1,
        false => counts.start,
    };
    drop(all);
    let listed: Vec<FastMap<Pair, Stat>> = counted
        .into_par_iter()
        .map(|counted| {
            let kept = counted.into_iter().filter(|(_, count)| *count >= floor);
            let mut stats: FastMap<Pair, Stat> =
                kept.map(|(pair, count)| (pair, Stat { count, places: Places::default() })).collect();
            pairs(corpus, &cancel, |pair, word| {
                if let Some(stat) = stats.get_mut(&pair) {
                    stat.places.push(word);
                }
            })?;
            stats.values_mut().for_each(|stat| stat.places.bytes.shrink_to_fit());
            Ok(stats)
        })
        .collect::<Result<_>>()?;
    Ok(Frequent { floor, stats: listed.into_iter().flatten().collect() })
}

/// The share of a pair: determined by both halves, and not by the bits used in its hash.
fn share_of(pair: Pair, shares: u64) -> u64 {
    ((pair ^ (pair >> 32)).wrapping_mul(0xff51_afd7_ed55_8ccd) >> 32) % shares
}

/// Visits every pair of neighbors in every word, with the index of the word.
fn pairs(corpus: &Corpus, cancel: &Cancel, mut each: impl FnMut(Pair, usize)) -> Result<()> {
    for at in 0..corpus.words.len() {
        if at % 65_536 == 0 && cancel.is_requested() {
            return Err(cancel.error());
        }
        corpus.word(at).windows(2).for_each(|two| each(pair(two[0], two[1]), at));
    }
    Ok(())
}
