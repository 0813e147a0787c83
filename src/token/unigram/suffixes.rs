//! The positions of a corpus sorted by the following text, up to the maximum token length: a suffix array (Manber and Myers 1993)
//! whose suffixes end with their word.

use super::corpus::{Corpus, END};
use crate::cancel::Pace;
use crate::{Result, cancel, tasks};
use std::cmp::Ordering;
use std::ops::Range;

/// Bits of a letter number: enough for all of Unicode.
const BITS: u32 = 21;

pub struct Suffixes {
    /// Positions in [`Corpus::text`]; those with equal letters over `reach` positions keep their order.
    pub places: Vec<u32>,
    /// The range of each letter's positions.
    pub letters: Vec<Range<usize>>,
}

impl Suffixes {
    /// Sorts the positions of all letters by the next `reach` letters of their words.
    pub fn new(corpus: &Corpus, reach: usize) -> Result<Suffixes> {
        let (mut places, letters) = by_letter(corpus);
        let mut rest = places.as_mut_slice();
        let mut slices = Vec::with_capacity(letters.len());
        for range in &letters {
            let (slice, after) = rest.split_at_mut(range.len());
            slices.push(slice);
            rest = after;
        }
        tasks::try_map(slices, &|_, slice| cancel::stoppable(|| sort(&corpus.text, slice, reach)))?;
        Ok(Suffixes { places, letters })
    }
}

/// All positions by letter, in corpus order.
fn by_letter(corpus: &Corpus) -> (Vec<u32>, Vec<Range<usize>>) {
    let mut ends = vec![0usize; corpus.letters.len() + 1];
    corpus.text.iter().filter(|letter| **letter != END).for_each(|letter| ends[*letter as usize] += 1);
    let mut total = 0;
    let ranges: Vec<Range<usize>> = ends[1..]
        .iter()
        .map(|count| {
            total += count;
            total - count..total
        })
        .collect();
    let mut places = vec![0u32; total];
    let mut next: Vec<usize> = ranges.iter().map(|range| range.start).collect();
    for (place, letter) in corpus.text.iter().enumerate().filter(|(_, letter)| **letter != END) {
        let next = &mut next[*letter as usize - 1];
        places[*next] = place as u32;
        *next += 1;
    }
    (places, ranges)
}

/// Sorts the positions of one letter.
fn sort(text: &[u32], places: &mut [u32], reach: usize) {
    let pace = Pace::default();
    // compare three more letters at once, and only then one by one
    let mut keyed: Vec<(u64, u32)> = places.iter().map(|place| (key(text, *place), *place)).collect();
    keyed.sort_unstable_by(|(one, a), (two, b)| {
        pace.step();
        one.cmp(two).then_with(|| compare(text, *a, *b, reach)).then_with(|| a.cmp(b))
    });
    places.iter_mut().zip(keyed).for_each(|(place, (_, sorted))| *place = sorted);
}

/// The three letters after a position, as far as its word goes.
fn key(text: &[u32], place: u32) -> u64 {
    let (mut key, mut at) = (0, place as usize);
    for _ in 0..3 {
        at += usize::from(text[at] != END);
        key = key << BITS | u64::from(text[at]);
    }
    key
}

/// Compares the text after the first four letters of two positions that share these.
fn compare(text: &[u32], a: u32, b: u32, reach: usize) -> Ordering {
    let common = shared(text, a, b, reach);
    if common == reach { Ordering::Equal } else { text[a as usize + common].cmp(&text[b as usize + common]) }
}

/// Length of the common prefix of two positions within their words, at most `reach`.
pub fn shared(text: &[u32], a: u32, b: u32, reach: usize) -> usize {
    let letters = |place: u32| text[place as usize..].iter().take(reach);
    letters(a).zip(letters(b)).take_while(|(one, two)| one == two && **one != END).count()
}
