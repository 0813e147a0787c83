//! The tokenizer inside a `.gguf`, as a `tokenizer.json`: byte-level BPE with its pre-tokenizer, or
//! SentencePiece tokens with scores as the BPE that gives the same segmentation.

use crate::format::gguf::{Gguf, Value as Meta};
use crate::token::Tokenizer;
use crate::token::engine::WHO;
use crate::{Error, Result, bail};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

pub(super) fn open(file: &Gguf) -> Result<Tokenizer> {
    let Some(kind) = file.text("tokenizer.ggml.model") else {
        bail!(WHO, "the file holds no tokenizer (there is no `tokenizer.ggml.model` in its metadata)");
    };
    let tokens = texts(file, "tokenizer.ggml.tokens")?;
    let mut spec = match kind {
        "gpt2" => byte_level(file, &tokens)?,
        "llama" => sentencepiece(file, &tokens)?,
        other => {
            return Err(Error::new(WHO, format!("the tokenizer kind `{other}` in a .gguf is not one of gpt2, llama"))
                .help("open the tokenizer.json of the same model"));
        }
    };
    spec["added_tokens"] = added(file, &tokens)?;
    spec["post_processor"] = around(file, &tokens, &spec["post_processor"]);
    Tokenizer::from_json(spec, config(file, &tokens))
}

fn texts<'a>(file: &'a Gguf, key: &str) -> Result<Vec<&'a str>> {
    let Some(list) = file.list(key) else { bail!(WHO, "the file has no list `{key}`") };
    let text = |value: &'a Meta| {
        value.as_text().ok_or_else(|| Error::new(WHO, format!("`{key}` holds something that is not a string")))
    };
    list.iter().map(text).collect()
}

fn vocabulary(tokens: &[&str]) -> Result<Map<String, Value>> {
    let mut vocab = Map::new();
    for (id, token) in tokens.iter().enumerate() {
        if let Some(before) = vocab.insert(token.to_string(), json!(id)) {
            bail!(WHO, "the token `{token}` has two ids, {before} and {id}");
        }
    }
    Ok(vocab)
}

fn byte_level(file: &Gguf, tokens: &[&str]) -> Result<Value> {
    let merges = texts(file, "tokenizer.ggml.merges")?;
    let pre = file.text("tokenizer.ggml.pre").unwrap_or("default");
    let (normalizer, splits) = pipeline(pre)?;
    let last = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
        "use_regex": splits.last().is_none_or(|split| split["type"] == "Digits"),
    });
    let pre_tokenizers: Vec<Value> = splits.into_iter().chain([last]).collect();
    Ok(json!({
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": pre_tokenizers},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "vocab": vocabulary(tokens)?, "merges": merges,
            "ignore_merges": matches!(pre, "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "pixtral"),
        },
    }))
}

/// What llama.cpp calls `pre`: the normalizer, and what splits text before the byte alphabet
/// (`src/llama-vocab.cpp`; a name that is not here would split wrongly without a word, so it is an error).
fn pipeline(pre: &str) -> Result<(Value, Vec<Value>)> {
    const CONTRACTIONS: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
    const REST: &str = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    let split = |numbers: &str| {
        let pattern = format!("{CONTRACTIONS}{numbers}{REST}");
        vec![json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})]
    };
    let digits = json!({"type": "Digits", "individual_digits": true});
    Ok(match pre {
        "gpt-2" | "gpt2" | "phi-2" | "default" | "olmo" | "jais" | "mellum" => (Value::Null, Vec::new()),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => {
            (Value::Null, vec![digits])
        }
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "pixtral" | "smaug-bpe" | "lfm2" | "dbrx" => {
            (Value::Null, split("\\p{N}{1,3}"))
        }
        "qwen2" | "deepseek-r1-qwen" | "megrez" => (json!({"type": "NFC"}), split("\\p{N}")),
        other => {
            return Err(Error::new(WHO, format!("the pre-tokenizer `{other}` in a .gguf is not known here"))
                .help("open the tokenizer.json of the same model"));
        }
    })
}

