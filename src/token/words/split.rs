//! The common pre-tokenizers written by hand: the same words as their regular expressions, many times faster, as slices of the
//! text. Used for counting words; anything unusual goes through the engine.

use crate::token::engine::Engine;
use aho_corasick::AhoCorasick;
use regex_syntax::hir::{Class, HirKind};
use serde_json::Value;
use std::sync::LazyLock;

/// How a byte-level tokenizer splits text into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splitter {
    /// GPT-2's expression.
    Gpt2,
    /// Every digit separate, then GPT-2's expression (SmolLM, StarCoder).
    Digits,
    /// Llama 3's and Qwen's expression, with at most `digits` digits together.
    Llama { digits: usize },
}

/// The texts that a splitter may process: others are changed by normalization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fast {
    splitter: Splitter,
    nfc: bool,
}

impl Fast {
    /// The splitter equivalent to this engine, if any.
    pub fn of(engine: &Engine) -> Option<Fast> {
        let normalizer = match engine.get_normalizer() {
            None => Value::Null,
            Some(part) => serde_json::to_value(part).ok()?,
        };
        let nfc = match normalizer["type"].as_str() {
            None if normalizer.is_null() => false,
            Some("NFC") => true,
            _ => return None,
        };
        let pre = serde_json::to_value(engine.get_pre_tokenizer()?).ok()?;
        let steps = match pre["type"].as_str()? {
            "Sequence" => pre["pretokenizers"].as_array()?.clone(),
            _ => vec![pre],
        };
        Some(Fast { splitter: recognize(&steps)?, nfc })
    }

    /// Whether the normalizer leaves this text unchanged.
    pub fn fits(&self, text: &str) -> bool {
        !self.nfc || text.chars().all(composed)
    }

    pub fn words<'a>(&self, text: &'a str, word: impl FnMut(&'a str)) {
        self.splitter.words(text, word);
    }
}

/// A splitter with the tokens that an engine extracts from a text before it splits the rest.
pub struct Cutter {
    fast: Fast,
    added: AhoCorasick,
}

impl Cutter {
    pub fn of(engine: &Engine) -> Option<Cutter> {
        let fast = Fast::of(engine)?;
        let added = engine.get_added_tokens_decoder().into_values().map(|token| token.content);
        let added = AhoCorasick::new(added.filter(|content| !content.is_empty())).ok()?;
        Some(Cutter { fast, added })
    }

    /// The words of a text, in order; false, without words, if the engine must split it.
    pub fn words<'a>(&self, text: &'a str, word: impl FnMut(&'a str)) -> bool {
        let takes = self.fast.fits(text) && !self.added.is_match(text);
        if takes {
            self.fast.words(text, word);
        }
        takes
    }
}

fn recognize(steps: &[Value]) -> Option<Splitter> {
    let byte_level = |step: &Value, regex: bool| {
        step["type"] == "ByteLevel"
            && step["add_prefix_space"] == false
            && step["use_regex"].as_bool().unwrap_or(true) == regex
    };
    match steps {
        [one] if byte_level(one, true) => Some(Splitter::Gpt2),
        [digits, last]
            if digits["type"] == "Digits" && digits["individual_digits"] == true && byte_level(last, true) =>
        {
            Some(Splitter::Digits)
        }
        [split, last] if split["type"] == "Split" && byte_level(last, false) => {
            if split["behavior"] != "Isolated" || split["invert"] == true {
                return None;
            }
            match split["pattern"]["Regex"].as_str()? {
                LLAMA3 | LLAMA3_SPELLED => Some(Splitter::Llama { digits: 3 }),
                QWEN | QWEN_SPELLED => Some(Splitter::Llama { digits: 1 }),
                _ => None,
            }
        }
        _ => None,
    }
}

pub const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA3_SPELLED: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// GPT-4o's.
pub const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
pub const QWEN: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 3.5's: combining marks belong to letters.
pub const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_SPELLED: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Characters that NFC never changes, whatever their neighbors.
fn composed(character: char) -> bool {
    matches!(u32::from(character),
        0..0x300 | 0x2010..=0x2027 | 0x3001..=0x3098 | 0x309b..=0x30ff | 0x4e00..=0x9fff | 0xff01..=0xff5e)
}

/// A character's class in these expressions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class4 {
    Letter,
    Number,
    Space,
    Other,
}

static LETTERS: LazyLock<Vec<u64>> = LazyLock::new(|| class_bits(r"\p{L}"));
static NUMBERS: LazyLock<Vec<u64>> = LazyLock::new(|| class_bits(r"\p{N}"));

/// A character class as bits, from the tables of the regular expression library.
fn class_bits(class: &str) -> Vec<u64> {
    let mut bits = vec![0u64; 0x110000 / 64];
    let parsed = regex_syntax::parse(class).map(|hir| hir.into_kind());
    if let Ok(HirKind::Class(Class::Unicode(ranges))) = parsed {
        for code in ranges.ranges().iter().flat_map(|range| u32::from(range.start())..=u32::from(range.end())) {
            bits[code as usize / 64] |= 1 << (code % 64);
        }
    }
    bits
}

