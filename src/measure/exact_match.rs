//! Exact match: normalization of answers before the comparison.

use crate::{Error, Result};
use regex::Regex;

/// Python's `string.punctuation`.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// The parts to ignore, by the `exact_match` flags of lm-evaluation-harness, in its order; then SQuAD's.
#[derive(Clone, Debug, Default)]
pub struct Normalization {
    pub regexes_to_ignore: Vec<Regex>,
    pub ignore_case: bool,
    pub ignore_punctuation: bool,
    pub ignore_numbers: bool,
    /// As SQuAD's evaluation script (Rajpurkar et al. 2016): lowercase, without punctuation and the articles a, an, the, with
    /// runs of whitespace as one space.
    pub squad: bool,
}

impl Normalization {
    /// Compiles the regular expressions.
    pub fn ignoring(patterns: &[String]) -> Result<Vec<Regex>> {
        let compile = |pattern: &String| {
            let fault = |error: regex::Error| {
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                Error::new("measure::exact_match", format!("the expression `{pattern}`: {why}"))
            };
            Regex::new(pattern).map_err(fault)
        };
        patterns.iter().map(compile).collect()
    }

    /// A text without the ignored parts, and without surrounding whitespace.
    pub fn of(&self, text: &str) -> String {
        let mut text = text.to_string();
        for pattern in &self.regexes_to_ignore {
            text = pattern.replace_all(&text, "").into_owned();
        }
        if self.ignore_case || self.squad {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation || self.squad {
            text.retain(|c| !PUNCTUATION.contains(c));
        }
        if self.ignore_numbers {
            text.retain(|c| !c.is_ascii_digit());
        }
        if self.squad {
            return without_articles(&text);
        }
        text.trim().to_string()
    }
}

/// Words between single spaces, without articles. An article is delimited by word boundaries, as in `\b`.
fn without_articles(text: &str) -> String {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut kept = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let inside = rest.starts_with(of_word);
        let end = rest.find(|c| of_word(c) != inside).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        kept.push_str(if ["a", "an", "the"].contains(&run) { " " } else { run });
        rest = after;
    }
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}
