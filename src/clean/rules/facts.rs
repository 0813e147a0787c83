//! Text statistics that the rules use, computed once: lines, words, and the letter equivalent of a character of each script.

use crate::clean::near::each_unit;
use crate::token::words::FastSet;
use std::cell::{OnceCell, RefCell};

/// Mean letters per word, used to convert characters of scripts without spaces.
const WORD_LETTERS: f64 = 5.0;

/// A word, or a character of a script without spaces between words.
#[derive(Clone, Copy)]
pub struct Unit {
    pub hash: u64,
    pub start: u32,
    pub end: u32,
}

/// A text and its counts.
pub struct Facts<'t> {
    pub text: &'t str,
    /// Non-empty lines, without leading and trailing white space.
    pub lines: Vec<&'t str>,
    /// Number of line ends.
    pub newlines: usize,
    pub units: Vec<Unit>,
    /// Number of words; in a script without spaces estimated from its characters.
    pub words: f64,
    /// Number of words in scripts with spaces, and of their letters.
    pub spaced: usize,
    pub letters: f64,
    /// Words that contain a letter; each character that is a unit counts.
    pub with_letter: usize,
    /// Runs of signs between spaces, without a letter or digit.
    pub signs: usize,
    /// Characters per word, where most of the text is in a script without spaces.
    pub running: Option<f64>,
    repeated: OnceCell<Repeated>,
    /// For sequences of 5 words and more, the share of the text in repeated ones.
    pub duplicates: RefCell<Vec<f64>>,
}

/// Share of the text in repeated lines and paragraphs.
#[derive(Clone, Copy, Default)]
pub struct Repeated {
    pub lines: f64,
    pub line_chars: f64,
    pub paragraphs: f64,
    pub paragraph_chars: f64,
}

/// Mean characters per word in a script without spaces between words; `None` for others.
fn chars_in_word(char: char) -> Option<f64> {
    match u32::from(char) {
        0..0xe00 => None,
        // Thai, Lao
        0xe00..=0xeff => Some(4.0),
        // Myanmar, Khmer
        0x1000..=0x109f | 0x1780..=0x17ff => Some(5.0),
        // kana
        0x3040..=0x30ff | 0xff66..=0xff9d => Some(2.0),
        0x3005..=0x3007 | 0x3400..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff => Some(1.6),
        _ => None,
    }
}

/// Number of letters in a Korean syllable.
fn letters_of(char: char) -> f64 {
    if matches!(u32::from(char), 0xac00..=0xd7a3) { 2.0 } else { 1.0 }
}

/// Length of a text in letters: a Chinese, Japanese or Thai character counts as the letters of its share of a word.
pub fn letters(text: &str) -> f64 {
    if text.is_ascii() {
        return text.len() as f64;
    }
    text.chars().map(|char| chars_in_word(char).map_or_else(|| letters_of(char), |chars| WORD_LETTERS / chars)).sum()
}

/// Number of words of a text; in a script without spaces estimated from its characters.
pub fn words(text: &str) -> f64 {
    let mut words = 0.0;
    each_unit(text, |_, place| {
        words += text[place].chars().next().and_then(chars_in_word).map_or(1.0, |chars| 1.0 / chars);
    });
    words
}

impl<'t> Facts<'t> {
    pub fn of(text: &'t str) -> Facts<'t> {
        let mut facts = Facts {
            text,
            lines: text.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
            newlines: text.bytes().filter(|byte| *byte == b'\n').count(),
            units: Vec::with_capacity(text.len() / 5),
            words: 0.0,
            spaced: 0,
            letters: 0.0,
            with_letter: 0,
            signs: 0,
            running: None,
            repeated: OnceCell::new(),
            duplicates: RefCell::default(),
        };
        facts.count();
        facts
    }

    fn count(&mut self) {
        let text = self.text;
        let (mut alone, mut alone_words) = (0usize, 0.0);
        let mut units = std::mem::take(&mut self.units);
        each_unit(text, |hash, place| {
            units.push(Unit { hash, start: place.start as u32, end: place.end as u32 });
            let word = &text[place];
            let first = word.chars().next().unwrap_or(' ');
            if let Some(chars) = chars_in_word(first) {
                (alone, alone_words) = (alone + 1, alone_words + 1.0 / chars);
                self.with_letter += 1;
                return;
            }
            self.spaced += 1;
            if word.is_ascii() {
                self.letters += word.len() as f64;
                self.with_letter += usize::from(word.bytes().any(|byte| byte.is_ascii_alphabetic()));
            } else {
                self.letters += word.chars().map(letters_of).sum::<f64>();
                self.with_letter += usize::from(word.chars().any(char::is_alphabetic));
            }
        });
        self.units = units;
        self.words = self.spaced as f64 + alone_words;
        self.running = (alone_words > self.spaced as f64).then(|| alone as f64 / alone_words);
        let is_sign = |token: &&str| !token.chars().any(char::is_alphanumeric);
        self.signs = text.split_whitespace().filter(is_sign).count();
    }

    /// Mean letters per word in scripts with spaces.
    pub fn word_length(&self) -> Option<f64> {
        (self.running.is_none() && self.spaced > 0).then(|| self.letters / self.spaced as f64)
    }

    /// Converts a number of words to units of this text.
    pub fn units_of_words(&self, words: usize) -> usize {
        self.running.map_or(words, |chars| (words as f64 * chars).round() as usize)
    }

    /// The share of lines for which `is` holds; `None` for a text without lines.
    pub fn lines_that(&self, is: impl Fn(&str) -> bool) -> Option<f64> {
        let found = self.lines.iter().filter(|line| is(line)).count();
        (!self.lines.is_empty()).then(|| found as f64 / self.lines.len() as f64)
    }

    /// The repeated parts.
    pub fn repeated(&self) -> Repeated {
        *self.repeated.get_or_init(|| {
            let (lines, line_chars) = repeated(&self.lines);
            let paragraphs: Vec<&str> = match self.text.contains("\n\n") {
                true => self.text.split("\n\n").map(str::trim).filter(|part| !part.is_empty()).collect(),
                false => Vec::new(),
            };
            let (paragraphs, paragraph_chars) = repeated(&paragraphs);
            Repeated { lines, line_chars, paragraphs, paragraph_chars }
        })
    }
}

/// The share of repeated parts, and of their letters.
fn repeated(parts: &[&str]) -> (f64, f64) {
    if parts.len() < 2 {
        return (0.0, 0.0);
    }
    let mut known = FastSet::default();
    let (mut again, mut bytes, mut all) = (0usize, 0usize, 0usize);
    for part in parts {
        all += part.len();
        if !known.insert(*part) {
            (again, bytes) = (again + 1, bytes + part.len());
        }
    }
    (again as f64 / parts.len() as f64, bytes as f64 / all.max(1) as f64)
}
