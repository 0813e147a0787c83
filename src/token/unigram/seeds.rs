//! The initial tokens: all letters, and repeated substrings that can't be extended without occurring less often.

use super::corpus::{Corpus, END};
use super::lattice::NONE;
use super::suffixes::{Suffixes, shared};
use crate::{Result, cancel, tasks};
use std::cmp::Reverse;

/// Maximum number of seeds besides the letters, as in SentencePiece.
const SEEDS: usize = 1_000_000;
/// Letters processed together: more than twice [`SEEDS`] seeds are pruned before the next letters.
const TOGETHER: usize = 128;

/// A candidate token.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    /// A position of the token.
    pub place: u32,
    pub length: u32,
    /// Its longest other prefix among the seeds, or [`NONE`]. It comes before this one.
    pub shorter: u32,
    /// Its count times its letters.
    pub gain: u64,
}

/// Seeds in alphabetical order, and for each position of the text the longest that starts there ([`NONE`] at ends of words).
pub struct Seeds {
    pub seeds: Vec<Seed>,
    pub longest: Vec<u32>,
}

/// A seed as a range of the sorted positions, all of which begin with it.
#[derive(Clone, Copy)]
struct Span {
    from: u32,
    to: u32,
    length: u32,
    gain: u64,
}

/// Finds seeds of at most `max_length` letters that occur at least `min_frequency` times.
pub fn find(corpus: &Corpus, max_length: usize, min_frequency: u64) -> Result<Seeds> {
    let suffixes = Suffixes::new(corpus, max_length + 1)?;
    let mut spans: Vec<Span> = Vec::new();
    let letters: Vec<usize> = (0..suffixes.letters.len()).collect();
    for some in letters.chunks(TOGETHER) {
        let of_letter = |_, letter: usize| {
            cancel::check().map(|()| of_letter(corpus, &suffixes, letter, max_length, min_frequency))
        };
        tasks::try_map(some.to_vec(), &of_letter)?.into_iter().for_each(|found| spans.extend(found));
        if spans.len() > 2 * SEEDS {
            best(&mut spans);
        }
    }
    best(&mut spans);
    spans.sort_unstable_by_key(|span| (span.from, span.length));
    Ok(nested(corpus, &suffixes, &spans))
}

/// Keeps the letters, and the other seeds that cover most letters of the corpus.
fn best(spans: &mut Vec<Span>) {
    let letters = spans.iter().filter(|span| span.length == 1).count();
    spans.sort_unstable_by_key(|span| (span.length > 1, Reverse(span.gain), span.from, span.length));
    spans.truncate(letters + SEEDS);
}

/// The seeds that begin with a letter. Positions with a common prefix are adjacent: a prefix is a seed if its positions differ in
/// the next letter, or end.
fn of_letter(corpus: &Corpus, suffixes: &Suffixes, letter: usize, max_length: usize, min_frequency: u64) -> Vec<Span> {
    let (range, text) = (suffixes.letters[letter].clone(), &corpus.text);
    let places = &suffixes.places[range.clone()];
    let mut before = vec![0u64];
    before.extend(places.iter().scan(0, |sum, place| {
        *sum += corpus.count(*place);
        Some(*sum)
    }));
    let mut found = Vec::new();
    let mut add = |length: usize, from: usize, to: usize| {
        let frequency = before[to] - before[from];
        if length == 1 || length <= max_length && frequency >= min_frequency {
            let [from, to] = [from, to].map(|at| (range.start + at) as u32);
            found.push(Span { from, to, length: length as u32, gain: frequency * length as u64 });
        }
    };
    let mut open = vec![(1, 0)];
    let mut last = 1;
    for at in 1..=places.len() {
        let next = places.get(at).map_or(0, |place| shared(text, places[at - 1], *place, max_length + 1));
        // the rest of a word, whose own repetitions are its next positions
        let rest =
            text[places[at - 1] as usize..].iter().take(max_length + 1).take_while(|letter| **letter != END).count();
        if rest > last.max(next) {
            add(rest, at - 1, at);
        }
        let mut from = at - 1;
        while let Some((length, start)) = open.pop_if(|(length, _)| *length > next) {
            add(length, start, at);
            from = start;
        }
        if open.last().is_none_or(|(length, _)| *length < next) {
            open.push((next, from));
        }
        last = next;
    }
    found
}

/// Finds the prefix of each seed, and the longest seed at each position. A seed's positions are among those of its prefixes.
fn nested(corpus: &Corpus, suffixes: &Suffixes, spans: &[Span]) -> Seeds {
    let mut seeds = Vec::with_capacity(spans.len());
    let mut longest = vec![NONE; corpus.text.len()];
    let mut open: Vec<u32> = Vec::new();
    let mut coming = spans.iter().peekable();
    for (at, place) in suffixes.places.iter().enumerate() {
        while open.pop_if(|seed| spans[*seed as usize].to as usize <= at).is_some() {}
        while let Some(span) = coming.next_if(|span| span.from as usize == at) {
            let shorter = open.last().copied().unwrap_or(NONE);
            open.push(seeds.len() as u32);
            seeds.push(Seed { place: *place, length: span.length, shorter, gain: span.gain });
        }
        longest[*place as usize] = open.last().copied().unwrap_or(NONE);
    }
    Seeds { seeds, longest }
}
