//! The pipelines that transformers classes build around a vocabulary: normalizer, pre-tokenizer, decoder, model and
//! post-processor.

use super::around::{self, Mark};
use super::class::Class;
use super::config::Settings;
use crate::token::engine::WHO;
use crate::token::words::split::{QWEN, QWEN35};
use crate::{Error, Result};
use serde_json::{Map, Value, json};

/// A vocabulary as in files: ids by token, or rows of token and score.
pub struct Vocabulary {
    pub vocab: Value,
    /// BPE merges, in order.
    pub merges: Vec<Value>,
    /// The replacements of SentencePiece's normalizer, in base64.
    pub charsmap: Option<String>,
    /// The id of the unknown token of a Unigram model.
    pub unknown: Option<u64>,
}

/// The description of a tokenizer of this class, without its added tokens.
pub fn build(vocabulary: Vocabulary, settings: &Settings) -> Result<Value> {
    let prefix = settings.flag("add_prefix_space");
    let spec = match &settings.class {
        Class::Gpt2 | Class::Roberta | Class::Unnamed => {
            byte_level(vocabulary, Value::Null, vec![bytes(prefix.unwrap_or(false), true)])
        }
        Class::NeoX => byte_level(vocabulary, nfc(), vec![bytes(prefix.unwrap_or(false), true)]),
        Class::Qwen2 => byte_level(vocabulary, nfc(), vec![split(QWEN), bytes(prefix.unwrap_or(false), false)]),
        Class::Qwen35 => byte_level(vocabulary, nfc(), vec![split(QWEN35), bytes(prefix.unwrap_or(false), false)]),
        Class::Cohere => byte_level(
            vocabulary,
            nfc(),
            vec![json!({"type": "Digits", "individual_digits": true}), bytes(prefix.unwrap_or(false), true)],
        ),
        Class::Clip => clip(vocabulary, settings),
        Class::Llama => llama(vocabulary, prefix.unwrap_or(true), settings.flag("legacy").unwrap_or(false), None),
        Class::CodeLlama => {
            llama(vocabulary, prefix.unwrap_or(true), false, Some(settings.token("unk_token").unwrap_or("<unk>")))
        }
        Class::Gemma => gemma(vocabulary, settings.token("unk_token")),
        Class::T5 => unigram(vocabulary, Vec::new(), true),
        Class::XlmRoberta | Class::Camembert => unigram(vocabulary, Vec::new(), prefix.unwrap_or(true)),
        Class::Albert => unigram(vocabulary, albert(settings), prefix.unwrap_or(true)),
        Class::DebertaV2 => deberta(vocabulary, settings),
        Class::Bert | Class::AsItIs | Class::Other(_) => {
            let name =
                settings.config.get("tokenizer_class").and_then(Value::as_str).unwrap_or("PreTrainedTokenizerFast");
            let error =
                format!("how `{name}` cuts text is not known here, and there is no tokenizer.json that says it");
            return Err(
                Error::new(WHO, error).help("open it once with transformers and save it: that writes a tokenizer.json")
            );
        }
    };
    Ok(spec)
}

fn nfc() -> Value {
    json!({"type": "NFC"})
}

/// The last step of byte-level BPE, with or without GPT-2's expression.
pub fn bytes(prefix: bool, expression: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": expression})
}

/// A step that splits by a regular expression.
pub fn split(pattern: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
}

/// One step, or several.
pub fn steps(mut steps: Vec<Value>) -> Value {
    match steps.len() {
        1 => steps.remove(0),
        _ => json!({"type": "Sequence", "pretokenizers": steps}),
    }
}

pub fn byte_level(vocabulary: Vocabulary, normalizer: Value, pre: Vec<Value>) -> Value {
    json!({
        "normalizer": normalizer,
        "pre_tokenizer": steps(pre),
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary.vocab, "merges": vocabulary.merges},
    })
}

