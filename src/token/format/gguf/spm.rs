//! Tokens with scores. SentencePiece's BPE merges the neighbors whose joint token scores highest, the leftmost in a tie: one
//! merge for each way to write a token as two others, by the score of the whole. Unigram keeps its scores.

use super::tokens::{kinds, vocabulary};
use crate::format::gguf::Gguf;
use crate::token::base64;
use crate::token::engine::{LEVELS, WHO};
use crate::token::format::pipeline::{sequence, spaces_back};
use crate::{Result, bail};
use serde_json::{Value, json};
use std::collections::HashMap;

fn scores(file: &Gguf, count: usize) -> Result<Vec<f64>> {
    let scores = file.list("tokenizer.ggml.scores").unwrap_or_default();
    if scores.len() < count {
        bail!(WHO, "there are {} scores for {count} tokens", scores.len());
    }
    scores[..count]
        .iter()
        .map(|score| match score.as_float() {
            Some(score) if !score.is_nan() => Ok(score),
            _ => bail!(WHO, "`tokenizer.ggml.scores` holds something that is not a number"),
        })
        .collect()
}

/// A merge: its score, the whole, and its halves.
type Merge = (f64, usize, usize, usize);

pub fn bpe(file: &Gguf, tokens: &[String], unknown: Option<usize>) -> Result<Value> {
    let scores = scores(file, tokens.len())?;
    let ids: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
    let mut merges: Vec<Merge> = Vec::new();
    for (id, token) in tokens.iter().enumerate() {
        for (cut, _) in token.char_indices().skip(1) {
            if let (Some(&left), Some(&right)) = (ids.get(&token[..cut]), ids.get(&token[cut..])) {
                merges.push((scores[id], id, left, right));
            }
        }
    }
    merges.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))));
    let levels = levels(&merges);
    let written: Vec<Value> = merges.iter().map(|&(.., left, right)| json!([tokens[left], tokens[right]])).collect();

    let prefix = file.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let mut normalizers = vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})];
    if prefix {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
    }
    let mut model = json!({
        "type": "BPE", "unk_token": unknown.map(|id| tokens[id].as_str()), "fuse_unk": true, "byte_fallback": true,
    });
    model["vocab"] = Value::Object(vocabulary(tokens)?);
    model["merges"] = Value::Array(written);
    if let Some(levels) = levels {
        model[LEVELS] = json!(levels);
    }
    let mut spec = json!({"normalizer": sequence(normalizers), "decoder": spaces_back(prefix)});
    spec["model"] = model;
    Ok(spec)
}

/// The level of each merge, if tokens tie: such merges are applied from left to right. `None` if all scores differ, so that the
/// order of merges suffices.
fn levels(merges: &[Merge]) -> Option<Vec<u32>> {
    let tie = |two: &[Merge]| two[0].0 == two[1].0 && two[0].1 != two[1].1;
    if !merges.windows(2).any(tie) {
        return None;
    }
    let mut level = 0;
    let mut levels = vec![0; merges.len().min(1)];
    for two in merges.windows(2) {
        level += u32::from(two[0].0 != two[1].0);
        levels.push(level);
    }
    Some(levels)
}

/// T5's kind. White space is handled as in SentencePiece: runs of spaces are reduced to one, or kept.
pub fn unigram(file: &Gguf, tokens: &[String], types: &[i64], unknown: Option<usize>) -> Result<Value> {
    let scores = scores(file, tokens.len())?;
    let flag = |name: &str| file.bool(&format!("tokenizer.ggml.{name}")).unwrap_or(false);
    let replace = |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
    let mut normalizers = Vec::new();
    if let Some(map) = file.list("tokenizer.ggml.precompiled_charsmap").filter(|map| !map.is_empty()) {
        let map: Option<Vec<u8>> = map.iter().map(|byte| byte.as_int().map(|byte| byte as u8)).collect();
        let Some(map) = map else {
            bail!(WHO, "`tokenizer.ggml.precompiled_charsmap` holds something that is not a byte")
        };
        normalizers.push(json!({"type": "Precompiled", "precompiled_charsmap": base64::encode(&map)}));
    }
    if flag("remove_extra_whitespaces") {
        normalizers.push(replace(json!({"Regex": r"\A +| +\z"}), ""));
        normalizers.push(replace(json!({"Regex": " {2,}"}), " "));
    }
    normalizers.push(replace(json!({"String": " "}), "▁"));
    let prefix = flag("add_space_prefix") || flag("remove_extra_whitespaces");
    let scheme = if prefix { "always" } else { "never" };
    // a user-defined token always wins
    let score = |id: usize| if types[id] == kinds::USER_DEFINED { 0.0 } else { scores[id] };
    let rows: Vec<Value> = tokens.iter().enumerate().map(|(id, token)| json!([token, score(id)])).collect();
    let metaspace = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false});
    Ok(json!({
        "normalizer": sequence(normalizers),
        "pre_tokenizer": metaspace,
        "decoder": spaces_back(prefix),
        "model": {"type": "Unigram", "unk_id": unknown, "vocab": rows, "byte_fallback": false},
    }))
}

/// BERT's kind: llama.cpp writes `▁` before tokens that begin a word, BERT writes `##` before those that do not.
pub fn wordpiece(tokens: &[String], types: &[i64]) -> Vec<String> {
    let plain = |(id, token): (usize, &String)| {
        if types[id] != kinds::NORMAL {
            return token.clone();
        }
        match token.strip_prefix('▁') {
            Some(begin) => begin.to_string(),
            None => format!("##{token}"),
        }
    };
    tokens.iter().enumerate().map(plain).collect()
}
