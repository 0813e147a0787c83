//! Trains a tokenizer from texts: byte-level BPE, WordPiece, Unigram.

use crate::token::bpe::bpe_train::{self, MergeLimits, Vocabulary};
use crate::token::bpe::pair_index::Corpus;
use crate::token::unigram::{self, UnigramLimits};
use crate::token::words::CountedWords;
use crate::token::{Tokenizer, alphabet, format, words};
use crate::{Error, Result, bail, cancel};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const WHO: &str = "tokenizer";

/// Settings of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// `bpe`, `wordpiece` or `unigram`.
    pub model_type: String,
    /// Vocabulary size, including special tokens and alphabet.
    pub vocab_size: usize,
    /// Minimum occurrences of a pair to become a token.
    pub min_frequency: u64,
    /// Maximum token length in characters.
    pub max_token_length: usize,
    /// Special tokens, which come first in the vocabulary; `None` for the defaults of the model type.
    pub special_tokens: Option<Vec<String>>,
    /// How BPE splits text into words: `gpt2`, `digits` (every digit separate, as SmolLM), `llama3` or `qwen2`.
    pub pre_tokenizer: String,
    /// WordPiece: lowercase, and strip accents.
    pub lowercase: bool,
}

impl Default for Training {
    fn default() -> Training {
        Training {
            model_type: "bpe".into(),
            vocab_size: 8000,
            min_frequency: 2,
            max_token_length: 16,
            special_tokens: None,
            pre_tokenizer: "gpt2".into(),
            lowercase: true,
        }
    }
}

pub const MODEL_TYPES: [&str; 3] = ["bpe", "wordpiece", "unigram"];
pub const PRE_TOKENIZERS: [&str; 4] = ["gpt2", "digits", "llama3", "qwen2"];

impl Tokenizer {
    /// Trains a tokenizer. The same texts produce the same tokens, on any number of threads.
    pub fn train<S: AsRef<str> + Sync>(texts: &[S], how: &Training) -> Result<Tokenizer> {
        if texts.iter().all(|text| text.as_ref().trim().is_empty()) {
            bail!(WHO, "there is no text to train on ({} texts)", texts.len());
        }
        match how.model_type.as_str() {
            "bpe" => train_bpe(texts, how),
            "wordpiece" => train_wordpiece(texts, how),
            "unigram" => train_unigram(texts, how),
            other => Err(Error::unknown(WHO, "model_type", other, MODEL_TYPES)),
        }
    }
}

fn specials(how: &Training, usual: &[&str]) -> Result<Vec<String>> {
    let special = how.special_tokens.clone().unwrap_or_else(|| usual.iter().map(|token| token.to_string()).collect());
    for (at, token) in special.iter().enumerate() {
        if token.is_empty() || special[..at].contains(token) {
            bail!(WHO, "the special token `{token}` is empty or there twice");
        }
    }
    Ok(special)
}

fn added(special: &[String]) -> Value {
    let token =
        |(id, token): (usize, &String)| json!({"id": id, "content": token, "special": true, "normalized": false});
    special.iter().enumerate().map(token).collect()
}

/// Vocabulary entries available for merges.
fn room(how: &Training, base: usize) -> Result<usize> {
    match how.vocab_size.checked_sub(base) {
        Some(room) => Ok(room),
        None => Err(Error::new(
            WHO,
            format!("vocab_size {} is below the {base} special tokens and letters that are needed", how.vocab_size),
        )
        .help(format!("ask for at least {base}"))),
    }
}

fn vocabulary_json(tokens: &[String]) -> Value {
    Value::Object(tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect::<Map<_, _>>())
}

fn train_bpe<S: AsRef<str> + Sync>(texts: &[S], how: &Training) -> Result<Tokenizer> {
    let special = specials(how, &["<|endoftext|>", "<|im_start|>", "<|im_end|>"])?;
    let mut letters = *alphabet::letters();
    letters.sort_unstable();
    let tokens: Vec<String> = special.iter().cloned().chain(letters.iter().map(char::to_string)).collect();
    let room = room(how, tokens.len())?;
    let (normalizer, pre) = splitting(&how.pre_tokenizer)?;
    let spec = |tokens: &[String], merges: Vec<Value>| {
        json!({
            "added_tokens": added(&special),
            "normalizer": normalizer,
            "pre_tokenizer": pre,
            "post_processor": null,
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "vocab": vocabulary_json(tokens), "merges": merges},
        })
    };
    let empty = Tokenizer::from_json(spec(&tokens, Vec::new()), Map::new())?;
    let counted = words::count(&empty, texts)?;
    let limits = MergeLimits { count: room, min_frequency: how.min_frequency, max_token_length: how.max_token_length };
    let proposal = empty.continue_on(counted, &limits)?;
    let all: Vec<String> = tokens.into_iter().chain(proposal.tokens).collect();
    let merges = proposal.merges.iter().map(|(left, right)| json!([left, right])).collect();
    Tokenizer::from_json(spec(&all, merges), Map::new())
}

/// The normalizer and pre-tokenizer of a splitting method.
fn splitting(name: &str) -> Result<(Value, Value)> {
    let byte_level =
        |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex});
    let sequence = |first: Value, regex| json!({"type": "Sequence", "pretokenizers": [first, byte_level(regex)]});
    let pattern =
        |regex: &str| json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false});
    Ok(match name {
        "gpt2" => (Value::Null, byte_level(true)),
        "digits" => (Value::Null, sequence(json!({"type": "Digits", "individual_digits": true}), true)),
        "llama3" => (Value::Null, sequence(pattern(crate::token::words::split::LLAMA3), false)),
        "qwen2" => (json!({"type": "NFC"}), sequence(pattern(crate::token::words::split::QWEN), false)),
        other => return Err(Error::unknown(WHO, "pre_tokenizer", other, PRE_TOKENIZERS)),
    })
}

