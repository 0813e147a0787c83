//! `tekken.json`, Mistral's own format since Mistral Nemo: tiktoken's ranks and expression in JSON, with special tokens before
//! all others. Read as by `mistral_common`, with BOS before a text.

use super::assemble::complete;
use super::class::Class;
use super::config::Settings;
use super::pipeline;
use super::ranks::{Ranks, decoded};
use super::tiktoken::special;
use crate::token::Tokenizer;
use crate::token::engine::WHO;
use crate::{Error, Result, bail};
use serde_json::{Value, json};

/// Special tokens of files that list none, up to version 7.
const SPECIALS: [&str; 20] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
];

/// The named special tokens.
const NAMED: [(&str, &str); 4] =
    [("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")];

/// The parts of the file that are read.
const READ: [&str; 5] = ["config", "vocab", "special_tokens", "version", "type"];

pub fn open(json: &Value, mut settings: Settings) -> Result<Tokenizer> {
    let config = &json["config"];
    let Some(pattern) = config["pattern"].as_str() else { bail!(WHO, "`config.pattern` is {}", config["pattern"]) };
    let specials = specials(json)?;
    let first = specials.len() as u64;
    let ranks = ranks(json, first)?;
    let mut vocabulary = ranks.vocabulary(first);
    if let Value::Object(vocab) = &mut vocabulary.vocab {
        vocab.extend(specials.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))));
    }
    let mut spec =
        pipeline::byte_level(vocabulary, Value::Null, vec![pipeline::split(pattern), pipeline::bytes(false, false)]);
    spec["model"]["ignore_merges"] = json!(true);
    spec["added_tokens"] = (0..).zip(&specials).map(|(id, name)| special(id, name)).collect();
    for (name, token) in NAMED.into_iter().filter(|(_, token)| specials.iter().any(|own| own == token)) {
        settings.config.entry(name).or_insert(json!(token));
    }
    settings.config.entry("add_bos_token").or_insert(json!(true));
    let parts = json.as_object().into_iter().flatten().map(|(part, _)| part.as_str());
    settings.unused.extend(
        parts
            .filter(|part| !READ.contains(part))
            .map(|part| format!("tekken.json: `{part}` is not used: texts alone are read")),
    );
    if !settings.config.contains_key("chat_template") {
        settings.unused.push(
            "tekken.json holds no chat template, and Mistral's own is not known here: `tok.with_chat_template(…)` gives one"
                .into(),
        );
    }
    settings.class = Class::AsItIs;
    complete(spec, settings)
}

fn whole(json: &Value, name: &str) -> Result<Option<u64>> {
    match &json["config"][name] {
        Value::Null => Ok(None),
        value => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => bail!(WHO, "`config.{name}` is {value}, not a whole number"),
        },
    }
}

/// The special tokens in id order; unnamed ones are `<SPECIAL_12>` and so on.
fn specials(json: &Value) -> Result<Vec<String>> {
    let mut names: Vec<String> = match &json["special_tokens"] {
        Value::Null => {
            let version = json["config"]["version"].as_str().unwrap_or_default();
            let number =
                version.trim_start_matches('v').split('m').next().and_then(|number| number.parse::<u32>().ok());
            if number.is_none_or(|number| number > 7) {
                return Err(Error::new(WHO, format!("`special_tokens` is missing, in a file of version {version:?}"))
                    .help("files up to v7 have those of v7; later ones list their own"));
            }
            SPECIALS.map(String::from).into()
        }
        Value::Array(rows) => {
            let mut rows: Vec<(u64, String)> = rows
                .iter()
                .map(|row| match (row["rank"].as_u64(), row["token_str"].as_str()) {
                    (Some(rank), Some(name)) => Ok((rank, name.to_string())),
                    _ => bail!(WHO, "`special_tokens`: {row} has no `rank` and `token_str`"),
                })
                .collect::<Result<_>>()?;
            rows.sort();
            if let Some((at, (rank, name))) = rows.iter().enumerate().find(|(at, (rank, _))| *at as u64 != *rank) {
                bail!(WHO, "`special_tokens`: `{name}` has rank {rank}, where {at} is next");
            }
            rows.into_iter().map(|(_, name)| name).collect()
        }
        other => bail!(WHO, "`special_tokens` is {other}, not a list"),
    };
    const MOST: u64 = 1 << 20;
    let count = whole(json, "default_num_special_tokens")?.unwrap_or(names.len() as u64);
    if count < names.len() as u64 || count > MOST {
        bail!(WHO, "`config.default_num_special_tokens` is {count}, for {} special tokens", names.len());
    }
    names.extend((names.len() as u64..count).map(|id| format!("<SPECIAL_{id}>")));
    Ok(names)
}

/// The other tokens, up to the vocabulary size.
fn ranks(json: &Value, specials: u64) -> Result<Ranks> {
    let Some(rows) = json["vocab"].as_array() else { bail!(WHO, "`vocab` is not a list") };
    let wanted = match whole(json, "default_vocab_size")? {
        None => rows.len() as u64,
        Some(size) if size < specials || size - specials > rows.len() as u64 => {
            bail!(WHO, "`config.default_vocab_size` is {size}, of {} tokens and {specials} special ones", rows.len())
        }
        Some(size) => size - specials,
    };
    let mut ranks = Ranks::default();
    for (at, row) in (0..wanted).zip(rows) {
        let token = row["token_bytes"].as_str().and_then(decoded);
        let Some(token) = token.filter(|_| row["rank"].as_u64() == Some(at)) else {
            bail!(WHO, "`vocab`: entry {at} is no token of rank {at}: {row}");
        };
        ranks.push(token, at)?;
    }
    Ok(ranks)
}
