//! How often each word occurs: the words between which no piece may lie.

use crate::cancel::{self, Cancel};
use crate::token::Tokenizer;
use crate::token::alphabet;
use crate::token::engine::{Engine, told};
use crate::token::lexicon::Lexicon;
use crate::token::split::{Cutter, Fast};
use crate::{Error, Result};
use rayon::prelude::*;
use std::borrow::Cow;
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

/// Bytes of text that one task takes: enough to be worth a task, few enough to be interrupted soon.
const TASK: usize = 1 << 20;

/// Does `work` for texts in parallel, some megabytes at a time, and gives what came of it to `take` in the order of
/// the texts: the same for any number of threads.
pub fn in_tasks<'t, S: AsRef<str> + Sync, T: Send>(
    texts: &'t [S],
    work: impl Fn(&'t [S]) -> Result<T> + Sync,
    mut take: impl FnMut(T),
) -> Result<()> {
    let cancel = cancel::current();
    for group in tasks(texts).chunks(2 * rayon::current_num_threads().max(1)) {
        let one = |texts: &&'t [S]| if cancel.is_requested() { Err(Error::interrupted()) } else { work(texts) };
        let parts: Vec<Result<T>> = group.par_iter().map(one).collect();
        for part in parts {
            take(part?);
        }
    }
    Ok(())
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

/// Counts words over texts that come in parts: each distinct word is held once.
pub struct Counter<'e> {
    engine: &'e Engine,
    cutter: Option<Cutter>,
    words: Lexicon,
}

impl<'e> Counter<'e> {
    pub fn new(tokenizer: &'e Tokenizer) -> Counter<'e> {
        let engine = tokenizer.engine();
        Counter { engine, cutter: Cutter::of(engine), words: Lexicon::default() }
    }

    /// Adds the words of more texts. Added tokens are no words.
    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<()> {
        let Counter { engine, cutter, words } = self;
        let cancel = cancel::current();
        in_tasks(
            texts,
            |texts| part(engine, cutter.as_ref(), texts, &cancel),
            |part| part.into_iter().for_each(|(word, count)| words.add(&word, count)),
        )
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub fn finish(self) -> Counted {
        Counted::new(self.words, self.cutter.is_some())
    }
}

/// Words with their counts, in the order of their letters.
pub struct Counted {
    words: Lexicon,
    order: Vec<usize>,
    /// They are held as they stand in texts; the model gets them in the byte alphabet.
    plain: bool,
}

impl Counted {
    fn new(mut words: Lexicon, plain: bool) -> Counted {
        Counted { order: words.sorted(), words, plain }
    }

    /// Words in the form in which the model gets them, each once.
    pub fn once<'a>(forms: impl IntoIterator<Item = &'a String>) -> Counted {
        let mut words = Lexicon::default();
        forms.into_iter().for_each(|form| words.add(form, 1));
        Counted::new(words, false)
    }

    pub fn none() -> Counted {
        Counted::once([])
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// A word in the form in which the model gets it (byte-level: in the byte alphabet).
    pub fn word(&self, at: usize) -> Cow<'_, str> {
        let word = self.words.word(self.order[at]);
        if self.plain { alphabet::spell(word).into() } else { word.into() }
    }

    /// The bytes that a word of a byte-level tokenizer stands for.
    pub fn bytes(&self, at: usize) -> Option<Cow<'_, [u8]>> {
        let word = self.words.word(self.order[at]);
        if self.plain { Some(word.as_bytes().into()) } else { alphabet::bytes(word).map(Cow::from) }
    }

    pub fn count(&self, at: usize) -> u64 {
        self.words.count(self.order[at])
    }

    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, u64)> {
        (0..self.len()).map(|at| (self.word(at), self.count(at)))
    }

    pub fn par_iter(&self) -> impl IndexedParallelIterator<Item = (Cow<'_, str>, u64)> {
        (0..self.len()).into_par_iter().map(|at| (self.word(at), self.count(at)))
    }
}

/// The words of some texts, as a counter holds them.
fn part<'t, S: AsRef<str>>(
    engine: &Engine,
    cutter: Option<&Cutter>,
    texts: &'t [S],
    cancel: &Cancel,
) -> Result<QuickMap<Cow<'t, str>, u64>> {
    let mut part: QuickMap<Cow<'t, str>, u64> = QuickMap::default();
    for text in texts {
        // the engine takes long for a task
        if cancel.is_requested() {
            return Err(Error::interrupted());
        }
        let text = text.as_ref();
        if cutter.is_some_and(|cutter| cutter.words(text, |word| *part.entry(word.into()).or_default() += 1)) {
            continue;
        }
        let mut strange = None;
        long_way(engine, text, |word| {
            let held = if cutter.is_some() { alphabet::text(word) } else { Some(word.to_string()) };
            match held {
                Some(word) => *part.entry(word.into()).or_default() += 1,
                None => strange = Some(word.to_string()),
            }
        })?;
        if let Some(word) = strange {
            return Err(told(format!("the word `{word}` is no text in the byte alphabet")));
        }
    }
    Ok(part)
}

/// All words of the texts, counted and sorted.
pub fn count<S: AsRef<str> + Sync>(tokenizer: &Tokenizer, texts: &[S]) -> Result<Counted> {
    let mut counter = Counter::new(tokenizer);
    counter.add(texts)?;
    Ok(counter.finish())
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

/// Where the words of one text lie in it, in bytes, without the white space around them.
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
