//! Rows for replaced-token detection (Clark et al. 2020, ELECTRA): a generator's samples in place of masked tokens, and labels of
//! replaced tokens.

use super::Model;
use super::fill_mask::MaskGuess;
use super::rows::TokenRows;
use crate::Result;
use crate::tensor::Rng;

/// Ids with sampled replacements, and for each token whether it was replaced: -100 for padding.
pub struct Replaced {
    pub ids: Vec<u32>,
    pub labels: Vec<i64>,
}

impl Model {
    /// Samples an id for every labeled token from this model's probabilities. A sample equal to the original is not a
    /// replacement.
    pub fn replace_masked(&self, rows: &TokenRows, rng: &Rng) -> Result<Replaced> {
        let guesses = self.draw_masked("replace_masked", rows, rng)?;
        let mut ids = rows.ids.to_vec();
        let padding = |at: usize| rows.segments.is_some_and(|segments| segments[at] == 0);
        let mut labels: Vec<i64> = (0..ids.len()).map(|at| if padding(at) { -100 } else { 0 }).collect();
        for MaskGuess { place, label, top, .. } in guesses {
            let drawn = top.first().map_or(label, |(id, _)| *id);
            ids[place] = drawn;
            labels[place] = i64::from(drawn != label);
        }
        Ok(Replaced { ids, labels })
    }
}