fn clip(vocabulary: Vocabulary, settings: &Settings) -> Value {
    const WORDS: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
    let words = json!({"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": true});
    let space = json!({"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "});
    let normalizer = json!({"type": "Sequence", "normalizers": [nfc(), space, {"type": "Lowercase"}]});
    let mut spec = byte_level(vocabulary, normalizer, vec![words, bytes(false, true)]);
    spec["model"]["end_of_word_suffix"] = json!("</w>");
    let ends = json!({"type": "Replace", "pattern": {"String": "</w>"}, "content": " "});
    let last = json!({"type": "Replace", "pattern": {"Regex": r"\A\s+|\s+\z"}, "content": ""});
    spec["decoder"] = json!({"type": "Sequence", "decoders": [spec["decoder"], ends, last]});
    spec["model"]["unk_token"] = json!(settings.token("unk_token"));
    spec
}

/// Spaces as `▁`, with one before the text: before each part between added tokens (`legacy`), or only before the first.
pub fn llama(vocabulary: Vocabulary, prefix: bool, legacy: bool, unknown: Option<&str>) -> Value {
    let (normalizer, pre, decoder) = llama_parts(prefix, legacy);
    json!({
        "normalizer": normalizer, "pre_tokenizer": pre, "post_processor": null, "decoder": decoder,
        "model": {
            "type": "BPE", "vocab": vocabulary.vocab, "merges": vocabulary.merges, "unk_token": unknown,
            "fuse_unk": true, "byte_fallback": true,
        },
    })
}

/// Normalizer, pre-tokenizer and decoder of `LlamaTokenizer`.
pub fn llama_parts(prefix: bool, legacy: bool) -> (Value, Value, Value) {
    let scheme = match (prefix, legacy) {
        (false, _) => "never",
        (true, true) => "always",
        (true, false) => "first",
    };
    let pre = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false});
    (Value::Null, pre, spaces_back(prefix))
}

/// Decodes `▁` and bytes; removes a space before the text if it was added.
pub fn spaces_back(prefix: bool) -> Value {
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({"type": "Sequence", "decoders": decoders})
}

fn gemma(vocabulary: Vocabulary, unknown: Option<&str>) -> Value {
    json!({
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false},
        "post_processor": null,
        "decoder": spaces_back(false),
        "model": {
            "type": "BPE", "vocab": vocabulary.vocab, "merges": vocabulary.merges, "unk_token": unknown,
            "fuse_unk": true, "byte_fallback": true,
        },
    })
}

/// Words separated by white space, each with `▁` before it.
fn unigram(vocabulary: Vocabulary, mut normalizers: Vec<Value>, prefix: bool) -> Value {
    let scheme = if prefix { "always" } else { "never" };
    let words = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true});
    let pre = json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, words]});
    normalizers
        .extend(vocabulary.charsmap.as_ref().map(|map| json!({"type": "Precompiled", "precompiled_charsmap": map})));
    json!({
        "normalizer": sequence(normalizers), "pre_tokenizer": pre, "post_processor": null, "decoder": words,
        "model": {"type": "Unigram", "unk_id": vocabulary.unknown, "vocab": vocabulary.vocab, "byte_fallback": false},
    })
}

/// Normalizers in order; `null` for none.
pub fn sequence(normalizers: Vec<Value>) -> Value {
    if normalizers.is_empty() { Value::Null } else { json!({"type": "Sequence", "normalizers": normalizers}) }
}

/// Steps of `AlbertTokenizer` before SentencePiece's own normalizer.
pub fn albert(settings: &Settings) -> Vec<Value> {
    let quote = |from: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": "\""});
    let mut normalizers = vec![quote("``"), quote("''")];
    if !settings.flag("keep_accents").unwrap_or(false) {
        normalizers.extend([json!({"type": "NFKD"}), json!({"type": "StripAccents"})]);
    }
    if settings.flag("do_lower_case").unwrap_or(true) {
        normalizers.push(json!({"type": "Lowercase"}));
    }
    normalizers
}

