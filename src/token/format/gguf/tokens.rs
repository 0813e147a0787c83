//! The tokens of a `.gguf`: special tokens, named ids, and the tokens around a text.

use crate::format::gguf::{Gguf, Value as Meta};
use crate::token::engine::WHO;
use crate::{Error, Result, bail};
use serde_json::{Map, Value, json};

/// Names that llama.cpp treats as special whatever type a file gives them: ends of turns and texts, and code markers.
const CONTROL: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
    "<|eom_id|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "</s>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "[e~[",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|fim_pad|>",
    "<|fim_repo|>",
    "<|file_sep|>",
];

/// gpt-oss tokens that are always shown.
const SHOWN: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

pub fn texts<'a>(file: &'a Gguf, key: &str) -> Result<Vec<&'a str>> {
    let Some(list) = file.list(key) else { bail!(WHO, "the file has no list `{key}`") };
    let text = |value: &'a Meta| {
        value.as_text().ok_or_else(|| Error::new(WHO, format!("`{key}` holds something that is not a string")))
    };
    list.iter().map(text).collect()
}

/// Ids by token. An empty token has llama.cpp's name for it.
pub fn vocabulary(tokens: &[String]) -> Result<Map<String, Value>> {
    let mut vocab = Map::new();
    for (id, token) in tokens.iter().enumerate() {
        if let Some(before) = vocab.insert(token.clone(), json!(id)) {
            bail!(WHO, "the token `{token}` has two ids, {before} and {id}");
        }
    }
    Ok(vocab)
}

/// The type of a token (`llama_token_type`).
pub mod kinds {
    pub const NORMAL: i64 = 1;
    pub const UNKNOWN: i64 = 2;
    pub const CONTROL: i64 = 3;
    pub const USER_DEFINED: i64 = 4;
    pub const UNUSED: i64 = 5;
    pub const BYTE: i64 = 6;
}

/// The type of each token; normal if the file does not specify it.
pub fn types(file: &Gguf, tokens: &[String]) -> Result<Vec<i64>> {
    let given = file.list("tokenizer.ggml.token_type").unwrap_or_default();
    if !given.is_empty() && given.len() < tokens.len() {
        bail!(WHO, "there are {} token types for {} tokens", given.len(), tokens.len());
    }
    let of = |(id, token): (usize, &String)| {
        let given = given.get(id).and_then(Meta::as_int).unwrap_or(kinds::NORMAL);
        match token.as_str() {
            token if SHOWN.contains(&token) => kinds::USER_DEFINED,
            token if CONTROL.contains(&token) => kinds::CONTROL,
            _ => given,
        }
    };
    Ok(tokens.iter().enumerate().map(of).collect())
}

/// Control tokens and the unknown token are special; user-defined ones are only never split.
pub fn added(file: &Gguf, tokens: &[String], types: &[i64]) -> Value {
    let model = file.text("general.name").unwrap_or_default().to_lowercase();
    let phi = model.contains("phi-3") || model.contains("phi3");
    let pre = file.text("tokenizer.ggml.pre").unwrap_or_default();
    let mask = match pre {
        "jina-v2-de" | "jina-v2-es" | "jina-v2-code" => "<mask>",
        _ if model.contains("modern-bert") => "[MASK]",
        _ => "",
    };
    let mut added = Vec::new();
    for (id, (kind, token)) in types.iter().zip(tokens).enumerate() {
        if !matches!(*kind, kinds::UNKNOWN | kinds::CONTROL | kinds::USER_DEFINED) {
            continue;
        }
        added.push(json!({
            "id": id, "content": token, "special": *kind != kinds::USER_DEFINED, "normalized": false,
            "rstrip": phi && !["<unk>", "<s>", "<|endoftext|>"].contains(&token.as_str()),
            "lstrip": !mask.is_empty() && token == mask,
        }));
    }
    Value::Array(added)
}

/// llama.cpp's default ids for a kind of tokenizer: bos, eos, unknown, separator, padding.
fn usual(kind: &str) -> [Option<usize>; 5] {
    match kind {
        "llama" => [Some(1), Some(2), Some(0), None, None],
        "bert" => [Some(101), None, Some(100), Some(102), Some(0)],
        "t5" => [None, Some(1), Some(2), None, Some(0)],
        _ => [None; 5],
    }
}

/// The id of a named token.
pub fn id_of(file: &Gguf, name: &str, count: usize) -> Option<usize> {
    let said = file.int(&format!("tokenizer.ggml.{name}_token_id")).and_then(|id| usize::try_from(id).ok());
    let slot = ["bos", "eos", "unknown", "seperator", "padding"].iter().position(|known| *known == name);
    let kind = file.text("tokenizer.ggml.model").unwrap_or_default();
    said.filter(|id| *id < count).or_else(|| usual(kind)[slot?]).filter(|id| *id < count)
}

/// The equivalent of `tokenizer_config.json`.
pub fn config(file: &Gguf, tokens: &[String]) -> Map<String, Value> {
    let mut config = Map::new();
    // llama.cpp's name for BERT's first token
    let first = if file.text("tokenizer.ggml.model") == Some("bert") { "cls" } else { "bos" };
    let names = [
        ("bos", first),
        ("eos", "eos"),
        ("padding", "pad"),
        ("unknown", "unk"),
        ("mask", "mask"),
        ("cls", "cls"),
        ("seperator", "sep"),
    ];
    for (theirs, ours) in names {
        if let Some(id) = id_of(file, theirs, tokens.len()) {
            config.insert(format!("{ours}_token"), json!(tokens[id]));
        }
    }
    if let Some(template) = file.text("tokenizer.chat_template") {
        config.insert("chat_template".to_string(), json!(template));
    }
    config
}

/// A metadata entry, without the tokenizer prefix.
pub type Entry = (&'static str, Meta);

pub fn list(values: impl Iterator<Item = Meta>) -> Meta {
    Meta::List(values.collect())
}
