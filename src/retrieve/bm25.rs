//! BM25 ranking (Robertson and Zaragoza 2009, "The probabilistic relevance framework: BM25 and beyond").

use super::terms::{count_of, lone, terms};
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;

/// Number of passages between two checks of the cancel flag.
const PART: usize = 1024;

/// The inverted index of a collection.
pub struct Bm25 {
    /// For each term the passages that contain it, in order, and the counts.
    postings: HashMap<String, Vec<(u32, u32)>>,
    /// Number of terms of each passage, repeats included.
    lengths: Vec<u32>,
    mean: f64,
    k1: f64,
    b: f64,
}

impl Bm25 {
    /// `k1`: the weight of repeated terms; `b`: the penalty of long passages.
    pub fn new<S: AsRef<str> + Sync>(texts: &[S], k1: f64, b: f64) -> Result<Bm25> {
        if !(k1 >= 0.0 && k1.is_finite()) {
            bail!("index", "k1 {k1} is not a number from 0 on");
        }
        if !(0.0..=1.0).contains(&b) {
            bail!("index", "b {b} is not between 0 and 1");
        }
        if texts.len() > u32::MAX as usize {
            bail!("index", "{} passages are more than an index holds", texts.len());
        }
        let mut postings: HashMap<String, Vec<(u32, u32)>> = HashMap::new();
        let mut lengths = Vec::with_capacity(texts.len());
        for (part, texts) in texts.chunks(PART).enumerate() {
            cancel::check()?;
            let counted: Vec<(u32, Vec<(String, u32)>)> = texts.par_iter().map(|text| counts(text.as_ref())).collect();
            for (at, (length, counts)) in counted.into_iter().enumerate() {
                for (term, count) in counts {
                    postings.entry(term).or_default().push(((part * PART + at) as u32, count));
                }
                lengths.push(length);
            }
        }
        let total: f64 = lengths.iter().map(|&length| f64::from(length)).sum();
        if total == 0.0 {
            return Err(Error::new("index", "no passage holds a word").help("an index needs text to look for"));
        }
        let mean = total / lengths.len() as f64;
        Ok(Bm25 { postings, lengths, mean, k1, b })
    }

    /// `k1` and `b`.
    pub fn settings(&self) -> (f64, f64) {
        (self.k1, self.b)
    }

    /// Number of distinct terms.
    pub fn terms(&self) -> usize {
        self.postings.len()
    }

    /// The score of every passage that shares a term with the query. `texts` are the passages.
    pub fn scores<S: AsRef<str> + Sync>(&self, query: &str, texts: &[S]) -> Vec<(usize, f64)> {
        let mut scores: HashMap<u32, f64> = HashMap::new();
        for term in terms(query) {
            // pairs do not locate a character that is searched for alone
            let found = match lone(&term) {
                Some(character) => Cow::Owned(holding(texts, character)),
                None => self.postings.get(&term).map_or_else(Cow::default, |found| Cow::Borrowed(found.as_slice())),
            };
            let weight = self.weight(found.len());
            for &(at, count) in found.iter() {
                let count = f64::from(count);
                let long = 1.0 - self.b + self.b * f64::from(self.lengths[at as usize]) / self.mean;
                *scores.entry(at).or_default() += weight * count * (self.k1 + 1.0) / (count + self.k1 * long);
            }
        }
        scores.into_iter().map(|(at, score)| (at as usize, score)).collect()
    }

    /// Inverse document frequency, never below 0, as in Lucene.
    fn weight(&self, holding: usize) -> f64 {
        let (all, holding) = (self.lengths.len() as f64, holding as f64);
        (1.0 + (all - holding + 0.5) / (holding + 0.5)).ln()
    }
}

/// The passages that contain a character, and the counts.
fn holding<S: AsRef<str> + Sync>(texts: &[S], character: char) -> Vec<(u32, u32)> {
    let count = |(at, text): (usize, &S)| (at as u32, count_of(text.as_ref(), character));
    texts.par_iter().enumerate().map(count).filter(|(_, count)| *count > 0).collect()
}

fn counts(text: &str) -> (u32, Vec<(String, u32)>) {
    let terms = terms(text);
    let length = terms.len() as u32;
    let mut counts: HashMap<String, u32> = HashMap::new();
    for term in terms {
        *counts.entry(term).or_default() += 1;
    }
    (length, counts.into_iter().collect())
}
