//! Selects words to add as whole entries: those with unknown tokens, then those with the most subtokens.

use crate::token::Tokenizer;
use crate::token::engine::told;
use crate::token::words::{CountedWords, Counter};
use crate::{Result, cancel};
use rayon::prelude::*;
use std::cmp::Reverse;
use tokenizers::Model;

/// A word that is not yet one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpelledWord {
    pub word: String,
    pub count: u64,
    /// Number of tokens that encode it.
    pub tokens: usize,
    /// Whether the unknown token is among them: its text is lost.
    pub is_unknown: bool,
}

impl Tokenizer {
    /// The words of counted texts that are not one entry, at most `limit`: unknown ones first, by count, then those with letters
    /// by the tokens that an entry would save. Ties are in alphabetical order.
    pub fn spelled_words(
        &self,
        counter: Counter,
        limit: usize,
        min_frequency: u64,
        max_token_length: usize,
    ) -> Result<Vec<SpelledWord>> {
        cancel::check()?;
        let words: CountedWords = counter.finish();
        let spelled = |(word, count): (std::borrow::Cow<str>, u64)| self.spelled(&word, count);
        let found = words.par_iter().filter(|(_, count)| *count >= min_frequency).map(spelled);
        let mut found: Vec<SpelledWord> = found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        found.retain(|one| one.word.chars().count() <= max_token_length);
        found.sort_by_cached_key(|one| (!one.is_unknown, Reverse(one.saved()), one.word.clone()));
        found.truncate(limit);
        Ok(found)
    }

    /// A word with its tokens, unless it is one entry, or is known and has no letter.
    fn spelled(&self, form: &str, count: u64) -> Result<Option<SpelledWord>> {
        let tokens = self.engine().get_model().tokenize(form).map_err(told)?;
        let is_unknown = tokens.iter().any(|token| Some(token.id) == self.unk());
        let word = form.trim_start_matches('▁');
        if word.is_empty() || !is_unknown && (tokens.len() < 2 || !word.chars().any(char::is_alphabetic)) {
            return Ok(None);
        }
        Ok(Some(SpelledWord { word: word.into(), count, tokens: tokens.len(), is_unknown }))
    }
}

impl SpelledWord {
    /// Tokens saved by an entry for it; for an unknown word, its number of occurrences.
    fn saved(&self) -> u64 {
        if self.is_unknown { self.count } else { self.count * (self.tokens as u64 - 1) }
    }
}
