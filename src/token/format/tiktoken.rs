//! tiktoken's files (`base64 rank` per line): byte-level BPE whose merges are ordered like its tokens, and in which a word that
//! is a token is used whole. The pre-tokenizer and special tokens are not in the file, but in the code that reads it: they are
//! known by the file's name, or for a `tokenizer.model` taken from transformers, with Llama 3's expression.

use super::assemble::complete;
use super::class::Class;
use super::config::Settings;
use super::pipeline;
use super::ranks::{Ranks, decoded};
use crate::token::Tokenizer;
use crate::token::engine::WHO;
use crate::token::words::split::{LLAMA3, O200K, QWEN};
use crate::{Error, Result, bail};
use serde_json::{Value, json};

/// The parts of a published encoding that are only in its code.
struct Encoding {
    /// The file's name without its extension.
    name: &'static str,
    /// The splitting expression; GPT-2's own if `None`.
    pattern: Option<&'static str>,
    nfc: bool,
    /// Special tokens, with their offsets from the last rank.
    specials: &'static [(&'static str, u64)],
}

const GPT2: Encoding = Encoding { name: "gpt2", pattern: None, nfc: false, specials: &[("<|endoftext|>", 0)] };

/// OpenAI's encodings (`tiktoken_ext/openai_public.py`) and Qwen's (`tokenization_qwen.py`).
const ENCODINGS: [Encoding; 5] = [
    GPT2,
    Encoding { name: "r50k_base", ..GPT2 },
    Encoding {
        name: "cl100k_base",
        pattern: Some(LLAMA3),
        nfc: false,
        specials: &[
            ("<|endoftext|>", 1),
            ("<|fim_prefix|>", 2),
            ("<|fim_middle|>", 3),
            ("<|fim_suffix|>", 4),
            ("<|endofprompt|>", 20),
        ],
    },
    Encoding {
        name: "o200k_base",
        pattern: Some(O200K),
        nfc: false,
        specials: &[("<|endoftext|>", 1), ("<|endofprompt|>", 20)],
    },
    Encoding {
        name: "qwen",
        pattern: Some(QWEN),
        nfc: true,
        specials: &[("<|endoftext|>", 0), ("<|im_start|>", 1), ("<|im_end|>", 2)],
    },
];

/// The encoding of a file with another name.
const PLAIN: Encoding = Encoding { name: "", pattern: Some(LLAMA3), nfc: false, specials: &[] };

/// Number of Qwen's special tokens after the named ones: `<|extra_0|>` and so on.
const QWEN_EXTRAS: u64 = 205;

/// Whether a file's first line has this format.
pub fn is(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.len() < 4096 && entry(line).is_some()
}

fn entry(line: &[u8]) -> Option<(Vec<u8>, u64)> {
    let text = std::str::from_utf8(line).ok()?;
    let (token, rank) = text.trim_end().split_once(' ')?;
    Some((decoded(token)?, rank.parse().ok()?))
}

/// The encoding of a file with this name.
fn named(file: &str) -> Result<&'static Encoding> {
    let Some(stem) = file.strip_suffix(".tiktoken") else { return Ok(&PLAIN) };
    if let Some(known) = ENCODINGS.iter().find(|known| known.name == stem) {
        return Ok(known);
    }
    let names: Vec<&str> = ENCODINGS.iter().map(|known| known.name).collect();
    Err(Error::new(WHO, "a .tiktoken file does not say how text is cut, and which tokens are special").help(format!(
        "name it by its encoding ({}), or `tiktoken.model` to have text cut as Llama 3 does",
        names.join(", ")
    )))
}

/// Opens the contents of a file with this name.
pub fn open(bytes: &[u8], file: &str, mut settings: Settings) -> Result<Tokenizer> {
    let encoding = named(file)?;
    let mut ranks = Ranks::default();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let Some((token, rank)) = entry(line) else { bail!(WHO, "line {} is not `base64 rank`", number + 1) };
        ranks.push(token, rank).map_err(|error| error.at(format!("line {}", number + 1)))?;
    }
    settings.class = Class::AsItIs;
    let normalizer = if encoding.nfc { json!({"type": "NFC"}) } else { Value::Null };
    let pre = match encoding.pattern {
        Some(pattern) => vec![pipeline::split(pattern), pipeline::bytes(false, false)],
        None => vec![pipeline::bytes(false, true)],
    };
    let mut spec = pipeline::byte_level(ranks.vocabulary(0), normalizer, pre);
    spec["model"]["ignore_merges"] = json!(true);
    spec["added_tokens"] = specials(encoding, ranks.end());
    if let Some((end, _)) = encoding.specials.iter().find(|(token, _)| *token == "<|endoftext|>") {
        settings.config.entry("eos_token").or_insert(json!(end));
    }
    complete(spec, settings)
}

/// The special tokens after `end` ranks; unused ids between them are reserved, with transformers' names.
fn specials(encoding: &Encoding, end: u64) -> Value {
    let mut names: Vec<(String, u64)> = encoding.specials.iter().map(|(name, at)| (name.to_string(), *at)).collect();
    if encoding.name == "qwen" {
        let first = names.len() as u64;
        names.extend((0..QWEN_EXTRAS).map(|extra| (format!("<|extra_{extra}|>"), first + extra)));
    }
    let last = names.iter().map(|(_, at)| at + 1).max().unwrap_or(0);
    let name = |at: u64| match names.iter().find(|(_, own)| *own == at) {
        Some((name, _)) => name.clone(),
        None => format!("<|reserved_token_{}|>", end + at),
    };
    (0..last).map(|at| special(end + at, &name(at))).collect()
}

/// A special token with its id, as in `tokenizer.json`.
pub fn special(id: u64, content: &str) -> Value {
    json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true,
    })
}
