//! What the last extension of a tokenizer did, which is saved with it.

use crate::token::engine::WHO;
use crate::{Result, bail};
use serde_json::{Value, json};

/// What an extension did beside adding pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Growth {
    /// How many pieces there were before: new ids begin here, but for `replaced`.
    pub before: usize,
    /// Pieces that only help to make others.
    pub intermediate: usize,
    /// Words that were left out, and why.
    pub skipped: Vec<(String, String)>,
    /// Old ids that new pieces have now, ascending.
    pub replaced: Vec<u32>,
    /// Old pieces that could not be written before, and can since words are looked up first.
    pub awakened: usize,
}

impl Growth {
    /// Where `tokenizer_config.json` holds it; transformers passes over it.
    pub const KEY: &str = "levain_extension";

    pub fn saved(&self) -> Value {
        json!({
            "before": self.before, "intermediate": self.intermediate, "awakened": self.awakened, "replaced": self.replaced,
        })
    }

    /// Of a tokenizer of so many pieces.
    pub fn read(saved: &Value, pieces: usize) -> Result<Growth> {
        let count = |name: &str| -> Result<usize> {
            match saved[name].as_u64() {
                Some(count) if count <= pieces as u64 => Ok(count as usize),
                _ => bail!(WHO, "`{}` has {name} {}, for {pieces} pieces", Growth::KEY, saved[name]),
            }
        };
        let mut growth = Growth {
            before: count("before")?,
            intermediate: count("intermediate")?,
            awakened: count("awakened")?,
            ..Growth::default()
        };
        for id in saved["replaced"].as_array().into_iter().flatten() {
            match id.as_u64().and_then(|id| u32::try_from(id).ok()) {
                Some(id) if (id as usize) < pieces && growth.replaced.last().is_none_or(|last| *last < id) => {
                    growth.replaced.push(id);
                }
                _ => bail!(WHO, "`{}` has the replaced id {id}, out of order or beyond {pieces} pieces", Growth::KEY),
            }
        }
        Ok(growth)
    }
}
