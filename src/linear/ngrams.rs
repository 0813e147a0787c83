//! The n-grams of a text, as in scikit-learn's vectorizers.

use crate::{Result, bail};
use regex::Regex;
use std::sync::LazyLock;

/// Units of n-grams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Analyzer {
    /// Words of at least two letters, digits or underscores.
    Word,
    /// Characters, with consecutive spaces collapsed to one.
    Char,
    /// Characters within a word with a space on both sides.
    CharWb,
}

impl Analyzer {
    pub const NAMES: [&'static str; 3] = ["word", "char", "char_wb"];

    pub fn named(name: &str) -> Analyzer {
        match name {
            "char" => Analyzer::Char,
            "char_wb" => Analyzer::CharWb,
            _ => Analyzer::Word,
        }
    }

    pub fn name(self) -> &'static str {
        Analyzer::NAMES[self as usize]
    }
}

/// The shortest and the longest n-gram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NgramRange {
    pub least: usize,
    pub most: usize,
}

impl NgramRange {
    pub fn new(who: &str, least: usize, most: usize) -> Result<NgramRange> {
        if least == 0 || most < least {
            bail!(who, "n-grams from {least} to {most}: at least 1, and the second not below the first");
        }
        Ok(NgramRange { least, most })
    }

    fn lengths(self) -> std::ops::RangeInclusive<usize> {
        self.least..=self.most
    }
}

/// scikit-learn's `\b\w\w+\b`: in Python `\w` is a letter, a number or an underscore.
static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]{2,}").ok());

/// The text that n-grams are slices of: its words separated by one space, its characters, or each word between two spaces of its
/// own.
pub fn spread(text: &str, analyzer: Analyzer) -> String {
    match analyzer {
        Analyzer::Word => {
            let words = WORDS.iter().flat_map(|words| words.find_iter(text));
            words.map(|found| found.as_str()).collect::<Vec<_>>().join(" ")
        }
        Analyzer::Char => single_spaces(text),
        Analyzer::CharWb => text.split_whitespace().flat_map(|word| [" ", word, " "]).collect(),
    }
}

/// Passes every n-gram of a text that was `spread` to `take`, with repetitions.
pub fn ngrams<'t>(text: &'t str, analyzer: Analyzer, range: NgramRange, take: &mut dyn FnMut(&'t str)) {
    match analyzer {
        Analyzer::Word => {
            let words: Vec<(usize, usize)> = pieces(text);
            for length in range.lengths() {
                words.windows(length).for_each(|words| take(&text[words[0].0..words[length - 1].1]));
            }
        }
        Analyzer::Char => {
            let ends = boundaries(text);
            for length in range.lengths().take_while(|length| *length < ends.len()) {
                ends.windows(length + 1).for_each(|ends| take(&text[ends[0]..ends[length]]));
            }
        }
        Analyzer::CharWb => {
            for (start, end) in pieces(text) {
                let word = &text[start - 1..end + 1];
                let ends = boundaries(word);
                for length in range.lengths() {
                    if length + 1 >= ends.len() {
                        // a short word counts once
                        take(word);
                        break;
                    }
                    ends.windows(length + 1).for_each(|ends| take(&word[ends[0]..ends[length]]));
                }
            }
        }
    }
}

/// Start and end offsets of the words of a text.
fn pieces(text: &str) -> Vec<(usize, usize)> {
    let start = text.as_ptr() as usize;
    text.split_whitespace()
        .map(|word| (word.as_ptr() as usize - start, word))
        .map(|(at, word)| (at, at + word.len()))
        .collect()
}

/// Start offsets of the characters, and the end of the text.
fn boundaries(text: &str) -> Vec<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}

/// Collapses consecutive spaces to one; a single one is kept as it is.
fn single_spaces(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        if !sign.is_whitespace() || !signs.peek().is_some_and(|next| next.is_whitespace()) {
            plain.push(sign);
            continue;
        }
        while signs.next_if(|next| next.is_whitespace()).is_some() {}
        plain.push(' ');
    }
    plain
}