/// WordPiece's tokens are those of BPE over characters, with `##` before a token inside a word.
fn train_wordpiece<S: AsRef<str> + Sync>(texts: &[S], how: &Training) -> Result<Tokenizer> {
    let special = specials(how, &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])?;
    if !special.iter().any(|token| token == "[UNK]") {
        bail!(WHO, "WordPiece needs `[UNK]` among its special tokens");
    }
    let spec = |tokens: &[String]| {
        let mut spec = format::wordpiece(vocabulary_json(tokens), how.lowercase);
        spec["added_tokens"] = added(&special);
        spec
    };
    let empty = Tokenizer::from_json(spec(&special), Map::new())?;
    let counted = words::count(&empty, texts)?;

    let mut letters: BTreeMap<String, u64> = BTreeMap::new();
    for (at, (word, count)) in counted.iter().enumerate() {
        if at % 4096 == 0 {
            cancel::check()?;
        }
        symbols(&word).for_each(|symbol| *letters.entry(symbol).or_default() += count);
    }
    let mut tokens = special.clone();
    let mut frequent: Vec<(String, u64)> =
        letters.into_iter().filter(|(symbol, _)| !special.contains(symbol)).collect();
    frequent.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    frequent.truncate(room(how, tokens.len())?);
    tokens.extend(frequent.into_iter().map(|(symbol, _)| symbol));

    let room = room(how, tokens.len())?;
    let mut vocabulary = Vocabulary::new(tokens, "##", |token| token.trim_start_matches("##").chars().count());
    vocabulary.barred = special.iter().cloned().collect();
    let mut corpus = Corpus::default();
    for (at, (word, count)) in counted.iter().enumerate() {
        if at % 4096 == 0 {
            cancel::check()?;
        }
        let ids: Option<Vec<u32>> = symbols(&word).map(|symbol| vocabulary.id(&symbol)).collect();
        corpus.push(&ids.unwrap_or_default(), count);
    }
    bpe_train::run(
        corpus,
        &mut vocabulary,
        &MergeLimits { count: room, min_frequency: how.min_frequency, max_token_length: how.max_token_length },
    )?;
    Tokenizer::from_json(spec(&vocabulary.tokens), Map::new())
}

fn symbols(word: &str) -> impl Iterator<Item = String> {
    word.chars()
        .enumerate()
        .map(|(at, character)| if at == 0 { character.to_string() } else { format!("##{character}") })
}

/// Unigram with SentencePiece's white space and, after the tokens, one for each byte, so that nothing is unknown.
fn train_unigram<S: AsRef<str> + Sync>(texts: &[S], how: &Training) -> Result<Tokenizer> {
    let mut special = specials(how, &["<unk>", "<s>", "</s>", "<pad>"])?;
    if !special.iter().any(|token| token == "<unk>") {
        special.insert(0, "<unk>".into());
    }
    let bytes: Vec<String> = (0..=255u8).map(|byte| format!("<0x{byte:02X}>")).collect();
    let room = room(how, special.len() + bytes.len())?;
    let spec = |rows: Value| {
        let unk = special.iter().position(|token| token == "<unk>");
        let normalizers = json!([{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]);
        let decoders = json!([
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]);
        json!({
            "added_tokens": added(&special),
            "normalizer": {"type": "Sequence", "normalizers": normalizers},
            "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true},
            "post_processor": null,
            "decoder": {"type": "Sequence", "decoders": decoders},
            "model": {"type": "Unigram", "unk_id": unk, "byte_fallback": true, "vocab": rows},
        })
    };
    let fixed: Vec<(String, f64)> = special.iter().cloned().chain(bytes).map(|token| (token, 0.0)).collect();
    let empty = Tokenizer::from_json(spec(json!(fixed)), Map::new())?;
    let counted = words::count(&empty, texts)?;
    let scored = unigram_tokens(&counted, &fixed, room, how)?;
    let lowest = scored.iter().map(|(_, score)| *score).fold(0.0, f64::min);
    // scored below the six letters of its name, so that text that looks like a byte token is treated as text
    let rows: Vec<(String, f64)> =
        fixed.into_iter().map(|(token, _)| (token, 6.0 * lowest - 2.0)).chain(scored).collect();
    Tokenizer::from_json(spec(json!(rows)), Map::new())
}

fn unigram_tokens(
    counted: &CountedWords,
    barred: &[(String, f64)],
    room: usize,
    how: &Training,
) -> Result<Vec<(String, f64)>> {
    let corpus = unigram::Corpus::new(WHO, counted.iter())?;
    let letters = corpus.letters.len();
    if letters > room {
        let what =
            format!("the texts have {letters} characters, but size {} leaves room for {room} tokens", how.vocab_size);
        return Err(Error::new(WHO, what).help(format!("ask for at least {}", how.vocab_size - room + letters)));
    }
    let limits = UnigramLimits {
        size: room,
        min_frequency: how.min_frequency,
        max_token_length: how.max_token_length,
        barred: barred.iter().map(|(token, _)| token.as_str()).collect(),
    };
    unigram::train(&corpus, &limits)
}
