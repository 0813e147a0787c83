//! Statistics of texts under a tokenizer: tokens, fertility, byte fallback, by script.

use crate::Result;
use crate::token::{Tokenizer, TokenizerKind, alphabet, script};
use tokenizers::OffsetType;

/// Counts over texts, or over their part in one script.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    pub bytes: usize,
    pub characters: usize,
    pub tokens: usize,
    /// Occurrences of the unknown token.
    pub unknown: usize,
    /// Tokens with only part of a character.
    pub byte_fallback: usize,
    /// Words by the pre-tokenizer, and those with several tokens.
    pub words: usize,
    pub continued_words: usize,
    /// Tokens of the continued words.
    pub subtokens: usize,
}

/// Counts over all text, and for every script that occurs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    pub texts: usize,
    pub whole: Tally,
    pub scripts: Vec<(&'static str, Tally)>,
}

/// A word while its tokens are counted.
#[derive(Default)]
struct OpenWord {
    tokens: usize,
    script: Option<usize>,
}

impl OpenWord {
    fn end(self, parts: &mut ScriptTallies) {
        if self.tokens > 0 {
            let part = &mut parts[self.script.unwrap_or(script::MARKS as usize)];
            part.words += 1;
            if self.tokens > 1 {
                part.continued_words += 1;
                part.subtokens += self.tokens;
            }
        }
    }
}

type ScriptTallies = [Tally; script::NAMES.len()];

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.bytes += other.bytes;
        self.characters += other.characters;
        self.tokens += other.tokens;
        self.unknown += other.unknown;
        self.byte_fallback += other.byte_fallback;
        self.words += other.words;
        self.continued_words += other.continued_words;
        self.subtokens += other.subtokens;
    }
}

/// Counts over texts added in parts.
pub struct StatsCounter<'t> {
    tokenizer: &'t Tokenizer,
    partial: Vec<bool>,
    texts: usize,
    parts: ScriptTallies,
}

impl<'t> StatsCounter<'t> {
    pub fn new(tokenizer: &'t Tokenizer) -> StatsCounter<'t> {
        let partial = (0..tokenizer.len()).map(|id| tokenizer.is_partial(id)).collect();
        StatsCounter { tokenizer, partial, texts: 0, parts: ScriptTallies::default() }
    }

    /// Counts more texts, in parallel. Special tokens around a text are not counted.
    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<()> {
        self.texts += texts.len();
        for one in self.tokenizer.batch(texts, |text| self.tokenizer.count_one(text, &self.partial))? {
            self.parts.iter_mut().zip(&one).for_each(|(sum, part)| sum.add(part));
        }
        Ok(())
    }

    pub fn finish(self) -> Stats {
        let mut stats = Stats { texts: self.texts, ..Stats::default() };
        for (name, part) in script::NAMES.iter().zip(&self.parts) {
            stats.whole.add(part);
            if *part != Tally::default() {
                stats.scripts.push((name, *part));
            }
        }
        stats.scripts.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.characters));
        stats
    }
}

impl Tokenizer {
    fn count_one(&self, text: &str, partial: &[bool]) -> Result<ScriptTallies> {
        let mut parts = ScriptTallies::default();
        for character in text.chars() {
            let part = &mut parts[script::of(character)];
            part.characters += 1;
            part.bytes += character.len_utf8();
        }
        let encoding = self.encoded(text, false, OffsetType::Byte)?;
        let ids = encoding.get_ids();
        let words = encoding.get_word_ids();
        let mut word = OpenWord::default();
        for (at, (start, end)) in encoding.get_offsets().iter().enumerate() {
            let covered = text.get(*start..*end).unwrap_or_default();
            let first = covered.chars().find(|character| !character.is_whitespace()).or(covered.chars().next());
            let script = first.map_or(script::NAMES.len() - 1, script::of);
            let part = &mut parts[script];
            part.tokens += 1;
            part.unknown += usize::from(Some(ids[at]) == self.unk());
            part.byte_fallback += usize::from(partial.get(ids[at] as usize).is_some_and(|partial| *partial));
            if at > 0 && (words[at].is_none() || words[at] != words[at - 1]) {
                std::mem::take(&mut word).end(&mut parts);
            }
            word.tokens += 1;
            // the space before a word does not determine its script
            word.script = word.script.or((script != script::MARKS as usize).then_some(script));
        }
        word.end(&mut parts);
        Ok(parts)
    }

    /// Whether a token does not consist of whole characters.
    fn is_partial(&self, id: usize) -> bool {
        let token = &self.tokens()[id];
        match self.kind() {
            TokenizerKind::ByteLevel if self.is_special(id as u32) => false,
            TokenizerKind::ByteLevel => alphabet::bytes(token).is_some_and(|bytes| String::from_utf8(bytes).is_err()),
            _ => is_byte(token),
        }
    }
}

/// `<0xE6>`, SentencePiece's notation for a byte.
pub(super) fn is_byte(token: &str) -> bool {
    let hex = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    hex.is_some_and(|hex| hex.len() == 2 && hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
