//! Which terms a domain's texts are made of, and what each costs the tokenizer that they are to be added to.
//!
//! Two walks over the texts, which may be larger than memory: the first counts units and runs of neighbouring units,
//! the second measures the terms that were chosen. Counting forgets the rarest where there are too many (lossy
//! counting, Manku and Motwani 2002) and tells by how much a count can be too low.

mod count;
mod look;

pub use count::Counting;
pub use look::Looking;

use crate::token::{Kind, Tokenizer, alphabet, script, words};
use crate::{Error, Result, nearest};
use rayon::prelude::*;
use std::cmp::Ordering;

pub const WHO: &str = "mine";

/// What to look for.
pub struct Mining {
    /// How many neighbouring units a term may have.
    pub join: usize,
    /// How many characters a term may have.
    pub longest: usize,
    /// How often a term has to occur.
    pub least: u64,
    /// How many terms are wanted, the first by `by`.
    pub count: usize,
    pub by: By,
    /// How many examples of each are shown, and how many characters on each side.
    pub examples: usize,
    pub around: usize,
    /// How many distinct terms are held while counting.
    pub held: usize,
}

/// The order of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Count,
    Pieces,
    Saves,
    Marginal,
    Pmi,
    Weird,
}

const BY: [(&str, By); 6] = [
    ("count", By::Count),
    ("pieces", By::Pieces),
    ("saves", By::Saves),
    ("marginal", By::Marginal),
    ("pmi", By::Pmi),
    ("weird", By::Weird),
];

impl By {
    pub fn named(name: &str) -> Result<By> {
        if let Some((_, by)) = BY.iter().find(|(known, _)| *known == name) {
            return Ok(*by);
        }
        let names = BY.map(|(known, _)| known);
        let error = Error::new(WHO, format!("`by` is `{name}`, not one of {}", names.join(", ")));
        Err(match nearest(name, names) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }
}

/// A term with what was measured of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Term {
    pub text: String,
    pub count: u64,
    /// Texts that it occurs in.
    pub texts: u64,
    /// Pieces that it is written with now.
    pub pieces: usize,
    /// Words of the tokenizer that it spans: of several, only an added token can make one piece.
    pub words: usize,
    /// Pieces that fewer would be written if it were one piece: all of them, and after the terms before it.
    pub saves: u64,
    pub marginal: u64,
    /// How much likelier it is here than in the general texts.
    pub weird: Option<f64>,
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
    pub terms: Vec<Term>,
    pub texts: u64,
    pub bytes: u64,
    pub units: u64,
    /// Units that were too long to be terms, each time they occurred.
    pub long: u64,
    /// Terms of a list that do not occur.
    pub absent: usize,
    /// Distinct terms that were left out: too rare, one piece already, with a control character, the same as another to
    /// the tokenizer, saving nothing after others, and beyond the count that was asked.
    pub rare: usize,
    pub whole: usize,
    pub control: usize,
    pub twins: usize,
    pub needless: usize,
    pub beyond: usize,
    /// By how much a count can be too low.
    pub missed: u64,
}

/// Units that may join: an end is kept in one byte, and there is room for four.
const MOST_UNITS: usize = 5;
const MOST_CHARACTERS: usize = 60;

impl Mined {
    /// Puts the terms in order, and keeps the first.
    pub fn cut(&mut self, by: By, count: usize) {
        let before = self.terms.len();
        let value = |term: &Term| match by {
            By::Count => term.count as f64,
            By::Pieces => term.pieces as f64,
            By::Saves => term.saves as f64,
            By::Marginal => term.marginal as f64,
            By::Pmi => term.pmi.unwrap_or(f64::NEG_INFINITY),
            By::Weird => term.weird.unwrap_or(f64::NEG_INFINITY),
        };
        let order = |a: &Term, b: &Term| -> Ordering {
            value(b).total_cmp(&value(a)).then_with(|| b.saves.cmp(&a.saves)).then_with(|| a.text.cmp(&b.text))
        };
        self.terms.par_sort_by(order);
        self.terms.truncate(count);
        self.beyond += before - self.terms.len();
    }
}

/// Whether what lies between two units lets them be one term.
fn is_joint(gap: &str) -> bool {
    gap.is_empty() || gap == " "
}

/// The letters in which a term stands inside a counted word.
pub fn inside_words(tokenizer: &Tokenizer, term: &str) -> Vec<String> {
    match tokenizer.kind() {
        Kind::ByteLevel if script::is_spaced(term) => {
            vec![alphabet::spell(term), alphabet::spell(&format!(" {term}"))]
        }
        Kind::ByteLevel => vec![alphabet::spell(term)],
        _ => match words::of_text(tokenizer, term) {
            Ok(found) if found.len() == 1 && script::is_spaced(term) => found,
            Ok(found) if found.len() == 1 => vec![found[0].trim_start_matches('▁').to_string()],
            _ => Vec::new(),
        },
    }
}
