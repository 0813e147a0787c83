//! A tokenizer as `.gguf` metadata. llama.cpp identifies the pre-tokenizer only by a name, so the name is chosen by its behavior;
//! anything without a name or key is an error.

use super::pre::{NAMES, PreTokenizer};
use super::tokens::{Entry, kinds, list};
use super::unigram;
use crate::format::gguf::{Gguf, Value as Meta};
use crate::token::format::pipeline::steps;
use crate::token::{Tokenizer, TokenizerKind, engine};
use crate::{Error, Result, progress};
use serde_json::{Value, json};
use std::collections::HashMap;

const WHO: &str = "save";

impl Tokenizer {
    /// The tokenizer in a `.gguf`.
    pub fn of_gguf(file: &Gguf) -> Result<Tokenizer> {
        super::open(file)
    }

    /// The `.gguf` metadata for a model with `rows` embedding rows; those beyond the tokens are unused.
    pub fn gguf_metadata(&self, rows: usize) -> Result<Vec<(String, Meta)>> {
        if self.len() > rows {
            let error = format!("the tokenizer has {} tokens, and the model {rows} embedding rows", self.len());
            return Err(Error::new(WHO, error).help("`net.resize_embeddings(tok.len)` grows them"));
        }
        let spec = engine::describe(self.engine())?;
        let mut metadata = match self.kind() {
            TokenizerKind::ByteLevel => byte_level(&spec)?,
            TokenizerKind::ByteFallback => sentencepiece(self, &spec, rows)?,
            TokenizerKind::WordPiece => wordpiece(&spec)?,
            TokenizerKind::Unigram => unigram::metadata(&spec, rows)?,
            other => {
                return Err(Error::new(WHO, format!("a tokenizer of the kind {other} is not written into a .gguf"))
                    .help("byte-level BPE, BPE with byte fallback, WordPiece and Unigram are"));
            }
        };
        let types = types(self, &spec, rows);
        let words = self.kind() == TokenizerKind::WordPiece;
        let token = |id: usize| match name(self, id) {
            token if words && types[id] == kinds::NORMAL => of_word(&token),
            token => token,
        };
        metadata.push(("tokens", list((0..rows).map(|id| Meta::Text(token(id))))));
        metadata.push(("token_type", list(types.iter().copied().map(Meta::Int))));
        let ids = [
            ("bos", "bos_token_id"),
            ("eos", "eos_token_id"),
            ("pad", "padding_token_id"),
            ("unk", "unknown_token_id"),
            ("sep", "seperator_token_id"),
            ("mask", "mask_token_id"),
        ];
        for (own, key) in ids {
            metadata.extend(self.special(own).map(|id| (key, Meta::Int(id.into()))));
        }
        if let Some(unknown) = spec["model"]["unk_id"].as_i64().filter(|_| self.unk().is_none()) {
            metadata.push(("unknown_token_id", Meta::Int(unknown)));
        }
        // llama.cpp calls BERT's first token BOS
        let first = self.bos().or_else(|| self.special("cls").filter(|_| words));
        if self.bos().is_none() {
            metadata.extend(first.map(|id| ("bos_token_id", Meta::Int(id.into()))));
        }
        let (plain, around) = (self.ids("a", false)?, self.ids("a", true)?);
        let begins = around.len() > plain.len() && around.first().copied() == first && first.is_some();
        let ends = around.len() > plain.len() && around.last().copied() == self.eos() && self.eos().is_some();
        metadata.push(("add_bos_token", Meta::Bool(begins)));
        metadata.push(("add_eos_token", Meta::Bool(ends)));
        let named = metadata.into_iter().map(|(key, value)| (format!("tokenizer.ggml.{key}"), value));
        let template = self.own_template().map(|text| ("tokenizer.chat_template".to_string(), Meta::Text(text.into())));
        Ok(named.chain(template).collect())
    }
}

/// The entry for an id: its token, or the converter's name for a row without one.
fn name(tok: &Tokenizer, id: usize) -> String {
    match tok.token(id as u32).filter(|token| !token.is_empty()) {
        Some(token) => token.to_string(),
        None => format!("[PAD{id}]"),
    }
}

/// llama.cpp's type of each token: added tokens are matched before text is split.
fn types(tok: &Tokenizer, spec: &Value, rows: usize) -> Vec<i64> {
    let added: HashMap<u64, bool> = spec["added_tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|token| Some((token["id"].as_u64()?, token["special"] == true)))
        .collect();
    let bytes = tok.kind() == TokenizerKind::ByteFallback;
    let unknown = match tok.kind() {
        TokenizerKind::Unigram => spec["model"]["unk_id"].as_u64(),
        _ => tok.unk().filter(|_| bytes).map(u64::from),
    };
    let of = |id: usize| match tok.token(id as u32).filter(|token| !token.is_empty()) {
        None => kinds::UNUSED,
        Some(token) if bytes && is_byte(token) => kinds::BYTE,
        Some(_) if unknown == Some(id as u64) => kinds::UNKNOWN,
        Some(_) => match added.get(&(id as u64)) {
            Some(true) => kinds::CONTROL,
            Some(false) => kinds::USER_DEFINED,
            None => kinds::NORMAL,
        },
    };
    (0..rows).map(of).collect()
}

/// `<0x0A>`.
fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}

