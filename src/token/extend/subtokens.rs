//! One tokenizer's tokens as another one writes them.

use crate::token::Tokenizer;
use crate::token::engine::told;
use crate::{Result, bail};
use rayon::prelude::*;
use std::collections::HashMap;
use tokenizers::Model;

/// Rows of ids in which new tokens are written with old ones.
pub struct SplitRows {
    pub rows: Vec<Vec<u32>>,
    /// For each token of the rows that were given, the position in its new row at which it ends.
    pub ends: Vec<Vec<usize>>,
}

impl Tokenizer {
    /// The ids of tokens that `old` has not, ascending.
    pub fn new_ids(&self, old: &Tokenizer) -> Vec<u32> {
        (0..self.len() as u32).filter(|id| old.id(&self.tokens()[*id as usize]).is_none()).collect()
    }

    /// For each token, the id of the same token in another tokenizer.
    pub fn map_ids(&self, other: &Tokenizer) -> Vec<Option<u32>> {
        self.tokens().iter().map(|token| other.id(token)).collect()
    }

    /// For each token that `old` has not, in id order, the ids with which `old` writes it.
    pub fn subtokens(&self, old: &Tokenizer) -> Result<Vec<Vec<u32>>> {
        let model = old.engine().get_model();
        let added = self.engine().get_added_tokens_decoder();
        let ids = |id: &u32| -> Result<Vec<u32>> {
            let token = &self.tokens()[*id as usize];
            // an added token is text, not letters of the model
            if added.contains_key(id) {
                return old.ids(token, false);
            }
            Ok(model.tokenize(token).map_err(told)?.iter().map(|token| token.id).collect())
        };
        self.new_ids(old).par_iter().map(ids).collect()
    }

    /// Rows of ids as `old` would write them: each token that `old` has not as its subtokens.
    pub fn split_new(&self, old: &Tokenizer, rows: &[Vec<u32>]) -> Result<SplitRows> {
        let known = self.map_ids(old);
        let subtokens: HashMap<u32, Vec<u32>> = self.new_ids(old).into_iter().zip(self.subtokens(old)?).collect();
        let mut split = SplitRows { rows: Vec::with_capacity(rows.len()), ends: Vec::with_capacity(rows.len()) };
        for row in rows {
            let (mut ids, mut ends) = (Vec::with_capacity(2 * row.len()), Vec::with_capacity(row.len()));
            for id in row {
                match (subtokens.get(id), known.get(*id as usize)) {
                    (Some(parts), _) => ids.extend(parts),
                    (None, Some(Some(same))) => ids.push(*same),
                    _ => bail!("split_new", "id {id} is outside the {} tokens of the tokenizer", self.len()),
                }
                ends.push(ids.len().saturating_sub(1));
            }
            split.rows.push(ids);
            split.ends.push(ends);
        }
        Ok(split)
    }
}
