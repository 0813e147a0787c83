//! Rows for replaced-token detection (Clark et al. 2020, ELECTRA): a generator's guesses in the places of masked tokens, and which
//! tokens are no longer the text's own.

use super::Model;
use super::fill_mask::MaskGuess;
use super::rows::TokenRows;
use crate::Result;
use crate::tensor::Rng;

/// Ids with guesses among them, and for each token whether it was replaced: -100 of padding.
pub struct Replaced {
    pub ids: Vec<u32>,
    pub labels: Vec<i64>,
}

impl Model {
    /// Draws an id for every token with a label, by this model's probabilities. A guess that hits is no replacement.
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
