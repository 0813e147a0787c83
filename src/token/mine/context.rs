//! The second pass: neighbors, texts and examples of the chosen terms.

use super::{Mined, MinedTerm, Mining, is_joint};
use crate::Result;
use crate::token::mine::segment::Units;
use crate::token::words::{self, FastMap, in_tasks};
use rayon::prelude::*;

/// The second pass: neighbors, texts and examples of the chosen terms.
pub struct ContextFinder<'u, 'e> {
    units: &'u Units<'e>,
    mining: &'u Mining,
    places: FastMap<Box<str>, u32>,
    /// Occurrences of each unit (by its hash) before (even) and after (odd) each term.
    beside: FastMap<(u32, u64), u64>,
    found: Mined,
}

#[derive(Default)]
struct TermContext {
    texts: FastMap<u32, u64>,
    beside: FastMap<(u32, u64), u64>,
    examples: Vec<(u32, String, String)>,
}

impl<'u, 'e> ContextFinder<'u, 'e> {
    pub fn new(units: &'u Units<'e>, mining: &'u Mining, found: Mined) -> ContextFinder<'u, 'e> {
        let place = |(at, term): (usize, &MinedTerm)| (Box::from(term.text.as_str()), at as u32);
        let places = found.terms.iter().enumerate().map(place).collect();
        ContextFinder { units, mining, places, beside: FastMap::default(), found }
    }

    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<()> {
        let ContextFinder { units, mining, places, beside, found } = self;
        in_tasks(
            texts,
            |texts| look(units, mining, places, texts),
            |part| {
                part.texts.into_iter().for_each(|(at, count)| found.terms[at as usize].texts += count);
                part.beside.into_iter().for_each(|(key, count)| *beside.entry(key).or_default() += count);
                for (at, before, after) in part.examples {
                    let examples = &mut found.terms[at as usize].examples;
                    if examples.len() < mining.examples {
                        examples.push((before, after));
                    }
                }
            },
        )
    }

    pub fn finish(self) -> Mined {
        let ContextFinder { beside, mut found, .. } = self;
        let mut counts: Vec<(u32, u64)> = beside.into_iter().map(|((side, _), count)| (side, count)).collect();
        counts.par_sort_unstable();
        for side in counts.chunk_by(|a, b| a.0 == b.0) {
            let total: u64 = side.iter().map(|(_, count)| count).sum();
            let share = |count: u64| count as f64 / total as f64;
            let entropy: f64 = side.iter().map(|(_, count)| -share(*count) * share(*count).log2()).sum();
            let term = &mut found.terms[side[0].0 as usize / 2];
            *(if side[0].0 % 2 == 0 { &mut term.left } else { &mut term.right }) = entropy.max(0.0);
        }
        found
    }
}

fn look<S: AsRef<str>>(
    units: &Units,
    mining: &Mining,
    places: &FastMap<Box<str>, u32>,
    texts: &[S],
) -> Result<TermContext> {
    let mut look = TermContext::default();
    let mut shown: FastMap<u32, usize> = FastMap::default();
    let mut spans = Vec::new();
    let mut here: Vec<u32> = Vec::new();
    for text in texts {
        let text = text.as_ref();
        units.cut(text, &mut spans)?;
        here.clear();
        for first in 0..spans.len() {
            for last in first..(first + mining.max_ngram).min(spans.len()) {
                if last > first && !is_joint(&text[spans[last - 1].1..spans[last].0]) {
                    break;
                }
                let (start, end) = (spans[first].0, spans[last].1);
                let Some(&at) = places.get(&text[start..end]) else { continue };
                here.push(at);
                let before = first.checked_sub(1).map(|at| spans[at]).filter(|span| is_joint(&text[span.1..start]));
                let after = spans.get(last + 1).filter(|span| is_joint(&text[end..span.0]));
                *look.beside.entry((2 * at, hash(before.map(|(a, b)| &text[a..b])))).or_default() += 1;
                *look.beside.entry((2 * at + 1, hash(after.map(|(a, b)| &text[*a..*b])))).or_default() += 1;
                let shown = shown.entry(at).or_default();
                if *shown < mining.examples {
                    *shown += 1;
                    look.examples.push((at, tail(&text[..start], mining.context), head(&text[end..], mining.context)));
                }
            }
        }
        here.sort_unstable();
        here.dedup();
        here.iter().for_each(|at| *look.texts.entry(*at).or_default() += 1);
    }
    Ok(look)
}

/// A border without a neighbor counts as a neighbor.
fn hash(neighbor: Option<&str>) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = words::FastBuildHasher::default().build_hasher();
    hasher.write(neighbor.unwrap_or_default().as_bytes());
    hasher.finish()
}

fn tail(text: &str, characters: usize) -> String {
    let from = text.char_indices().rev().take(characters).last().map_or(text.len(), |(at, _)| at);
    one_line(&text[from..])
}

fn head(text: &str, characters: usize) -> String {
    let to = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    one_line(&text[..to])
}

fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
