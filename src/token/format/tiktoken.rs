//! The lines of tiktoken (`base64 rank`), as Llama 3 was first published: byte-level BPE whose order of merges is that of
//! its tokens. Read as transformers converts it: with Llama 3's expression, and each word that is a token taken whole.

use super::assemble::complete;
use super::class::Class;
use super::config::Settings;
use super::pipeline::{self, by_ids};
use crate::token::engine::WHO;
use crate::token::words::split::LLAMA3;
use crate::token::{Tokenizer, alphabet, base64};
use crate::{Result, bail};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Whether a file's first line is of this form.
pub fn is(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.len() < 4096 && entry(line).is_some()
}

fn entry(line: &[u8]) -> Option<(Vec<u8>, u64)> {
    let text = std::str::from_utf8(line).ok()?;
    let (token, rank) = text.trim_end().split_once(' ')?;
    Some((base64::decode(token.as_bytes())?, rank.parse().ok()?))
}

pub fn open(bytes: &[u8], mut settings: Settings) -> Result<Tokenizer> {
    let mut ranks: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut tokens: Vec<(Vec<u8>, u64)> = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let Some((token, rank)) = entry(line) else { bail!(WHO, "line {} is not `base64 rank`", number + 1) };
        ranks.insert(token.clone(), rank);
        tokens.push((token, rank));
    }
    let spelled = |bytes: &[u8]| bytes.iter().map(|byte| alphabet::letters()[usize::from(*byte)]).collect::<String>();
    let mut merges: Vec<(u64, u64, u64, Value)> = Vec::new();
    for (token, rank) in &tokens {
        for cut in 1..token.len() {
            let (left, right) = token.split_at(cut);
            if let (Some(a), Some(b)) = (ranks.get(left), ranks.get(right)) {
                merges.push((*rank, *a, *b, json!([spelled(left), spelled(right)])));
            }
        }
    }
    merges.sort_by_key(|(rank, left, right, _)| (*rank, *left, *right));
    let vocab: Map<String, Value> = tokens.iter().map(|(token, rank)| (spelled(token), json!(rank))).collect();
    let merges = merges.into_iter().map(|(.., merge)| merge).collect();
    settings.class = Class::AsItIs;
    let mut spec = pipeline::byte_level(
        by_ids(vocab, merges),
        Value::Null,
        vec![pipeline::split(LLAMA3), pipeline::bytes(false, false)],
    );
    spec["model"]["ignore_merges"] = json!(true);
    complete(spec, settings)
}
