//! What texts cost a tokenizer: tokens, words that are split, and what falls to bytes, by script.

use crate::Result;
use crate::token::{Kind, Tokenizer, alphabet, engine, script};

/// Counts over texts, or over the part of them in one script.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    pub bytes: usize,
    pub characters: usize,
    pub tokens: usize,
    /// Tokens that are the unknown piece.
    pub unknown: usize,
    /// Tokens that hold only a part of a character.
    pub fell: usize,
    /// Words as the tokenizer cuts them before it looks for pieces, and those of several pieces.
    pub words: usize,
    pub split: usize,
    /// Tokens that are a part of a word of several pieces.
    pub parts: usize,
}

/// The whole, and for every script that occurs its own part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    pub texts: usize,
    pub whole: Tally,
    pub scripts: Vec<(&'static str, Tally)>,
}

/// A word while its pieces are counted.
#[derive(Default)]
struct Word {
    pieces: usize,
    script: Option<usize>,
}

impl Word {
    fn end(self, parts: &mut Parts) {
        if self.pieces > 0 {
            let part = &mut parts[self.script.unwrap_or(script::MARKS as usize)];
            part.words += 1;
            if self.pieces > 1 {
                part.split += 1;
                part.parts += self.pieces;
            }
        }
    }
}

type Parts = [Tally; script::NAMES.len()];

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.bytes += other.bytes;
        self.characters += other.characters;
        self.tokens += other.tokens;
        self.unknown += other.unknown;
        self.fell += other.fell;
        self.words += other.words;
        self.split += other.split;
        self.parts += other.parts;
    }
}

/// A survey of texts that come in parts.
pub struct Surveying<'t> {
    tokenizer: &'t Tokenizer,
    partial: Vec<bool>,
    texts: usize,
    parts: Parts,
}

impl<'t> Surveying<'t> {
    pub fn new(tokenizer: &'t Tokenizer) -> Surveying<'t> {
        let partial = (0..tokenizer.len()).map(|id| tokenizer.is_partial(id)).collect();
        Surveying { tokenizer, partial, texts: 0, parts: Parts::default() }
    }

    /// Measures more texts, in parallel. Special pieces that the tokenizer puts around a text are not counted.
    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<()> {
        self.texts += texts.len();
        for one in self.tokenizer.batch(texts, |text| self.tokenizer.survey_one(text, &self.partial))? {
            self.parts.iter_mut().zip(&one).for_each(|(sum, part)| sum.add(part));
        }
        Ok(())
    }

    pub fn finish(self) -> Survey {
        let mut survey = Survey { texts: self.texts, ..Survey::default() };
        for (name, part) in script::NAMES.iter().zip(&self.parts) {
            survey.whole.add(part);
            if *part != Tally::default() {
                survey.scripts.push((name, *part));
            }
        }
        survey.scripts.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.characters));
        survey
    }
}

impl Tokenizer {
    fn survey_one(&self, text: &str, partial: &[bool]) -> Result<Parts> {
        let mut parts = Parts::default();
        for character in text.chars() {
            let part = &mut parts[script::of(character)];
            part.characters += 1;
            part.bytes += character.len_utf8();
        }
        let encoding = self.engine().encode(text, false).map_err(engine::told)?;
        let ids = encoding.get_ids();
        let words = encoding.get_word_ids();
        let mut word = Word::default();
        for (at, (start, end)) in encoding.get_offsets().iter().enumerate() {
            let covered = text.get(*start..*end).unwrap_or_default();
            let first = covered.chars().find(|character| !character.is_whitespace()).or(covered.chars().next());
            let script = first.map_or(script::NAMES.len() - 1, script::of);
            let part = &mut parts[script];
            part.tokens += 1;
            part.unknown += usize::from(Some(ids[at]) == self.unk());
            part.fell += usize::from(partial.get(ids[at] as usize).is_some_and(|partial| *partial));
            if at > 0 && (words[at].is_none() || words[at] != words[at - 1]) {
                std::mem::take(&mut word).end(&mut parts);
            }
            word.pieces += 1;
            // the space before a word says nothing about its script
            word.script = word.script.or((script != script::MARKS as usize).then_some(script));
        }
        word.end(&mut parts);
        Ok(parts)
    }

    /// A piece that is no whole characters.
    fn is_partial(&self, id: usize) -> bool {
        let piece = &self.pieces()[id];
        match self.kind() {
            Kind::ByteLevel if self.is_special(id as u32) => false,
            Kind::ByteLevel => alphabet::bytes(piece).is_some_and(|bytes| String::from_utf8(bytes).is_err()),
            _ => is_byte(piece),
        }
    }
}

/// `<0xE6>`, SentencePiece's way to write a byte.
pub(super) fn is_byte(piece: &str) -> bool {
    let hex = piece.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    hex.is_some_and(|hex| hex.len() == 2 && hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
