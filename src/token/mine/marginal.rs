//! Selects terms one by one, each by its remaining savings after the previous ones.
//!
//! Lazy greedy selection (Minoux 1978): a term's savings can only decrease as others are taken, so a term whose updated value is
//! still the highest is the next.

use crate::token::engine::told;
use crate::token::mine::{Mined, WHO, inside_words};
use crate::token::{Tokenizer, script, words};
use crate::{Result, bail, cancel};
use aho_corasick::{AhoCorasick, MatchKind};
use rayon::prelude::*;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tokenizers::Model;

/// A term's position in the counted words.
struct Occurrence {
    word: u32,
    start: u32,
    end: u32,
}

/// A counted word as the start positions of its tokens.
struct MarginalWord {
    count: u64,
    borders: Vec<bool>,
}

impl MarginalWord {
    fn new(tokenizer: &Tokenizer, word: &str, count: u64) -> Result<MarginalWord> {
        let mut borders = vec![false; word.len() + 1];
        for token in tokenizer.engine().get_model().tokenize(word).map_err(told)? {
            borders[token.offsets.0.min(word.len())] = true;
        }
        borders[0] = true;
        borders[word.len()] = true;
        Ok(MarginalWord { count, borders })
    }

    /// Tokens saved when `start..end` becomes one: those inside, minus the cost of cutting through a token.
    fn saving(&self, start: usize, end: usize) -> i64 {
        let inside = self.borders[start + 1..end].iter().filter(|border| **border).count() as i64;
        inside - i64::from(!self.borders[start]) - i64::from(!self.borders[end])
    }

    fn join(&mut self, start: usize, end: usize) {
        self.borders[start + 1..end].fill(false);
        self.borders[start] = true;
        self.borders[end] = true;
    }
}

impl Mined {
    /// Computes the marginal savings of every term and keeps the first `count`; terms without savings, and terms that can't be
    /// one token, are dropped.
    pub fn choose_marginal(&mut self, tokenizer: &Tokenizer, counter: words::Counter, count: usize) -> Result<()> {
        let counted = counter.finish();
        let mut words: Vec<MarginalWord> = counted
            .par_iter()
            .map(|(word, count)| MarginalWord::new(tokenizer, &word, count))
            .collect::<Result<_>>()?;
        let places = self.places(tokenizer, &counted)?;
        let mut heap: BinaryHeap<(u64, Reverse<usize>)> =
            self.terms.iter().enumerate().map(|(at, _)| (saving(&places[at], &words), Reverse(at))).collect();
        let mut chosen = Vec::new();
        while let Some((value, Reverse(at))) = heap.pop() {
            if chosen.len() % 64 == 0 {
                cancel::check()?;
            }
            let now = saving(&places[at], &words);
            if now == 0 {
                self.redundant += 1;
                continue;
            }
            if now < value {
                heap.push((now, Reverse(at)));
                continue;
            }
            if chosen.len() == count {
                self.over_limit += 1 + heap.len();
                break;
            }
            for place in apart(&places[at]) {
                let (start, end) = (place.start as usize, place.end as usize);
                let word = &mut words[place.word as usize];
                if word.saving(start, end) > 0 {
                    word.join(start, end);
                }
            }
            self.terms[at].marginal = now;
            chosen.push(self.terms[at].clone());
        }
        self.terms = chosen;
        Ok(())
    }

    /// Every position of every term; in a script with spaces, only whole words.
    fn places(&self, tokenizer: &Tokenizer, counted: &words::CountedWords) -> Result<Vec<Vec<Occurrence>>> {
        let mut forms = Vec::new();
        let mut of = Vec::new();
        for (at, term) in self.terms.iter().enumerate() {
            for form in inside_words(tokenizer, &term.text) {
                forms.push(form);
                of.push((at, script::is_spaced(&term.text)));
            }
        }
        let mut places: Vec<Vec<Occurrence>> = self.terms.iter().map(|_| Vec::new()).collect();
        if forms.is_empty() {
            return Ok(places);
        }
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&forms).map_err(told)?;
        if counted.len() > u32::MAX as usize {
            bail!(WHO, "there are {} distinct words, more than can be held", counted.len());
        }
        let of_word = |(number, (word, _)): (usize, (Cow<str>, u64))| -> Vec<(usize, Occurrence)> {
            let found = automaton.find_overlapping_iter(&*word).filter_map(|found| {
                let (term, whole) = of[found.pattern().as_usize()];
                let fits = !whole || (found.start() == 0 && found.end() == word.len());
                let (start, end) = (found.start() as u32, found.end() as u32);
                fits.then_some((term, Occurrence { word: number as u32, start, end }))
            });
            found.collect()
        };
        let all: Vec<Vec<(usize, Occurrence)>> = counted.par_iter().enumerate().map(of_word).collect();
        for (term, place) in all.into_iter().flatten() {
            places[term].push(place);
        }
        Ok(places)
    }
}

/// Positions in word order, without those that overlap the previous one.
fn apart(places: &[Occurrence]) -> impl Iterator<Item = &Occurrence> {
    let mut last = (u32::MAX, 0);
    places.iter().filter(move |place| {
        let free = place.word != last.0 || place.start >= last.1;
        if free {
            last = (place.word, place.end);
        }
        free
    })
}

fn saving(places: &[Occurrence], words: &[MarginalWord]) -> u64 {
    let one = |place: &Occurrence| {
        let word = &words[place.word as usize];
        word.saving(place.start as usize, place.end as usize).max(0) as u64 * word.count
    };
    apart(places).map(one).sum()
}
