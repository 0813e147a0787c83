//! How often each word occurs: the words between which no piece may lie.

use crate::token::Tokenizer;
use crate::token::alphabet;
use crate::token::engine::{Engine, told};
use crate::token::split::Fast;
use crate::{Result, cancel};
use rayon::prelude::*;
use std::collections::HashMap;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizer};

/// A quick hash for keys that nobody chooses to hurt us.
#[derive(Clone, Copy, Default)]
pub struct Quick(u64);

pub type QuickBuild = std::hash::BuildHasherDefault<Quick>;
pub type QuickMap<K, V> = HashMap<K, V, QuickBuild>;

impl Quick {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0.rotate_left(23) ^ word) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl std::hash::Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        let mut word = [0; 8];
        word[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        self.mix(u64::from_le_bytes(word) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Texts that one task takes, in bytes: enough to be worth a task, few enough to be interrupted soon.
const TASK: usize = 4 << 20;

/// All words of the texts in the form in which the model gets them (byte-level: in the byte alphabet), with
/// their counts, sorted. Added tokens are no words. The same for any number of threads.
pub fn count<S: AsRef<str> + Sync>(tokenizer: &Tokenizer, texts: &[S]) -> Result<Vec<(String, u64)>> {
    let engine = tokenizer.engine();
    let fast = Fast::of(engine);
    let added: Vec<String> = engine.get_added_tokens_decoder().into_values().map(|token| token.content).collect();
    let fast = fast.filter(|_| added.len() <= 128);
    let cancel = cancel::current();

    let parts: Vec<Result<Part>> = tasks(texts)
        .into_par_iter()
        .map(|texts| {
            if cancel.is_requested() {
                return Err(crate::Error::interrupted());
            }
            let mut part = Part::default();
            for text in texts {
                let text = text.as_ref();
                match fast {
                    Some(fast) if fast.fits(text) && !added.iter().any(|token| text.contains(token.as_str())) => {
                        fast.words(text, |word| *part.slices.entry(word).or_default() += 1);
                    }
                    _ => long_way(engine, text, |word| *part.owned.entry(word.to_string()).or_default() += 1)?,
                }
            }
            Ok(part)
        })
        .collect();
    merge(parts)
}

#[derive(Default)]
struct Part<'a> {
    slices: QuickMap<&'a str, u64>,
    owned: QuickMap<String, u64>,
}

fn tasks<S: AsRef<str>>(texts: &[S]) -> Vec<&[S]> {
    let mut tasks = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        bytes += text.as_ref().len();
        if bytes >= TASK {
            tasks.push(&texts[from..=at]);
            (from, bytes) = (at + 1, 0);
        }
    }
    tasks.push(&texts[from..]);
    tasks
}

fn merge(parts: Vec<Result<Part>>) -> Result<Vec<(String, u64)>> {
    let mut slices: QuickMap<&str, u64> = QuickMap::default();
    let mut owned: QuickMap<String, u64> = QuickMap::default();
    for part in parts {
        let part = part?;
        if slices.is_empty() {
            slices = part.slices;
        } else {
            part.slices.into_iter().for_each(|(word, count)| *slices.entry(word).or_default() += count);
        }
        part.owned.into_iter().for_each(|(word, count)| *owned.entry(word).or_default() += count);
    }
    for (word, count) in slices {
        *owned.entry(alphabet::spell(word)).or_default() += count;
    }
    let mut words: Vec<(String, u64)> = owned.into_iter().collect();
    words.par_sort_unstable();
    Ok(words)
}

/// Through the engine's own normalizer and pre-tokenizer.
fn long_way(engine: &Engine, text: &str, mut add: impl FnMut(&str)) -> Result<()> {
    let mut splits = engine.get_added_vocabulary().extract_and_normalize(engine.get_normalizer(), text);
    if let Some(pre) = engine.get_pre_tokenizer() {
        pre.pre_tokenize(&mut splits).map_err(told)?;
    }
    let whole = engine.get_pre_tokenizer().is_none();
    for (word, _, tokens) in splits.get_splits(OffsetReferential::Normalized, OffsetType::None) {
        if tokens.is_none() && !word.is_empty() {
            if whole { at_spaces(word, &mut add) } else { add(word) }
        }
    }
    Ok(())
}

/// SentencePiece has no pre-tokenizer: there a word begins where white space (`▁`) does.
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

/// The words of one text, in its order, as the model gets them.
pub fn of_text(tokenizer: &Tokenizer, text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    long_way(tokenizer.engine(), text, |word| words.push(word.to_string()))?;
    Ok(words)
}
