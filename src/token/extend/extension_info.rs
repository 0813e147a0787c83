//! The record of a tokenizer's last extension, saved with it.

use crate::token::engine::WHO;
use crate::{Result, bail};
use serde_json::{Value, json};

/// The effects of an extension besides new tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExtensionInfo {
    /// Vocabulary size before: new ids start here, except those in `replaced`.
    pub before: usize,
    /// Number of intermediate tokens, needed to merge others.
    pub intermediate: usize,
    /// Skipped words, with the reason.
    pub skipped: Vec<(String, String)>,
    /// Old ids that now belong to new tokens, ascending.
    pub replaced: Vec<u32>,
    /// Number of old tokens that became reachable because words are now looked up first.
    pub awakened: usize,
}

impl ExtensionInfo {
    /// Its key in `tokenizer_config.json`; transformers ignores it.
    pub const KEY: &str = "levain_extension";

    pub fn saved(&self) -> Value {
        json!({
            "before": self.before, "intermediate": self.intermediate, "awakened": self.awakened, "replaced": self.replaced,
        })
    }

    /// Reads the record of a tokenizer with `tokens` entries.
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
