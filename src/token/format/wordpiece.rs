//! `vocab.txt`: BERT's WordPiece, one token per line.

use super::around;
use super::assemble::complete;
use super::class::Class;
use super::config::{Settings, read_text};
use crate::token::Tokenizer;
use crate::token::engine::WHO;
use crate::{Error, Result, bail};
use serde_json::{Map, Value, json};
use std::path::Path;

pub fn open(path: &Path, mut settings: Settings) -> Result<Tokenizer> {
    let text = read_text(path)?;
    let mut vocab = Map::new();
    let mut tokens: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    if tokens.last().is_some_and(|last| last.is_empty()) {
        tokens.pop();
    }
    for (id, token) in tokens.iter().enumerate() {
        if vocab.insert(token.to_string(), json!(id)).is_some() {
            bail!(WHO, "{}:{}: the token `{token}` is there twice", path.display(), id + 1);
        }
    }
    let unknown = settings.token("unk_token").unwrap_or("[UNK]").to_string();
    if !vocab.contains_key(&unknown) {
        bail!(
            WHO,
            "{}: there is no `{unknown}` among its {} lines: it is not a WordPiece vocabulary",
            path.display(),
            tokens.len()
        );
    }
    let lower = match (&settings.class, settings.flag("do_lower_case")) {
        (_, Some(lower)) => lower,
        (Class::Unnamed, None) => !has_capitals(&tokens),
        (Class::Bert, None) => true,
        (Class::Other(name), _) => {
            let error = format!("{}: how `{name}` cuts text is not known here", path.display());
            return Err(
                Error::new(WHO, error).help("open it once with transformers and save it: that writes a tokenizer.json")
            );
        }
        _ => true,
    };
    match settings.class {
        Class::Bert => settings.take_class_tokens(),
        _ => {
            settings.class = Class::Bert;
            for (name, token) in Class::Bert.tokens().iter().filter(|(_, token)| vocab.contains_key(*token)) {
                settings.config.entry(*name).or_insert_with(|| json!(token));
            }
        }
    }
    let mut spec = wordpiece(Value::Object(vocab), lower);
    spec["added_tokens"] = Value::Null;
    spec["model"]["unk_token"] = json!(unknown);
    spec["normalizer"]["handle_chinese_chars"] = json!(settings.flag("tokenize_chinese_chars").unwrap_or(true));
    spec["normalizer"]["strip_accents"] = json!(settings.flag("strip_accents"));
    complete(spec, settings).map_err(|error| error.at(path.display()))
}

/// Whether a vocabulary was made from cased text: it has capitals, except in BERT's own special tokens.
fn has_capitals(tokens: &[&str]) -> bool {
    let plain = tokens.iter().filter(|token| !token.starts_with('['));
    plain.filter(|token| token.chars().any(char::is_uppercase)).count() > 26
}

/// BERT's pipeline around a WordPiece vocabulary: Chinese characters are separate words, with `[CLS]` and `[SEP]` around the
/// text.
pub fn wordpiece(vocab: Value, lower: bool) -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let added: Vec<Value> = special
        .iter()
        .filter_map(|token| {
            Some(json!({"id": vocab.get(token)?, "content": token, "special": true, "normalized": false}))
        })
        .collect();
    let id = |token: &str| vocab.get(token).and_then(Value::as_u64);
    let processor = match (id("[CLS]"), id("[SEP]")) {
        (Some(cls), Some(sep)) => around::bert(("[CLS]", cls), ("[SEP]", sep)),
        _ => Value::Null,
    };
    json!({
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": lower,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": processor,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab,
        },
    })
}
