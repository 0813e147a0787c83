//! Splits texts into the units that terms are made of.

use super::jieba::jieba;
use crate::token::engine::told;
use crate::token::words::Spans;
use crate::token::{Tokenizer, script};
use crate::{Error, Result, bail};
use aho_corasick::{AhoCorasick, MatchKind};
use regex::Regex;
use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation;

const WHO: &str = "mine";

/// The kind of units.
pub enum Units<'e> {
    /// The words of the tokenizer's pre-tokenizer.
    Words(Spans<'e>),
    /// Words by Unicode's rules (UAX #29): each Chinese character is one.
    Unicode,
    /// Chinese words by jieba's dictionary and hidden Markov model, other words unchanged.
    Jieba,
    /// The matches of a regular expression.
    Pattern(Regex),
    /// The terms of a list, longest first.
    List(AhoCorasick),
}

/// Names of [`Units`] without further options.
pub const SEGMENTERS: [&str; 3] = ["words", "unicode", "jieba"];

impl<'e> Units<'e> {
    pub fn named(name: &str, tokenizer: &'e Tokenizer) -> Result<Units<'e>> {
        match name {
            "words" => Ok(Units::Words(Spans::new(tokenizer))),
            "unicode" => Ok(Units::Unicode),
            "jieba" => Ok(Units::Jieba),
            other => Err(Error::unknown(WHO, "segmenter", other, SEGMENTERS)),
        }
    }

    pub fn pattern(pattern: &str) -> Result<Units<'e>> {
        match Regex::new(pattern) {
            Ok(regex) => Ok(Units::Pattern(regex)),
            Err(error) => {
                let why = error.to_string();
                bail!(
                    WHO,
                    "the pattern `{pattern}` is not a regular expression: {}",
                    why.lines().last().unwrap_or_default()
                )
            }
        }
    }

    pub fn list(terms: &[String]) -> Result<Units<'e>> {
        let terms: BTreeSet<&str> = terms.iter().map(|term| term.trim()).filter(|term| !term.is_empty()).collect();
        if terms.is_empty() {
            bail!(WHO, "the list of terms is empty");
        }
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(terms).map_err(told)?;
        Ok(Units::List(automaton))
    }

    /// Number of terms in its list.
    pub fn listed(&self) -> usize {
        if let Units::List(terms) = self { terms.patterns_len() } else { 0 }
    }

    /// The positions of the units in a text, ascending. Text without a letter is not a unit, except for a pattern and a list.
    pub fn cut(&self, text: &str, spans: &mut Vec<(usize, usize)>) -> Result<()> {
        spans.clear();
        match self {
            Units::Words(words) => {
                words.of(text, spans)?;
                spans.retain(|(start, end)| has_letter(&text[*start..*end]));
            }
            Units::Unicode => {
                spans.extend(text.unicode_word_indices().map(|(at, word)| (at, at + word.len())));
                spans.retain(|(start, end)| has_letter(&text[*start..*end]));
            }
            Units::Jieba => {
                let words = jieba()?.cut(text, true);
                spans.extend(words.iter().map(|word| (word.byte_start, word.byte_end)));
                spans.retain(|(start, end)| has_letter(&text[*start..*end]));
            }
            Units::Pattern(regex) => {
                spans.extend(regex.find_iter(text).map(|found| (found.start(), found.end())).filter(|(a, b)| a < b))
            }
            Units::List(terms) => {
                let found = terms.find_iter(text).map(|found| (found.start(), found.end()));
                spans.extend(found.filter(|(start, end)| stands_alone(text, *start, *end)));
            }
        }
        Ok(())
    }
}

fn has_letter(word: &str) -> bool {
    word.chars().any(char::is_alphabetic)
}

/// Whether a term of a script with spaces is not part of a longer word.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let spaced = |character: Option<char>| {
        character.is_some_and(|character| script::is_spaced(character.encode_utf8(&mut [0; 4])))
    };
    let inner = &text[start..end];
    let joined = |outside: Option<char>, inside: Option<char>| spaced(outside) && spaced(inside);
    !joined(text[..start].chars().next_back(), inner.chars().next())
        && !joined(text[end..].chars().next(), inner.chars().next_back())
}
