//! Which terms a domain's texts are made of, and what each costs the tokenizer that they are to be added to.
//!
//! Two walks over the texts, which may be larger than memory: the first counts units and runs of neighboring units,
//! the second measures the terms that were chosen. Counting forgets the rarest where there are too many (lossy
//! counting, Manku and Motwani 2002) and tells by how much a count can be too low.

mod context;
mod count;
mod marginal;
pub mod segment;

pub use context::ContextFinder;
pub use count::Counting;

use crate::token::{Tokenizer, TokenizerKind, alphabet, script, words};
use crate::{Error, Result};
use rayon::prelude::*;
use std::cmp::Ordering;

pub const WHO: &str = "mine";

/// What to look for.
pub struct Mining {
    /// How many neighboring units a term may have.
    pub max_ngram: usize,
    /// How many characters a term may have.
    pub max_token_length: usize,
    /// How often a term has to occur.
    pub min_frequency: u64,
    /// How many terms are wanted, the first in this order.
    pub limit: usize,
    pub order: Order,
    /// How many examples of each are shown, and how many characters on each side.
    pub examples: usize,
    pub context: usize,
    /// How many distinct terms are held while counting.
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

/// A term with what was measured of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MinedTerm {
    pub text: String,
    pub count: u64,
    /// Texts that it occurs in.
    pub texts: u64,
    /// Tokens that it is written with now.
    pub tokens: usize,
    /// Words of the tokenizer that it spans: of several, only an added token can make one token.
    pub words: usize,
    /// Tokens that fewer would be written if it were one token: all of them, and after the terms before it.
    pub savings: u64,
    pub marginal: u64,
    /// How much likelier it is here than in the general texts.
    pub weirdness: Option<f64>,
    /// Of its weakest cut, in bits; of one unit there is none.
    pub pmi: Option<f64>,
    /// How uncertain the unit before and after it is, in bits.
    pub left: f64,
    pub right: f64,
    /// It in its place: what is before it, and after.
    pub examples: Vec<(String, String)>,
}

/// What mining found, and what it left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mined {
    pub terms: Vec<MinedTerm>,
    pub texts: u64,
    pub bytes: u64,
    pub units: u64,
    /// Units that were too long to be terms, each time they occurred.
    pub long: u64,
    /// Terms of a list that do not occur.
    pub absent: usize,
    /// Distinct terms that were left out: too rare, one token already, with a control character, the same as another to
    /// the tokenizer, saving nothing after others, and beyond the count that was asked.
    pub rare: usize,
    pub whole: usize,
    pub control: usize,
    pub duplicates: usize,
    pub redundant: usize,
    pub over_limit: usize,
    /// By how much a count can be too low.
    pub missed: u64,
}

/// Units that may join: an end is kept in one byte, and there is room for four.
const MOST_UNITS: usize = 5;
const MOST_CHARACTERS: usize = 60;

impl Mined {
    /// Puts the terms in order, and keeps the first.
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

/// Whether what lies between two units lets them be one term.
fn is_joint(gap: &str) -> bool {
    gap.is_empty() || gap == " "
}

/// The letters in which a term stands inside a counted word.
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
