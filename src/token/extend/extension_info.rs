//! What the last extension of a tokenizer did, which is saved with it.

use crate::token::engine::WHO;
use crate::{Result, bail};
use serde_json::{Value, json};

/// What an extension did beside adding tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExtensionInfo {
    /// How many tokens there were before: new ids begin here, but for `replaced`.
    pub before: usize,
    /// Tokens that only help to make others.
    pub intermediate: usize,
    /// Words that were left out, and why.
    pub skipped: Vec<(String, String)>,
    /// Old ids that new tokens have now, ascending.
    pub replaced: Vec<u32>,
    /// Old tokens that could not be written before, and can since words are looked up first.
    pub awakened: usize,
}

impl ExtensionInfo {
    /// Where `tokenizer_config.json` holds it; transformers passes over it.
    pub const KEY: &str = "levain_extension";

    pub fn saved(&self) -> Value {
        json!({
            "before": self.before, "intermediate": self.intermediate, "awakened": self.awakened, "replaced": self.replaced,
        })
    }

    /// Of a tokenizer of so many tokens.
    pub fn read(saved: &Value, tokens: usize) -> Result<ExtensionInfo> {
        let count = |name: &str| -> Result<usize> {
            match saved[name].as_u64() {
                Some(count) if count <= tokens as u64 => Ok(count as usize),
                _ => bail!(WHO, "`{}` has {name} {}, for {tokens} tokens", ExtensionInfo::KEY, saved[name]),
            }
        };
        let mut extension = ExtensionInfo {
            before: count("before")?,
            intermediate: count("intermediate")?,
            awakened: count("awakened")?,
            ..ExtensionInfo::default()
        };
        for id in saved["replaced"].as_array().into_iter().flatten() {
            match id.as_u64().and_then(|id| u32::try_from(id).ok()) {
                Some(id) if (id as usize) < tokens && extension.replaced.last().is_none_or(|last| *last < id) => {
                    extension.replaced.push(id);
                }
                _ => bail!(
                    WHO,
                    "`{}` has the replaced id {id}, out of order or beyond {tokens} tokens",
                    ExtensionInfo::KEY
                ),
            }
        }
        Ok(extension)
    }
}
