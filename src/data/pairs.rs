//! Pairs of neighboring parts of documents, and whether the second follows the first: BERT's second pre-training task (Devlin et
//! al. 2019, `create_pretraining_data.py`), and ALBERT's (Lan et al. 2020), whose negative pairs are swapped.

use crate::tensor::Rng;
use crate::token::Tokenizer;
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

const WHO: &str = "sentence_pairs";

/// The task of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairKind {
    /// Whether the second part follows, or is from another document.
    Next,
    /// Whether the parts are in order.
    Order,
}

#[derive(Clone, Copy, Debug)]
pub struct PairPlan {
    pub kind: PairKind,
    /// Target number of tokens of both parts.
    pub tokens: usize,
    /// The share of shortened pairs, whose length is drawn between 2 and `tokens`.
    pub short: f64,
    pub seed: u64,
}

/// Two parts of documents. Class 0: the second follows the first, or they are in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentencePair {
    pub first: String,
    pub second: String,
    pub class: u8,
    /// The index of the first part's document.
    pub document: usize,
}

/// A document as sentences: their positions in the text, and their numbers of tokens.
struct Sentences<'t> {
    text: &'t str,
    all: Vec<(usize, usize, usize)>,
}

impl<'t> Sentences<'t> {
    /// Sentences end with their line, or by Unicode's rules (UAX #29).
    fn of(text: &'t str, tokenizer: &Tokenizer) -> Result<Sentences<'t>> {
        let mut all = Vec::new();
        for (at, line) in lines(text) {
            for (from, sentence) in line.split_sentence_bound_indices() {
                let start = at + from + (sentence.len() - sentence.trim_start().len());
                let tokens = tokenizer.ids(sentence.trim(), false)?.len();
                if tokens > 0 {
                    all.push((start, start + sentence.trim().len(), tokens));
                }
            }
        }
        Ok(Sentences { text, all })
    }

    fn tokens(&self, from: usize, to: usize) -> usize {
        self.all[from..to].iter().map(|sentence| sentence.2).sum()
    }

    /// The text from one sentence up to another, excluded.
    fn part(&self, from: usize, to: usize) -> String {
        self.text[self.all[from].0..self.all[to - 1].1].into()
    }

    /// The end of a part that begins here and has this many tokens, or all that remain.
    fn end(&self, from: usize, tokens: usize) -> usize {
        let mut sum = 0;
        let reached = |at: &usize| {
            sum += self.all[*at].2;
            sum >= tokens
        };
        (from..self.all.len()).find(reached).map_or(self.all.len(), |last| last + 1)
    }
}

/// The lines of a text, with their starts.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line)
    })
}

/// The pairs of all documents, in order.
pub fn sentence_pairs(documents: &[String], tokenizer: &Tokenizer, plan: &PairPlan) -> Result<Vec<SentencePair>> {
    if plan.tokens < 2 {
        bail!(WHO, "a pair of {} tokens has no two parts", plan.tokens);
    }
    if !(0.0..=1.0).contains(&plan.short) {
        bail!(WHO, "`short_seq_prob` is {}, and a probability is from 0 to 1", plan.short);
    }
    cancel::check()?;
    let all = documents.par_iter().map(|text| Sentences::of(text, tokenizer)).collect::<Result<Vec<Sentences>>>()?;
    let full: Vec<usize> = (0..all.len()).filter(|&at| !all[at].all.is_empty()).collect();
    if plan.kind == PairKind::Next && full.len() < 2 {
        return Err(Error::new(
            WHO,
            format!("{} documents with a sentence: a second part that does not follow is of another", full.len()),
        )
        .help("give more documents, or `kind: \"order\"`"));
    }
    let rng = Rng::new(plan.seed).split("pairs");
    let maker = Maker { all: &all, full: &full, plan };
    let pairs: Vec<Vec<SentencePair>> =
        full.par_iter().map(|&document| maker.pairs_of(document, rng.split(document as u64))).collect();
    let pairs = pairs.concat();
    if pairs.is_empty() {
        return Err(Error::new(WHO, "no document has two sentences")
            .help("a document is the text of a row, or of all rows with equal values in the field `group`"));
    }
    Ok(pairs)
}

struct Maker<'a> {
    all: &'a [Sentences<'a>],
    /// The documents with at least one sentence.
    full: &'a [usize],
    plan: &'a PairPlan,
}

impl Maker<'_> {
    /// Goes through a document part by part; sentences unused by a pair begin the next one.
    fn pairs_of(&self, document: usize, mut rng: Rng) -> Vec<SentencePair> {
        let own = &self.all[document];
        let mut pairs = Vec::new();
        let mut start = 0;
        while start < own.all.len() {
            let is_short = rng.uniform() < self.plan.short;
            let tokens = if is_short { 2 + rng.below(self.plan.tokens as u64 - 1) as usize } else { self.plan.tokens };
            let end = own.end(start, tokens);
            let (pair, next) = match self.plan.kind {
                PairKind::Next => self.next(document, start, end, tokens, &mut rng),
                PairKind::Order => (order(own, start, end, &mut rng), end),
            };
            pairs.extend(pair.map(|(first, second, class)| SentencePair { first, second, class, document }));
            start = next;
        }
        pairs
    }

    /// A pair from the sentences `start` to `end`, and the start of the next one.
    fn next(&self, document: usize, start: usize, end: usize, tokens: usize, rng: &mut Rng) -> (Option<Parts>, usize) {
        let own = &self.all[document];
        let middle = if end - start > 1 { start + 1 + rng.below((end - start - 1) as u64) as usize } else { end };
        let first = own.part(start, middle);
        if middle < end && rng.uniform() >= 0.5 {
            return (Some((first, own.part(middle, end), 0)), end);
        }
        // any document except this one
        let drawn = rng.below(self.full.len() as u64 - 1) as usize;
        let before = self.full.partition_point(|&other| other < document);
        let other = &self.all[self.full[drawn + usize::from(drawn >= before)]];
        let from = rng.below(other.all.len() as u64) as usize;
        let room = tokens.saturating_sub(own.tokens(start, middle)).max(1);
        (Some((first, other.part(from, other.end(from, room)), 1)), middle)
    }
}

type Parts = (String, String, u8);

/// Two parts in order, or swapped.
fn order(own: &Sentences, start: usize, end: usize, rng: &mut Rng) -> Option<Parts> {
    if end - start < 2 {
        return None;
    }
    let middle = start + 1 + rng.below((end - start - 1) as u64) as usize;
    let (first, second) = (own.part(start, middle), own.part(middle, end));
    Some(if rng.uniform() < 0.5 { (first, second, 0) } else { (second, first, 1) })
}
