//! The n-grams of a text, as scikit-learn's vectorizers take them.

use crate::{Result, bail};
use regex::Regex;
use std::sync::LazyLock;

/// What n-grams are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Analyzer {
    /// Words of two letters, digits or underscores or more.
    Word,
    /// Characters, where spaces that follow each other are one.
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

/// Gives every n-gram of a text to `take`, one as often as it occurs.
pub fn ngrams(text: &str, analyzer: Analyzer, range: NgramRange, take: &mut dyn FnMut(&str)) {
    match analyzer {
        Analyzer::Word => {
            let words: Vec<&str> =
                WORDS.iter().flat_map(|words| words.find_iter(text)).map(|found| found.as_str()).collect();
            for length in range.lengths() {
                for words in words.windows(length) {
                    take(&words.join(" "));
                }
            }
        }
        Analyzer::Char => {
            let text = single_spaces(text);
            let ends = boundaries(&text);
            for length in range.lengths().take_while(|length| *length < ends.len()) {
                ends.windows(length + 1).for_each(|ends| take(&text[ends[0]..ends[length]]));
            }
        }
        Analyzer::CharWb => {
            for word in text.split_whitespace() {
                let word = format!(" {word} ");
                let ends = boundaries(&word);
                for length in range.lengths() {
                    if length + 1 >= ends.len() {
                        // a short word counts once
                        take(&word);
                        break;
                    }
                    ends.windows(length + 1).for_each(|ends| take(&word[ends[0]..ends[length]]));
                }
            }
        }
    }
}

/// Where characters begin, and the end.
fn boundaries(text: &str) -> Vec<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}

/// Spaces that follow each other become one; a single one stays what it is.
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
