//! Training of a Unigram language model (Kudo 2018, arXiv 1804.10959), by the steps of SentencePiece's trainer.
//!
//! Training begins with many candidates (`seeds`, of the sorted places of the corpus in `suffixes`), and leaves out a quarter at a time of those that the likelihood of the
//! corpus needs least, with two steps of EM in between (`model`, over all cuts of each word in `lattice`). The last tenth goes by score: held-out text is then likelier,
//! though the corpus is less. SentencePiece does so too; here two steps of EM follow. What makes it fast is that no text is looked up:
//! each place of the corpus knows its longest token, and each token the next shorter one that it begins with.
//!
//! Sums are over parts of the corpus that depend on it alone, in their order: the same bits on any number of threads.

mod corpus;
mod lattice;
mod model;
mod seeds;
mod suffixes;

pub use corpus::Corpus;

use crate::Result;
use model::Model;
use std::collections::HashSet;

/// How much stays when tokens are left out.
const SHRINK: f64 = 0.75;
/// Steps of EM before tokens are left out, and at the end.
const STEPS: usize = 2;

/// What is trained.
pub struct UnigramLimits<'a> {
    /// Tokens at most, all letters among them.
    pub size: usize,
    /// How often a token of several letters must occur; 2 is the least.
    pub min_frequency: u64,
    /// Longest token, in letters.
    pub max_token_length: usize,
    /// Texts that are no tokens, since the vocabulary has them already.
    pub barred: HashSet<&'a str>,
}

/// Trains on a corpus. Returns tokens with the logarithms of their probabilities, the most probable first. There are fewer than `size` where the
/// corpus has no more candidates, and never fewer than it has letters.
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
