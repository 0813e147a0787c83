//! The index: passages, searched by words or by vectors.

use super::{Bm25, Dense, PassageEncoder};
use crate::{Error, Result, bail};
use rayon::prelude::*;
use std::sync::Arc;

/// Passages to search. A value.
#[derive(Clone)]
pub struct Index(Arc<IndexInner>);

struct IndexInner {
    texts: Vec<String>,
    words: Bm25,
    dense: Option<Dense>,
}

/// Ranking method of passages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchMethod {
    Bm25,
    Dense,
    /// Both rankings, fused.
    Hybrid,
}

/// A search result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    pub row: usize,
    pub score: f64,
}

/// The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009).
const FUSION: f64 = 60.0;
/// Depth to which both rankings are fused.
const DEPTH: usize = 100;

impl Index {
    /// Indexes passages by their words and, with an encoder, by vectors.
    pub fn new(texts: Vec<String>, k1: f64, b: f64, reader: Option<PassageEncoder>) -> Result<Index> {
        if texts.is_empty() {
            return Err(Error::new("index", "there are no passages"));
        }
        let dense = reader.map(|reader| Dense::new(&texts, reader)).transpose()?;
        Index::of(texts, k1, b, dense)
    }

    /// Passages with existing vectors.
    pub(super) fn of(texts: Vec<String>, k1: f64, b: f64, dense: Option<Dense>) -> Result<Index> {
        let words = Bm25::new(&texts, k1, b)?;
        Ok(Index(Arc::new(IndexInner { texts, words, dense })))
    }

    pub(super) fn dense(&self) -> Option<&Dense> {
        self.0.dense.as_ref()
    }

    /// BM25's `k1` and `b`.
    pub(super) fn settings(&self) -> (f64, f64) {
        self.0.words.settings()
    }

    pub fn len(&self) -> usize {
        self.0.texts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.texts.is_empty()
    }

    pub fn text(&self, row: usize) -> &str {
        &self.0.texts[row]
    }

    /// Number of distinct terms of the passages.
    pub fn terms(&self) -> usize {
        self.0.words.terms()
    }

    /// Length of a vector, if there are vectors.
    pub fn hidden(&self) -> Option<usize> {
        self.0.dense.as_ref().map(Dense::hidden)
    }

    /// The best `count` passages for each query, best first; of equals the earlier one. A word search only finds passages that
    /// share a word with the query.
    pub fn search<S: AsRef<str> + Sync>(
        &self,
        queries: &[S],
        count: usize,
        method: SearchMethod,
    ) -> Result<Vec<Vec<Hit>>> {
        let words = |count: usize| -> Vec<Vec<Hit>> {
            queries.par_iter().map(|query| best(self.0.words.scores(query.as_ref(), &self.0.texts), count)).collect()
        };
        if method == SearchMethod::Bm25 {
            return Ok(words(count));
        }
        let Some(dense) = &self.0.dense else {
            let error = Error::new("search", "this index has no vectors");
            return Err(error.help("make it with `index(texts, #{ model: net, tokenizer: tok })`"));
        };
        if let Some(at) = queries.iter().position(|query| query.as_ref().trim().is_empty()) {
            bail!("search", "query {at} is empty");
        }
        let near = |count: usize| -> Result<Vec<Vec<Hit>>> {
            Ok(dense.scores(queries)?.into_iter().map(|scores| best(scores, count)).collect())
        };
        if method == SearchMethod::Dense {
            return near(count);
        }
        let depth = DEPTH.max(count);
        let fused = words(depth).into_iter().zip(near(depth)?).map(|(a, b)| best(fuse(&[a, b]), count));
        Ok(fused.collect())
    }
}

/// Reciprocal rank fusion: the sum over rankings of 1 / (60 + rank), ranks counted from 1.
fn fuse(rankings: &[Vec<Hit>]) -> Vec<(usize, f64)> {
    let mut scores = std::collections::HashMap::new();
    for ranking in rankings {
        for (place, hit) in ranking.iter().enumerate() {
            *scores.entry(hit.row).or_insert(0.0) += 1.0 / (FUSION + 1.0 + place as f64);
        }
    }
    scores.into_iter().collect()
}

fn best(mut scores: Vec<(usize, f64)>, count: usize) -> Vec<Hit> {
    // NaN scores come last
    let score = |score: f64| if score.is_nan() { f64::NEG_INFINITY } else { score };
    let order = |a: &(usize, f64), b: &(usize, f64)| score(b.1).total_cmp(&score(a.1)).then(a.0.cmp(&b.0));
    if count < scores.len() && count > 0 {
        scores.select_nth_unstable_by(count - 1, order);
    }
    scores.truncate(count);
    scores.sort_unstable_by(order);
    scores.into_iter().map(|(row, score)| Hit { row, score }).collect()
}
