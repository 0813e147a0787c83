//! Word counts. No token spans two words.

use super::hash::FastMap;
use super::pre_tokenize::pre_tokenize;
use super::split::Cutter;
use super::tasks::in_tasks;
use super::word_counts::WordCounts;
use crate::Result;
use crate::cancel::{self, Cancel};
use crate::token::engine::{Engine, told};
use crate::token::{Tokenizer, alphabet};
use rayon::prelude::*;
use std::borrow::Cow;

/// Counts words over texts added in parts: each distinct word is stored once.
pub struct Counter<'e> {
    engine: &'e Engine,
    cutter: Option<Cutter>,
    words: WordCounts,
}

impl<'e> Counter<'e> {
    pub fn new(tokenizer: &'e Tokenizer) -> Counter<'e> {
        let engine = tokenizer.engine();
        Counter { engine, cutter: Cutter::of(engine), words: WordCounts::default() }
    }

    /// Adds the words of more texts. Added tokens are not words.
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

    pub fn finish(self) -> CountedWords {
        CountedWords::new(self.words, self.cutter.is_some())
    }
}

/// Words with their counts, in alphabetical order.
pub struct CountedWords {
    words: WordCounts,
    order: Vec<usize>,
    /// Words are stored as in texts; the model gets them in the byte alphabet.
    plain: bool,
}

impl CountedWords {
    fn new(mut words: WordCounts, plain: bool) -> CountedWords {
        CountedWords { order: words.sorted(), words, plain }
    }

    /// Words in the form in which the model gets them, with count 1.
    pub fn once<'a>(forms: impl IntoIterator<Item = &'a String>) -> CountedWords {
        let mut words = WordCounts::default();
        forms.into_iter().for_each(|form| words.add(form, 1));
        CountedWords::new(words, false)
    }

    pub fn none() -> CountedWords {
        CountedWords::once([])
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

    /// The bytes of a byte-level tokenizer's word.
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

/// The words of some texts, as stored by a counter.
fn part<'t, S: AsRef<str>>(
    engine: &Engine,
    cutter: Option<&Cutter>,
    texts: &'t [S],
    cancel: &Cancel,
) -> Result<FastMap<Cow<'t, str>, u64>> {
    let mut part: FastMap<Cow<'t, str>, u64> = FastMap::default();
    for text in texts {
        // the engine takes long per task
        if cancel.is_requested() {
            return Err(cancel.error());
        }
        let text = text.as_ref();
        if cutter.is_some_and(|cutter| cutter.words(text, |word| *part.entry(word.into()).or_default() += 1)) {
            continue;
        }
        let mut strange = None;
        pre_tokenize(engine, text, |word| {
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
pub fn count<S: AsRef<str> + Sync>(tokenizer: &Tokenizer, texts: &[S]) -> Result<CountedWords> {
    let mut counter = Counter::new(tokenizer);
    counter.add(texts)?;
    Ok(counter.finish())
}
