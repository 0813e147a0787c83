//! The roles of special tokens: beginning of a text, end, padding, and so on.

use crate::token::engine::Engine;
use serde_json::{Map, Value};

/// The named special tokens, as properties of a tokenizer.
pub const SPECIALS: [&str; 7] = ["bos", "eos", "pad", "unk", "mask", "cls", "sep"];

/// Usual names of each: used only if no file specifies it, and only for tokens marked as special.
const USUAL: [&[&str]; 7] = [
    &["<s>", "<|begin_of_text|>", "<bos>", "<|startoftext|>"],
    &["</s>", "<|end_of_text|>", "<eos>", "<|endoftext|>"],
    &["<pad>", "[PAD]", "<|pad|>"],
    &["<unk>", "[UNK]"],
    &["[MASK]", "<mask>"],
    &["[CLS]", "<cls>"],
    &["[SEP]", "<sep>"],
];

/// The id of each of [`SPECIALS`].
pub type SpecialIds = [Option<u32>; 7];

/// Reads `bos_token` and so on from `tokenizer_config.json` or `special_tokens_map.json`, then tries the usual names.
pub fn find(engine: &Engine, config: &Map<String, Value>) -> SpecialIds {
    let mut ids = SpecialIds::default();
    for (slot, name) in SPECIALS.iter().enumerate() {
        let entry = config.get(&format!("{name}_token"));
        let said = entry.and_then(|entry| entry.as_str().or_else(|| entry.get("content")?.as_str()));
        // `null` means there is none
        let silent = entry.is_none();
        ids[slot] = match said {
            Some(token) => engine.token_to_id(token),
            None if silent => usual(engine, slot),
            None => None,
        };
    }
    ids
}

fn usual(engine: &Engine, slot: usize) -> Option<u32> {
    let special = |token: &&&str| engine.get_added_vocabulary().is_special_token(token);
    USUAL[slot].iter().filter(special).find_map(|token| engine.token_to_id(token))
}
