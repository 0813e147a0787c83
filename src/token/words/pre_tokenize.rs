//! The words of a text through the tokenizer's own normalizer and pre-tokenizer.

use crate::Result;
use crate::token::Tokenizer;
use crate::token::engine::{Engine, told};
use crate::token::words::split::Fast;
use tokenizers::models::ModelWrapper;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizer};

/// Splits by the engine's own normalizer and pre-tokenizer.
pub(super) fn pre_tokenize(engine: &Engine, text: &str, mut add: impl FnMut(&str)) -> Result<()> {
    let mut splits = engine.get_added_vocabulary().extract_and_normalize(engine.get_normalizer(), text);
    if let Some(pre) = engine.get_pre_tokenizer() {
        pre.pre_tokenize(&mut splits).map_err(told)?;
    }
    // SentencePiece's tokens: in bytes there is no `▁`, and BERT treats it as punctuation
    let spaces = matches!(engine.get_model(), ModelWrapper::BPE(_) | ModelWrapper::Unigram(_));
    for (word, _, tokens) in splits.get_splits(OffsetReferential::Normalized, OffsetType::None) {
        if tokens.is_none() && !word.is_empty() {
            if spaces { at_spaces(word, &mut add) } else { add(word) }
        }
    }
    Ok(())
}

/// SentencePiece's pre-tokenizer may leave a text whole: then a word begins at white space (`▁`).
fn at_spaces(text: &str, add: &mut impl FnMut(&str)) {
    let mut from = 0;
    let mut before = '▁';
    for (at, character) in text.char_indices() {
        if at > from && character == '▁' && before != '▁' {
            add(&text[from..at]);
            from = at;
        }
        before = character;
    }
    add(&text[from..]);
}

/// The words of one text, in order, as the model gets them.
pub fn of_text(tokenizer: &Tokenizer, text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    pre_tokenize(tokenizer.engine(), text, |word| words.push(word.to_string()))?;
    Ok(words)
}

/// The positions of a text's words, in bytes, without surrounding white space.
pub struct Spans<'e> {
    engine: &'e Engine,
    fast: Option<Fast>,
}

impl<'e> Spans<'e> {
    pub fn new(tokenizer: &'e Tokenizer) -> Spans<'e> {
        Spans { engine: tokenizer.engine(), fast: Fast::of(tokenizer.engine()) }
    }

    pub fn of(&self, text: &str, spans: &mut Vec<(usize, usize)>) -> Result<()> {
        if let Some(fast) = self.fast.filter(|fast| fast.fits(text)) {
            let mut at = 0;
            fast.words(text, |word| {
                push_trimmed(text, (at, at + word.len()), spans);
                at += word.len();
            });
            return Ok(());
        }
        let mut splits = self.engine.get_added_vocabulary().extract_and_normalize(self.engine.get_normalizer(), text);
        if let Some(pre) = self.engine.get_pre_tokenizer() {
            pre.pre_tokenize(&mut splits).map_err(told)?;
        }
        for (_, span, tokens) in splits.get_splits(OffsetReferential::Original, OffsetType::Byte) {
            if tokens.is_some() || text.get(span.0..span.1).is_none() {
                continue;
            }
            let mut at = span.0;
            // without a pre-tokenizer a word ends where white space begins
            for word in text[span.0..span.1].split_inclusive(char::is_whitespace) {
                push_trimmed(text, (at, at + word.len()), spans);
                at += word.len();
            }
        }
        Ok(())
    }
}

fn push_trimmed(text: &str, (start, end): (usize, usize), spans: &mut Vec<(usize, usize)>) {
    let word = &text[start..end];
    let kept = word.trim();
    if !kept.is_empty() {
        let start = start + word.len() - word.trim_start().len();
        spans.push((start, start + kept.len()));
    }
}