fn deberta(vocabulary: Vocabulary, settings: &Settings) -> Value {
    let flag = |name: &str| settings.flag(name).unwrap_or(false);
    let mut normalizers = Vec::new();
    if flag("do_lower_case") {
        normalizers.push(json!({"type": "Lowercase"}));
    }
    normalizers.push(json!({"type": "Replace", "pattern": {"Regex": r"\s{2,}|[\n\r\t]"}, "content": " "}));
    normalizers.push(nfc());
    normalizers.push(json!({"type": "Strip", "strip_left": false, "strip_right": true}));
    let mut spec = unigram(Vocabulary { charsmap: None, ..vocabulary }, normalizers, true);
    let scheme = if settings.flag("add_prefix_space").unwrap_or(true) { "always" } else { "first" };
    let words = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true});
    let punctuation = flag("split_by_punct").then(|| json!({"type": "Punctuation", "behavior": "Isolated"}));
    let pre: Vec<Value> = punctuation.into_iter().chain([words.clone()]).collect();
    spec["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": pre});
    spec["decoder"] = words;
    spec
}

/// The post-processor of the class, once the added tokens have ids.
pub fn surround(spec: &Value, settings: &Settings) -> Value {
    let ids = Ids(spec);
    let mark = |name: &str| ids.mark(settings.token(name)?);
    let own = of_class(spec, settings);
    let code = settings.class == Class::CodeLlama;
    let bos = mark("bos_token").filter(|_| settings.flag("add_bos_token").unwrap_or(code));
    let eos = mark("eos_token").filter(|_| settings.flag("add_eos_token").unwrap_or(false));
    match own {
        Some(own) => own,
        None if bos.is_none() && eos.is_none() => spec.get("post_processor").cloned().unwrap_or_default(),
        None => around::template(bos, eos),
    }
}

/// The class's own post-processor.
fn of_class(spec: &Value, settings: &Settings) -> Option<Value> {
    let ids = Ids(spec);
    let mark = |name: &str| ids.mark(settings.token(name)?);
    let both = |one: &str, other: &str| Some((mark(one)?, mark(other)?));
    match &settings.class {
        Class::Roberta => both("cls_token", "sep_token").map(|(cls, sep)| around::roberta(cls, sep)),
        Class::XlmRoberta | Class::Camembert | Class::Clip => {
            both("bos_token", "eos_token").map(|(bos, eos)| around::roberta(bos, eos))
        }
        Class::Bert | Class::Albert | Class::DebertaV2 => {
            both("cls_token", "sep_token").map(|(cls, sep)| around::bert(cls, sep))
        }
        Class::T5 => mark("eos_token").map(around::ends),
        _ => None,
    }
}

/// Replaces the post-processor by the class's own if `tokenizer.json` adds other tokens than `tokenizer_config.json` names.
pub fn renew_ends(spec: &mut Value, settings: &Settings) {
    let held = spec["post_processor"].to_string();
    let own = of_class(spec, settings);
    let misses = |own: &Value| {
        let names = own["special_tokens"].as_object().into_iter().flat_map(|tokens| tokens.keys());
        names.into_iter().any(|name| !held.contains(&json!(name).to_string()))
    };
    if let Some(own) = own.filter(misses) {
        spec["post_processor"] = own;
    }
}

/// The ids of a description.
struct Ids<'s>(&'s Value);

impl Ids<'_> {
    fn mark<'t>(&self, token: &'t str) -> Option<Mark<'t>> {
        let added = self.0["added_tokens"].as_array().into_iter().flatten();
        let found = added.filter(|added| added["content"] == token).find_map(|added| added["id"].as_u64());
        let model = || match &self.0["model"]["vocab"] {
            Value::Object(vocab) => vocab.get(token)?.as_u64(),
            Value::Array(rows) => rows.iter().position(|row| row[0] == token).map(|id| id as u64),
            _ => None,
        };
        Some((token, found.or_else(model)?))
    }
}

/// A vocabulary of ids by token.
pub fn by_ids(vocab: Map<String, Value>, merges: Vec<Value>) -> Vocabulary {
    Vocabulary { vocab: Value::Object(vocab), merges, charsmap: None, unknown: None }
}
