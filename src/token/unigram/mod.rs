//! Training of a Unigram language model (Kudo 2018, arXiv 1804.10959), by the steps of SentencePiece's trainer.
//!
//! Training starts with many candidates (`seeds`, from the sorted positions of the corpus in `suffixes`), and repeatedly removes
//! a quarter: those that contribute least to the likelihood of the corpus, with two steps of EM in between (`model`, over all
//! segmentations of each word in `lattice`). The last tenth is removed by score: held-out text is then more likely, though the
//! corpus is less so. SentencePiece does the same; here two steps of EM follow. Training is fast because no text is looked up:
//! each position of the corpus knows its longest token, and each token its next shorter prefix.
//!
//! Sums are over parts of the corpus that depend on it alone, in order: the same bits on any number of threads.

mod corpus;
mod lattice;
mod model;
mod seeds;
mod suffixes;

pub use corpus::Corpus;

use crate::Result;
use model::Model;
use std::collections::HashSet;

/// Share of tokens kept in each removal.
const SHRINK: f64 = 0.75;
/// Steps of EM before each removal, and at the end.
const STEPS: usize = 2;

/// Options of training.
pub struct UnigramLimits<'a> {
    /// Maximum number of tokens, including all letters.
    pub size: usize,
    /// Minimum occurrences of a token of several letters; at least 2.
    pub min_frequency: u64,
    /// Maximum token length in letters.
    pub max_token_length: usize,
    /// Texts that may not be tokens, since the vocabulary already has them.
    pub barred: HashSet<&'a str>,
}

/// Trains on a corpus. Returns tokens with the logarithms of their probabilities, the most probable first: fewer than `size` if
/// the corpus has no more candidates, and never fewer than its letters.
pub fn train(corpus: &Corpus, limits: &UnigramLimits) -> Result<Vec<(String, f64)>> {
    let seeds = seeds::find(corpus, limits.max_token_length.max(1), limits.min_frequency.max(2))?;
    let mut model = Model::new(corpus, seeds);
    model.bar(&limits.barred)?;
    let nearly = limits.size + limits.size / 10;
    loop {
        for _ in 0..STEPS {
            model.update(limits.size)?;
        }
        if model.len() <= limits.size {
            return Ok(model.into_tokens());
        }
        if model.len() <= nearly {
            model.keep_probable(limits.size)?;
        } else {
            model.prune(nearly.max((model.len() as f64 * SHRINK) as usize))?;
        }
    }
}
