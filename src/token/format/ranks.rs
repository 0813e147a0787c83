//! Byte-level BPE as a table of ranks, tiktoken's format: the pair of lowest rank is merged first.

use super::pipeline::{Vocabulary, by_ids};
use crate::token::engine::WHO;
use crate::token::{alphabet, base64};
use crate::{Result, bail};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Tokens and their ranks, in file order.
#[derive(Default)]
pub struct Ranks {
    tokens: Vec<(Vec<u8>, u64)>,
    ranks: HashMap<Vec<u8>, u64>,
}

impl Ranks {
    pub fn push(&mut self, token: Vec<u8>, rank: u64) -> Result<()> {
        if let Some(other) = self.ranks.insert(token.clone(), rank) {
            bail!(WHO, "ranks {other} and {rank} are of one token, {:?}", String::from_utf8_lossy(&token));
        }
        self.tokens.push((token, rank));
        Ok(())
    }

    /// The id after the last.
    pub fn end(&self) -> u64 {
        self.tokens.iter().map(|(_, rank)| rank + 1).max().unwrap_or(0)
    }

    /// The vocabulary, with each id `by` more than its rank, and the merges implied by the ranks.
    pub fn vocabulary(&self, by: u64) -> Vocabulary {
        let mut merges: Vec<(u64, u64, u64, Value)> = Vec::new();
        for (token, rank) in &self.tokens {
            for cut in 1..token.len() {
                let (left, right) = token.split_at(cut);
                if let (Some(a), Some(b)) = (self.ranks.get(left), self.ranks.get(right)) {
                    merges.push((*rank, *a, *b, json!([spelled(left), spelled(right)])));
                }
            }
        }
        merges.sort_by_key(|(rank, left, right, _)| (*rank, *left, *right));
        let vocab: Map<String, Value> =
            self.tokens.iter().map(|(token, rank)| (spelled(token), json!(rank + by))).collect();
        by_ids(vocab, merges.into_iter().map(|(.., merge)| merge).collect())
    }
}

/// Bytes in the byte-level alphabet.
fn spelled(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| alphabet::letters()[usize::from(*byte)]).collect()
}

/// The bytes of a token in the file.
pub fn decoded(token: &str) -> Option<Vec<u8>> {
    base64::decode(token.as_bytes()).filter(|bytes| !bytes.is_empty())
}