fn byte_level(spec: &Value) -> Result<Vec<Entry>> {
    let cut = (shape(&spec["normalizer"]), shape(&spec["pre_tokenizer"]));
    let same = |name: &&&str| {
        PreTokenizer::named(name).is_ok_and(|pre| cut == (shape(&pre.normalizer), shape(&steps(pre.steps))))
    };
    let whole = spec["model"]["ignore_merges"] == true;
    let found: Vec<&&str> = NAMES.iter().filter(same).collect();
    // of two that split alike, the one with the same whole-word lookup
    let fits = |name: &&&&str| PreTokenizer::named(name).is_ok_and(|pre| pre.ignore_merges == whole);
    let Some(pre) = found.iter().find(fits).or(found.first()) else {
        let error = format!("llama.cpp has no name for how this tokenizer cuts text: {}", spec["pre_tokenizer"]);
        return Err(Error::new(WHO, error).help("a folder keeps it as it is: name one"));
    };
    let merge = |merge: &Value| match merge {
        Value::String(text) => Meta::Text(text.clone()),
        halves => {
            let half = |at: usize| halves[at].as_str().unwrap_or_default();
            Meta::Text(format!("{} {}", half(0), half(1)))
        }
    };
    let merges = spec["model"]["merges"].as_array().into_iter().flatten().map(merge);
    Ok(vec![("model", Meta::Text("gpt2".into())), ("pre", Meta::Text(pre.to_string())), ("merges", list(merges))])
}

/// A description without irrelevant differences: steps in one list, and default flags removed.
fn shape(part: &Value) -> Vec<Value> {
    let inner = part.get("pretokenizers").or_else(|| part.get("normalizers")).and_then(Value::as_array);
    match (inner, part) {
        (Some(steps), _) => steps.iter().flat_map(shape).collect(),
        (None, Value::Null) => Vec::new(),
        (None, step) => {
            let mut step = step.clone();
            if let Some(fields) = step.as_object_mut().filter(|fields| fields["type"] == "ByteLevel") {
                fields.remove("trim_offsets");
                fields.entry("use_regex").or_insert(json!(true));
            }
            vec![step]
        }
    }
}

/// BERT's cleaning and splitting are built into llama.cpp, except for two flags.
fn wordpiece(spec: &Value) -> Result<Vec<Entry>> {
    let (clean, cut, model) = (&spec["normalizer"], &spec["pre_tokenizer"], &spec["model"]);
    let usual = clean["type"] == "BertNormalizer"
        && clean["clean_text"] != false
        && clean["handle_chinese_chars"] != false
        && cut["type"] == "BertPreTokenizer"
        && model["continuing_subword_prefix"] == "##";
    if !usual {
        let error = format!("llama.cpp cuts words as BERT does, and this tokenizer otherwise: {clean}, {cut}");
        return Err(Error::new(WHO, error).help("a folder keeps it as it is: name one"));
    }
    let lower = clean["lowercase"] != false;
    let strip = clean["strip_accents"].as_bool().unwrap_or(lower);
    let is_part = |token: &String| token.chars().any(|letter| ('\u{1100}'..='\u{11ff}').contains(&letter));
    if strip && model["vocab"].as_object().is_some_and(|vocab| vocab.keys().any(is_part)) {
        let what = "BERT takes Hangul apart into its letters, and llama.cpp does not";
        progress::warn(WHO, format!("{what}: Korean text gets other ids there"));
    }
    Ok(vec![
        ("model", Meta::Text("bert".into())),
        ("normalizer.lowercase", Meta::Bool(lower)),
        ("normalizer.strip_accents", Meta::Bool(strip)),
    ])
}

/// llama.cpp marks tokens that begin a word, BERT those that do not.
fn of_word(token: &str) -> String {
    token.strip_prefix("##").map_or_else(|| format!("▁{token}"), String::from)
}

/// SentencePiece's BPE has scores, by which the best merge is applied first: here they come from the merges' ranks.
fn sentencepiece(tok: &Tokenizer, spec: &Value, rows: usize) -> Result<Vec<Entry>> {
    let mut scores = vec![0.0; rows];
    let mut seen = vec![false; rows];
    for (rank, merge) in tok.engine().merges().iter().enumerate() {
        let whole = merge.whole as usize;
        if !std::mem::replace(&mut seen[whole], true) {
            scores[whole] = -(rank as f64);
        }
    }
    // tokens without a merge are never looked for
    let last = -(tok.engine().merges().len() as f64) - 1.0;
    let scores = scores.into_iter().zip(seen).map(|(score, seen)| Meta::Float(if seen { score } else { last }));
    let text = format!("{}{}", spec["normalizer"], spec["pre_tokenizer"]);
    let prefix = text.contains("\"Prepend\"") || (text.contains("\"Metaspace\"") && !text.contains("\"never\""));
    Ok(vec![
        ("model", Meta::Text("llama".into())),
        ("pre", Meta::Text("default".into())),
        ("scores", list(scores)),
        ("add_space_prefix", Meta::Bool(prefix)),
    ])
}
