//! One tokenizer's tokens as encoded by another.

use crate::Result;
use crate::token::Tokenizer;
use crate::token::engine::told;
use rayon::prelude::*;
use tokenizers::Model;

impl Tokenizer {
    /// The ids of tokens missing in `old`, ascending.
    pub fn new_ids(&self, old: &Tokenizer) -> Vec<u32> {
        (0..self.len() as u32).filter(|id| old.id(&self.tokens()[*id as usize]).is_none()).collect()
    }

    /// For each token, the id of the same token in another tokenizer.
    pub fn map_ids(&self, other: &Tokenizer) -> Vec<Option<u32>> {
        self.tokens().iter().map(|token| other.id(token)).collect()
    }

    /// For each token missing in `old`, in id order, the ids with which `old` encodes it.
    pub fn subtokens(&self, old: &Tokenizer) -> Result<Vec<Vec<u32>>> {
        let model = old.engine().get_model();
        let added = self.engine().get_added_tokens_decoder();
        let ids = |id: &u32| -> Result<Vec<u32>> {
            let token = &self.tokens()[*id as usize];
            // an added token is text, not letters of the model's alphabet
            if added.contains_key(id) {
                return old.ids(token, false);
            }
            Ok(model.tokenize(token).map_err(told)?.iter().map(|token| token.id).collect())
        };
        self.new_ids(old).par_iter().map(ids).collect()
    }
}
