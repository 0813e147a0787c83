//! Mines the terms of a domain's texts, and measures their cost for the tokenizer to be extended.
//!
//! Two passes over the texts, which may be larger than memory: the first counts units and runs of neighboring units, the second
//! measures the chosen terms. Counting drops the rarest if there are too many (lossy counting, Manku and Motwani 2002), and
//! reports by how much a count can be too low.

mod context;
mod count;
mod jieba;
mod marginal;
pub mod segment;

pub use context::ContextFinder;
pub use count::Counting;

use crate::token::{Tokenizer, TokenizerKind, alphabet, script, words};
use crate::{Error, Result};
use rayon::prelude::*;
use std::cmp::Ordering;

pub const WHO: &str = "mine";

/// Options of mining.
pub struct Mining {
    /// Maximum number of neighboring units in a term.
    pub max_ngram: usize,
    /// Maximum number of characters in a term.
    pub max_token_length: usize,
    /// Minimum occurrences of a term.
    pub min_frequency: u64,
    /// Maximum number of terms, the first in this order.
    pub limit: usize,
    pub order: Order,
    /// Number of examples per term, and their characters on each side.
    pub examples: usize,
    pub context: usize,
    /// Maximum number of distinct terms held while counting.
    pub capacity: usize,
}

/// The order of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Count,
    Tokens,
    Savings,
    Marginal,
    Pmi,
    Weirdness,
}

/// Names of the orders.
pub const ORDERS: [&str; 6] = ["savings", "count", "tokens", "marginal", "pmi", "weirdness"];

impl Order {
    pub fn named(name: &str) -> Result<Order> {
        Ok(match name {
            "savings" => Order::Savings,
            "count" => Order::Count,
            "tokens" => Order::Tokens,
            "marginal" => Order::Marginal,
            "pmi" => Order::Pmi,
            "weirdness" => Order::Weirdness,
            other => return Err(Error::unknown(WHO, "order", other, ORDERS)),
        })
    }
}

/// A term with its measurements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MinedTerm {
    pub text: String,
    pub count: u64,
    /// Number of texts that contain it.
    pub texts: u64,
    /// Number of tokens that encode it now.
    pub tokens: usize,
    /// Number of the tokenizer's words that it spans: if several, only an added token can be one token.
    pub words: usize,
    /// Tokens saved if it were one token: in total, and after the terms before it.
    pub savings: u64,
    pub marginal: u64,
    /// Ratio of its frequency here to that in the general texts.
    pub weirdness: Option<f64>,
    /// At its weakest cut, in bits; `None` for a single unit.
    pub pmi: Option<f64>,
    /// The entropy of the unit before and after it, in bits.
    pub left: f64,
    pub right: f64,
    /// Examples: the text before it, and after.
    pub examples: Vec<(String, String)>,
}

/// The mined terms, and the counts of dropped ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mined {
    pub terms: Vec<MinedTerm>,
    pub texts: u64,
    pub bytes: u64,
    pub units: u64,
    /// Occurrences of units too long to be terms.
    pub long: u64,
    /// Terms of a list that do not occur.
    pub absent: usize,
    /// Distinct terms that were dropped: too rare, already one token, with a control character, equal to another for the
    /// tokenizer, without savings after others, and beyond the requested number.
    pub rare: usize,
    pub whole: usize,
    pub control: usize,
    pub duplicates: usize,
    pub redundant: usize,
    pub over_limit: usize,
    /// The maximum amount by which a count is too low.
    pub missed: u64,
}

/// Maximum number of joined units: an end is stored in one byte, and there is room for four.
const MOST_UNITS: usize = 5;
const MOST_CHARACTERS: usize = 60;

impl Mined {
    /// Sorts the terms, and keeps the first.
    pub fn cut(&mut self, order: Order, limit: usize) {
        let before = self.terms.len();
        let value = |term: &MinedTerm| match order {
            Order::Count => term.count as f64,
            Order::Tokens => term.tokens as f64,
            Order::Savings => term.savings as f64,
            Order::Marginal => term.marginal as f64,
            Order::Pmi => term.pmi.unwrap_or(f64::NEG_INFINITY),
            Order::Weirdness => term.weirdness.unwrap_or(f64::NEG_INFINITY),
        };
        let compare = |a: &MinedTerm, b: &MinedTerm| -> Ordering {
            value(b).total_cmp(&value(a)).then_with(|| b.savings.cmp(&a.savings)).then_with(|| a.text.cmp(&b.text))
        };
        self.terms.par_sort_by(compare);
        self.terms.truncate(limit);
        self.over_limit += before - self.terms.len();
    }
}

/// Whether the text between two units lets them be one term.
fn is_joint(gap: &str) -> bool {
    gap.is_empty() || gap == " "
}

/// The letters of a term inside a counted word.
pub fn inside_words(tokenizer: &Tokenizer, term: &str) -> Vec<String> {
    match tokenizer.kind() {
        TokenizerKind::ByteLevel if script::is_spaced(term) => {
            vec![alphabet::spell(term), alphabet::spell(&format!(" {term}"))]
        }
        TokenizerKind::ByteLevel => vec![alphabet::spell(term)],
        _ => match words::of_text(tokenizer, term) {
            Ok(found) if found.len() == 1 && script::is_spaced(term) => found,
            Ok(found) if found.len() == 1 => vec![found[0].trim_start_matches('▁').to_string()],
            _ => Vec::new(),
        },
    }
}
