//! The tokenizer inside a `.gguf`, read as in llama.cpp: its kinds, its pre-tokenizers by name, and its defaults for missing
//! keys.

mod pre;
mod spm;
mod tokens;
mod unigram;
mod write;

use super::around::{self, Mark};
use super::assemble::assemble;
use super::config::Settings;
use super::pipeline::{spaces_back, steps};
use super::wordpiece::wordpiece;
use crate::format::gguf::Gguf;
use crate::token::Tokenizer;
use crate::token::engine::WHO;
use crate::{Error, Result, bail};
use pre::PreTokenizer;
use serde_json::{Value, json};
use tokens::{id_of, texts, vocabulary};

/// Defaults for the tokens around a text: BOS, EOS, and a separator.
#[derive(Default)]
struct Around {
    bos: bool,
    eos: bool,
    sep: bool,
}

pub fn open(file: &Gguf) -> Result<Tokenizer> {
    let Some(kind) = file.text("tokenizer.ggml.model") else {
        bail!(WHO, "the file holds no tokenizer (there is no `tokenizer.ggml.model` in its metadata)");
    };
    let named = |(id, token): (usize, &str)| if token.is_empty() { format!("[EMPTY_{id}]") } else { token.to_string() };
    let mut tokens: Vec<String> = texts(file, "tokenizer.ggml.tokens")?.into_iter().enumerate().map(named).collect();
    let types = tokens::types(file, &tokens)?;
    let unknown = id_of(file, "unknown", tokens.len());
    let (mut spec, around) = match kind {
        "gpt2" | "gemma4" => byte_level(file, kind, &tokens)?,
        "llama" => (spm::bpe(file, &tokens, unknown)?, Around { bos: true, ..Around::default() }),
        "t5" => (spm::unigram(file, &tokens, &types, unknown)?, Around { eos: true, ..Around::default() }),
        "bert" => {
            tokens = spm::wordpiece(&tokens, &types);
            (bert(file, &tokens, unknown)?, Around { bos: true, sep: true, ..Around::default() })
        }
        other => {
            return Err(Error::new(
                WHO,
                format!("the tokenizer kind `{other}` in a .gguf is not one of gpt2, llama, bert, t5, gemma4"),
            )
            .help("open the tokenizer.json of the same model"));
        }
    };
    let mut settings = Settings::of(tokens::config(file, &tokens));
    spec["added_tokens"] = tokens::added(file, &tokens, &types);
    spec["post_processor"] = surround(file, &tokens, &around, &mut settings);
    assemble(spec, settings)
}

fn byte_level(file: &Gguf, kind: &str, tokens: &[String]) -> Result<(Value, Around)> {
    let merges = texts(file, "tokenizer.ggml.merges")?;
    let name = if kind == "gemma4" { kind } else { file.text("tokenizer.ggml.pre").unwrap_or("default") };
    let pre = PreTokenizer::named(name)?;
    let decoder = match pre.spaces {
        true => spaces_back(false),
        false => json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}),
    };
    // a merge may begin with a space; all others are kept as one string, which is faster to make than a list
    let halves = |merge: &str| {
        if !merge.starts_with(' ') {
            return Value::String(merge.to_string());
        }
        let cut = merge.char_indices().skip(1).find(|(_, letter)| *letter == ' ').map_or(0, |(at, _)| at);
        json!([merge[..cut], merge[cut..].strip_prefix(' ').unwrap_or_default()])
    };
    let around = Around { bos: pre.add_bos, eos: false, sep: pre.add_sep };
    let mut spec = json!({
        "normalizer": pre.normalizer,
        "pre_tokenizer": steps(pre.steps),
        "decoder": decoder,
        "model": {
            "type": "BPE", "ignore_merges": pre.ignore_merges, "byte_fallback": pre.spaces, "fuse_unk": pre.spaces,
        },
    });
    // inserted by value: `json!` would copy it
    spec["model"]["vocab"] = Value::Object(vocabulary(tokens)?);
    spec["model"]["merges"] = Value::Array(merges.into_iter().map(halves).collect());
    Ok((spec, around))
}

fn bert(file: &Gguf, tokens: &[String], unknown: Option<usize>) -> Result<Value> {
    let Some(unknown) = unknown else { bail!(WHO, "the file names no unknown token") };
    let flag = |name: &str| file.bool(&format!("tokenizer.ggml.normalizer.{name}"));
    let lower = flag("lowercase").unwrap_or(true);
    let mut spec = wordpiece(Value::Object(vocabulary(tokens)?), lower);
    spec["normalizer"]["strip_accents"] = json!(flag("strip_accents").unwrap_or(lower));
    spec["model"]["unk_token"] = json!(tokens[unknown]);
    Ok(spec)
}

/// The BOS, EOS and separator that the file requests around a text, or llama.cpp's defaults.
fn surround(file: &Gguf, tokens: &[String], around: &Around, settings: &mut Settings) -> Value {
    let mut mark = |name: &str, key: &str, otherwise: bool| -> Option<Mark> {
        let said = file.bool(&format!("tokenizer.ggml.{key}"));
        if !said.unwrap_or(otherwise) {
            return None;
        }
        let id = id_of(file, name, tokens.len());
        if id.is_none() {
            settings
                .unused
                .push(format!("`{key}` is so, but the file names no {name} token: none is put around a text"));
        }
        Some((tokens.get(id?)?.as_str(), id? as u64))
    };
    let bos = mark("bos", "add_bos_token", around.bos);
    let eos = mark("eos", "add_eos_token", around.eos);
    match around.sep.then(|| mark("seperator", "add_sep_token", true)).flatten() {
        Some(sep) if file.text("tokenizer.ggml.model") == Some("bert") => match bos {
            Some(cls) => around::bert(cls, sep),
            None => around::template(None, Some(sep)),
        },
        _ if bos.is_none() && eos.is_none() => Value::Null,
        _ => around::template(bos, eos),
    }
}