/// SentencePiece merges the neighbors whose joint token scores best: the same as BPE with a merge for every
/// way to write a token as two others, ordered by the score of the whole.
fn sentencepiece(file: &Gguf, tokens: &[&str]) -> Result<Value> {
    let scores = file.list("tokenizer.ggml.scores").unwrap_or_default();
    if scores.len() != tokens.len() {
        bail!(WHO, "there are {} scores for {} tokens", scores.len(), tokens.len());
    }
    let ids: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, token)| (*token, id)).collect();
    let mut merges = Vec::new();
    for (id, token) in tokens.iter().enumerate() {
        let score = scores[id].as_float().unwrap_or(f64::NEG_INFINITY);
        for (cut, _) in token.char_indices().skip(1) {
            if let (Some(&left), Some(&right)) = (ids.get(&token[..cut]), ids.get(&token[cut..])) {
                merges.push((score, id, left, right));
            }
        }
    }
    merges.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))));
    let merges: Vec<Value> = merges.iter().map(|&(.., left, right)| json!([tokens[left], tokens[right]])).collect();

    let prefix = file.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let space = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let mut normalizers = vec![space];
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let unk = id_of(file, "unknown").and_then(|id| tokens.get(id)).copied();
    Ok(json!({
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE", "vocab": vocabulary(tokens)?, "merges": merges,
            "unk_token": unk, "fuse_unk": true, "byte_fallback": true,
        },
    }))
}

/// Control tokens (type 3) and the unknown (2) are special; what a user defined (4) is only never split.
fn added(file: &Gguf, tokens: &[&str]) -> Result<Value> {
    let types = file.list("tokenizer.ggml.token_type").unwrap_or_default();
    if !types.is_empty() && types.len() != tokens.len() {
        bail!(WHO, "there are {} token types for {} tokens", types.len(), tokens.len());
    }
    let mut added = Vec::new();
    for (id, (kind, token)) in types.iter().zip(tokens).enumerate() {
        let special = match kind.as_int() {
            Some(2 | 3) => true,
            Some(4) => false,
            _ => continue,
        };
        added.push(json!({"id": id, "content": token, "special": special, "normalized": false}));
    }
    Ok(Value::Array(added))
}

fn id_of(file: &Gguf, name: &str) -> Option<usize> {
    file.int(&format!("tokenizer.ggml.{name}_token_id")).and_then(|id| usize::try_from(id).ok())
}

/// The beginning and end that the file asks to put around a text.
fn around(file: &Gguf, tokens: &[&str], before: &Value) -> Value {
    let llama = file.text("tokenizer.ggml.model") == Some("llama");
    let wanted = |key: &str, otherwise| file.bool(&format!("tokenizer.ggml.{key}")).unwrap_or(otherwise);
    let token = |name: &str, wanted: bool| id_of(file, name).filter(|id| wanted && *id < tokens.len());
    let bos = token("bos", wanted("add_bos_token", llama));
    let eos = token("eos", wanted("add_eos_token", false));
    if bos.is_none() && eos.is_none() {
        return before.clone();
    }
    let mark = |id: usize, part: u32| json!({"SpecialToken": {"id": tokens[id], "type_id": part}});
    let sequence = |name: &str, part: u32| {
        let begin = bos.map(|id| mark(id, part));
        let end = eos.map(|id| mark(id, part));
        let middle = json!({"Sequence": {"id": name, "type_id": part}});
        begin.into_iter().chain([middle]).chain(end).collect::<Vec<Value>>()
    };
    let special: Map<String, Value> = [bos, eos]
        .into_iter()
        .flatten()
        .map(|id| (tokens[id].to_string(), json!({"id": tokens[id], "ids": [id], "tokens": [tokens[id]]})))
        .collect();
    let pair: Vec<Value> = sequence("A", 0).into_iter().chain(sequence("B", 1)).collect();
    json!({"type": "TemplateProcessing", "single": sequence("A", 0), "pair": pair, "special_tokens": special})
}

/// What `tokenizer_config.json` would say.
fn config(file: &Gguf, tokens: &[&str]) -> Map<String, Value> {
    let mut config = Map::new();
    let names = [
        ("bos", "bos"),
        ("eos", "eos"),
        ("padding", "pad"),
        ("unknown", "unk"),
        ("mask", "mask"),
        ("cls", "cls"),
        ("seperator", "sep"),
    ];
    for (theirs, ours) in names {
        if let Some(token) = id_of(file, theirs).and_then(|id| tokens.get(id)) {
            config.insert(format!("{ours}_token"), json!(token));
        }
    }
    if let Some(template) = file.text("tokenizer.chat_template") {
        config.insert("chat_template".to_string(), json!(template));
    }
    config
}
