//! Masked language modeling (Devlin et al. 2019): masks of a batch's tokens, drawn anew in each pass over the rows.
//!
//! The mask of a row is a function only of the seed, the pass and the row's index: a resumed run masks the same tokens, on any
//! number of threads, in batches of any size.

pub mod encode;

use super::Batch;
use crate::tensor::Rng;
use crate::token::Tokenizer;
use crate::{Error, Result, bail};
use std::ops::Range;
use std::sync::Arc;

/// The unit of tokens that are never masked: special tokens, and unknown ones.
pub const NEVER: u32 = u32::MAX;

/// Tokens that are masked when batched.
pub struct MaskedTokens {
    pub masking: Arc<Masking>,
    /// The unit of each token.
    pub units: Vec<u32>,
    /// BERT's sentence A and B.
    pub types: Vec<u8>,
}

impl MaskedTokens {
    pub fn new(masking: Arc<Masking>) -> MaskedTokens {
        MaskedTokens { masking, units: Vec::new(), types: Vec::new() }
    }

    pub fn push(&mut self, types: &[u32], units: &[u32]) {
        self.units.extend(units);
        self.types.extend(types.iter().map(|&kind| kind as u8));
    }

    /// Expected number of predicted tokens among these.
    pub fn expected(&self, sequences: &[(usize, usize)]) -> usize {
        let units = sequences.iter().flat_map(|&(start, end)| &self.units[start..end]);
        (units.filter(|&&unit| unit != NEVER).count() as f64 * self.masking.probability).ceil() as usize
    }
}

/// How tokens are masked.
#[derive(Clone, Debug)]
pub struct Masking {
    /// The probability that a unit (a token, or a word) is predicted.
    probability: f64,
    /// The shares of its tokens that become `[MASK]` and a random token; the rest is unchanged.
    masked: f64,
    random: f64,
    /// The id of `[MASK]`.
    mask: u32,
    /// The candidates for a random token: all ids that are not special.
    others: Vec<u32>,
    rng: Rng,
}

/// The options, before a tokenizer is known.
#[derive(Clone, Copy, Debug)]
pub struct MaskShares {
    pub probability: f64,
    pub masked: f64,
    pub random: f64,
    pub seed: u64,
}

impl Masking {
    pub fn new(who: &str, tokenizer: &Tokenizer, shares: MaskShares) -> Result<Masking> {
        let MaskShares { probability, masked, random, seed } = shares;
        for (name, share) in
            [("mlm_probability", probability), ("mask_replace_prob", masked), ("random_replace_prob", random)]
        {
            if !(0.0..=1.0).contains(&share) {
                bail!(who, "`{name}` is {share}, and a probability is from 0 to 1");
            }
        }
        if probability == 0.0 {
            bail!(who, "`mlm_probability` is 0: nothing would be predicted");
        }
        if masked + random > 1.0 + 1e-9 {
            bail!(who, "`mask_replace_prob` {masked} and `random_replace_prob` {random} are more than 1 together");
        }
        let Some(mask) = tokenizer.special("mask") else {
            return Err(Error::new(who, "the tokenizer has no mask token")
                .help("masked models come with one, `[MASK]` or `<mask>`: `tok.mask` is its id"));
        };
        let is_word =
            |id: &u32| !tokenizer.is_special(*id) && tokenizer.token(*id).is_some_and(|token| !token.is_empty());
        let others = (0..tokenizer.len() as u32).filter(is_word).collect();
        Ok(Masking { probability, masked, random, mask, others, rng: Rng::new(seed).split("mask") })
    }

    /// Masks the tokens of a batch of these rows in a pass over them. `units` has the unit of every token, including padding:
    /// neighbors of one unit are masked together.
    pub fn apply(&self, batch: &mut Batch, units: &[u32], rows: &[usize], pass: u64) {
        let rng = self.rng.split(pass);
        for (at, &row) in rows.iter().enumerate() {
            self.mask_row(batch, units, at * batch.length..(at + 1) * batch.length, &mut rng.split(row as u64));
        }
    }

    fn mask_row(&self, batch: &mut Batch, units: &[u32], row: Range<usize>, rng: &mut Rng) {
        let mut start = row.start;
        while start < row.end {
            let unit = (batch.segments[start], units[start]);
            let same = |at: &usize| (batch.segments[*at], units[*at]) == unit;
            let end = (start + 1..row.end).find(|at| !same(at)).unwrap_or(row.end);
            if unit.1 != NEVER && rng.uniform() < self.probability {
                (start..end).for_each(|at| self.hide(batch, at, rng));
            }
            start = end;
        }
    }

    /// Makes a token a target, and masks it or not.
    fn hide(&self, batch: &mut Batch, at: usize, rng: &mut Rng) {
        batch.labels[at] = i64::from(batch.ids[at]);
        let drawn = rng.uniform();
        if drawn < self.masked {
            batch.ids[at] = self.mask;
        } else if drawn < self.masked + self.random && !self.others.is_empty() {
            batch.ids[at] = self.others[rng.below(self.others.len() as u64) as usize];
        }
    }
}
