//! The first pass: counts units and runs of them, and selects candidates for the second pass.

use super::{MOST_CHARACTERS, MOST_UNITS, Mined, MinedTerm, Mining, WHO, is_joint};
use crate::token::mine::segment::Units;
use crate::token::words::{self, FastMap, in_tasks};
use crate::token::{Tokenizer, TokenizerKind, script};
use crate::{Error, Result, bail};
use rayon::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Copy, Default)]
struct Seen {
    count: u64,
    /// Occurrences that may have been dropped before.
    missed: u64,
    /// The ends of its units except the last, a byte each.
    cuts: u32,
}

/// The first pass.
pub struct Counting<'u, 'e> {
    units: &'u Units<'e>,
    mining: &'u Mining,
    seen: FastMap<Box<str>, Seen>,
    floor: u64,
    found: Mined,
}

#[derive(Default)]
struct PartialCounts<'t> {
    seen: FastMap<&'t str, Seen>,
    units: u64,
    long: u64,
}

impl<'u, 'e> Counting<'u, 'e> {
    pub fn new(units: &'u Units<'e>, mining: &'u Mining) -> Result<Counting<'u, 'e>> {
        if mining.max_ngram == 0 || mining.max_ngram > MOST_UNITS {
            bail!(WHO, "option `max_ngram` is {}: terms of 1 to {MOST_UNITS} units can be found", mining.max_ngram);
        }
        if mining.max_token_length == 0 || mining.max_token_length > MOST_CHARACTERS {
            bail!(
                WHO,
                "option `max_token_length` is {}: terms of 1 to {MOST_CHARACTERS} characters can be found",
                mining.max_token_length
            );
        }
        if mining.limit == 0 {
            bail!(WHO, "option `limit` is 0: no terms are wanted");
        }
        Ok(Counting { units, mining, seen: FastMap::default(), floor: 0, found: Mined::default() })
    }

    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<()> {
        let Counting { units, mining, seen, floor, found } = self;
        found.texts += texts.len() as u64;
        found.bytes += texts.iter().map(|text| text.as_ref().len() as u64).sum::<u64>();
        in_tasks(
            texts,
            |texts| count(units, mining, texts),
            |part| {
                found.units += part.units;
                found.long += part.long;
                for (term, new) in part.seen {
                    match seen.get_mut(term) {
                        Some(old) => old.add(new),
                        None => {
                            seen.insert(term.into(), Seen { missed: *floor, ..new });
                        }
                    }
                }
                while seen.len() > mining.capacity {
                    *floor += 1;
                    seen.retain(|_, one| one.count + one.missed > *floor);
                }
            },
        )
    }
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.count += other.count;
        // the same letters can be split in several ways: choose one independent of the order
        self.cuts = self.cuts.min(other.cuts);
    }
}

fn count<'t, S: AsRef<str>>(units: &Units, mining: &Mining, texts: &'t [S]) -> Result<PartialCounts<'t>> {
    let mut part = PartialCounts::default();
    let mut spans = Vec::new();
    for text in texts {
        let text = text.as_ref();
        units.cut(text, &mut spans)?;
        part.units += spans.len() as u64;
        for first in 0..spans.len() {
            let start = spans[first].0;
            let mut cuts = 0;
            for last in first..(first + mining.max_ngram).min(spans.len()) {
                if last > first {
                    if !is_joint(&text[spans[last - 1].1..spans[last].0]) {
                        break;
                    }
                    cuts |= ((spans[last - 1].1 - start).min(255) as u32) << (8 * (last - first - 1));
                }
                let term = &text[start..spans[last].1];
                if term.len() > mining.max_token_length && term.chars().count() > mining.max_token_length {
                    part.long += u64::from(last == first);
                    break;
                }
                let one = Seen { count: 1, missed: 0, cuts };
                part.seen.entry(term).and_modify(|seen| seen.add(one)).or_insert(one);
            }
        }
    }
    Ok(part)
}

/// Counts of some terms in other texts.
pub struct General<'u, 'e> {
    units: &'u Units<'e>,
    mining: &'u Mining,
    counts: FastMap<Box<str>, u64>,
    total: u64,
}

impl<'u, 'e> Counting<'u, 'e> {
    /// Counts the same terms in general texts.
    pub fn general(&self) -> General<'u, 'e> {
        let wanted = self.seen.iter().filter(|(_, seen)| seen.count >= self.mining.min_frequency);
        let counts = wanted.map(|(term, _)| (term.clone(), 0)).collect();
        General { units: self.units, mining: self.mining, counts, total: 0 }
    }