fn class(character: char) -> Class4 {
    let code = u32::from(character) as usize;
    if LETTERS[code / 64] >> (code % 64) & 1 == 1 {
        Class4::Letter
    } else if NUMBERS[code / 64] >> (code % 64) & 1 == 1 {
        Class4::Number
    } else if character.is_whitespace() {
        Class4::Space
    } else {
        Class4::Other
    }
}

/// The end of the run of a class that begins at `from`.
fn run(text: &str, from: usize, kind: Class4) -> usize {
    text[from..].char_indices().find(|(_, character)| class(*character) != kind).map_or(text.len(), |(at, _)| from + at)
}

fn first(text: &str, at: usize) -> Option<(char, Class4)> {
    text[at..].chars().next().map(|character| (character, class(character)))
}

impl Splitter {
    /// Passes every word of `text`, in order; concatenated they are the text.
    pub fn words<'a>(self, text: &'a str, mut word: impl FnMut(&'a str)) {
        match self {
            Splitter::Gpt2 => gpt2(text, &mut word),
            Splitter::Digits => {
                let mut rest = 0;
                for (at, digit) in text.char_indices().filter(|(_, character)| is_digit(*character)) {
                    gpt2(&text[rest..at], &mut word);
                    rest = at + digit.len_utf8();
                    word(&text[at..rest]);
                }
                gpt2(&text[rest..], &mut word);
            }
            Splitter::Llama { digits } => llama(text, digits, &mut word),
        }
    }
}

/// `char::is_numeric`, as used by the engine, with a shortcut for Chinese and Korean letters.
fn is_digit(character: char) -> bool {
    !matches!(u32::from(character), 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7a3) && character.is_numeric()
}

fn gpt2<'a>(text: &'a str, word: &mut impl FnMut(&'a str)) {
    let mut at = 0;
    while let Some((character, kind)) = first(text, at) {
        let end = match kind {
            _ if character == '\'' && contraction(&text[at..], false) > 0 => at + contraction(&text[at..], false),
            Class4::Space => match first(text, at + character.len_utf8()).filter(|_| character == ' ') {
                Some((_, next)) if next != Class4::Space => run(text, at + 1, next),
                _ => spaces(text, at),
            },
            kind => run(text, at, kind),
        };
        word(&text[at..end]);
        at = end;
    }
}

/// `\s+(?!\S)|\s+`: white space without its last character, when a word follows.
fn spaces(text: &str, at: usize) -> usize {
    let end = run(text, at, Class4::Space);
    if end == text.len() {
        return end;
    }
    let last = text[at..end].char_indices().next_back().map_or(at, |(last, _)| at + last);
    if last > at { last } else { end }
}

/// The length of `'s 't 're 've 'm 'll 'd` at the start, or 0.
fn contraction(text: &str, any_case: bool) -> usize {
    let mut tail = text[1..].chars().map(|character| match character {
        'ſ' if any_case => 's',
        other if any_case => other.to_ascii_lowercase(),
        other => other,
    });
    match (tail.next(), tail.next()) {
        (Some('s' | 't' | 'm' | 'd'), _) => 1 + text[1..].chars().next().map_or(0, char::len_utf8),
        (Some('r' | 'v'), Some('e')) | (Some('l'), Some('l')) => 3,
        _ => 0,
    }
}

fn llama<'a>(text: &'a str, digits: usize, word: &mut impl FnMut(&'a str)) {
    let mut at = 0;
    while let Some((character, kind)) = first(text, at) {
        let end = llama_word(text, at, character, kind, digits);
        word(&text[at..end]);
        at = end;
    }
}

fn llama_word(text: &str, at: usize, character: char, kind: Class4, digits: usize) -> usize {
    if character == '\'' && contraction(&text[at..], true) > 0 {
        return at + contraction(&text[at..], true);
    }
    let next = first(text, at + character.len_utf8());
    let breaks = matches!(character, '\r' | '\n');
    match kind {
        Class4::Letter => return run(text, at, Class4::Letter),
        Class4::Number => {
            let numbers = text[at..].char_indices().take_while(|(_, number)| class(*number) == Class4::Number);
            return numbers.take(digits).last().map_or(at, |(last, number)| at + last + number.len_utf8());
        }
        _ if !breaks && matches!(next, Some((_, Class4::Letter))) => {
            return run(text, at + character.len_utf8(), Class4::Letter);
        }
        Class4::Other => return line_ends(text, run(text, at, Class4::Other)),
        Class4::Space => {}
    }
    if character == ' ' && matches!(next, Some((_, Class4::Other))) {
        return line_ends(text, run(text, at + 1, Class4::Other));
    }
    // `\s*[\r\n]+`: up to the last line end of this white space
    let end = run(text, at, Class4::Space);
    match text[at..end].rfind(['\r', '\n']) {
        Some(last) => at + last + 1,
        None => spaces(text, at),
    }
}

fn line_ends(text: &str, from: usize) -> usize {
    text[from..].find(|character| !matches!(character, '\r' | '\n')).map_or(text.len(), |at| from + at)
}