    /// Chooses the candidates for the second pass.
    pub fn choose(self, tokenizer: &Tokenizer, general: Option<General>) -> Result<Mined> {
        let Counting { units, mining, seen, mut found, floor } = self;
        if seen.is_empty() && found.long == 0 {
            return Err(Error::new(WHO, format!("there are no terms in the {} texts", found.texts))
                .help("look at the texts, and at what `units` (or `pattern`, `list`) takes for a unit"));
        }
        found.missed = floor;
        found.absent = units.listed().saturating_sub(seen.len());
        let total = found.units.max(1) as f64;
        let mut candidates: Vec<(&str, Seen)> = seen.iter().map(|(term, seen)| (&**term, *seen)).collect();
        candidates.retain(|(_, seen)| seen.count >= mining.min_frequency.max(1));
        found.rare = seen.len() - candidates.len();
        candidates.par_sort_unstable_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(b.0)));

        let written: Vec<Result<Written>> = candidates.par_iter().map(|(term, _)| written(tokenizer, term)).collect();
        let mut first: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut terms: Vec<MinedTerm> = Vec::new();
        for ((text, one), written) in candidates.into_iter().zip(written) {
            let written = written?;
            if text.chars().any(char::is_control) {
                found.control += 1;
                continue;
            }
            if written.ids.len() < 2 {
                found.whole += 1;
                continue;
            }
            // for a tokenizer that lowercases, `Patent` and `patent` are equal
            if let Some(at) = first.get(&written.ids) {
                let twin: &mut MinedTerm = &mut terms[*at];
                twin.count += one.count;
                twin.savings = twin.count * (twin.tokens as u64 - 1);
                found.duplicates += 1;
                continue;
            }
            let tokens = written.ids.len();
            first.insert(written.ids, terms.len());
            let weirdness = general.as_ref().map(|general| {
                let there = general.counts.get(text).copied().unwrap_or(0) as f64 + 1.0;
                (one.count as f64 / total) / (there / (general.total as f64 + 1.0))
            });
            terms.push(MinedTerm {
                text: text.to_string(),
                count: one.count,
                tokens,
                words: written.words,
                savings: one.count * (tokens as u64 - 1),
                weirdness,
                pmi: weakest_cut(text, one, &seen, total),
                ..MinedTerm::default()
            });
        }
        found.terms = terms;
        Ok(found)
    }
}

impl General<'_, '_> {
    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<()> {
        let General { units, mining, counts, total } = self;
        let free = Mining { max_token_length: MOST_CHARACTERS, ..**mining };
        in_tasks(
            texts,
            |texts| count(units, &free, texts),
            |part| {
                *total += part.units;
                for (term, seen) in part.seen {
                    if let Some(count) = counts.get_mut(term) {
                        *count += seen.count;
                    }
                }
            },
        )
    }
}

/// A tokenizer's current encoding of a term.
struct Written {
    ids: Vec<u32>,
    words: usize,
}

fn written(tokenizer: &Tokenizer, term: &str) -> Result<Written> {
    // in running text a word of a script with spaces follows one
    let spaced = script::is_spaced(term) && tokenizer.kind() == TokenizerKind::ByteLevel;
    let text = if spaced { format!(" {term}") } else { term.to_string() };
    let found = words::of_text(tokenizer, &text)?;
    let mut ids = tokenizer.ids(&text, false)?;
    // SentencePiece adds `▁` before a text: in running text it is the preceding space
    if ids.len() > 1 && !script::is_spaced(term) && ids.first().and_then(|id| tokenizer.token(*id)) == Some("▁") {
        ids.remove(0);
    }
    Ok(Written { ids, words: found.len() })
}

/// Pointwise mutual information of a term's parts at its weakest cut, in bits (Church and Hanks 1990; the minimum over cuts as in
/// finding new Chinese words).
fn weakest_cut(term: &str, one: Seen, seen: &FastMap<Box<str>, Seen>, total: f64) -> Option<f64> {
    let ends = (0..MOST_UNITS - 1).map(|at| (one.cuts >> (8 * at) & 0xff) as usize).take_while(|end| *end > 0);
    let probability = |part: &str| seen.get(part).map(|seen| seen.count as f64 / total);
    let cut = |end: usize| {
        let (left, right) = (term.get(..end)?, term.get(end..)?.trim_start_matches(' '));
        Some((one.count as f64 / total / (probability(left)? * probability(right)?)).log2())
    };
    ends.filter_map(cut).min_by(f64::total_cmp)
}
