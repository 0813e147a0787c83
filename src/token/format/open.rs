//! Opens a tokenizer from each of its formats.

use super::from_gguf;
use crate::format::gguf::Gguf;
use crate::token::engine::{self, WHO};
use crate::token::{ExtensionInfo, Tokenizer, special};
use crate::{Error, Result, bail, files};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

impl Tokenizer {
    /// Opens a Hugging Face folder, a `tokenizer.json`, a `vocab.json` with its `merges.txt`, a `vocab.txt`, or a `.gguf`.
    pub fn open(path: impl AsRef<Path>) -> Result<Tokenizer> {
        let path = path.as_ref();
        files::readable(WHO, path)?;
        if files::is_folder(path) {
            return open_folder(path);
        }
        if !files::exists(path) {
            bail!(WHO, "{} is not there", path.display());
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("gguf") => from_gguf::open(&Gguf::open(path).map_err(|error| error.attributed_to(WHO))?)
                .map_err(|error| error.at(path.display())),
            Some("json") if name.ends_with("vocab.json") => {
                open_pair(path, &folder.join(name.replace("vocab.json", "merges.txt")), folder)
            }
            Some("json") => open_json(path, folder),
            Some("txt") if name.ends_with("vocab.txt") => open_wordpiece(path, folder),
            Some("txt") if name.ends_with("merges.txt") => {
                open_pair(&folder.join(name.replace("merges.txt", "vocab.json")), path, folder)
            }
            _ => Err(Error::new(WHO, format!("{} is not a tokenizer file", path.display())).help(FORMS)),
        }
    }

    /// The tokenizer that a `tokenizer.json` text describes, with an optional `tokenizer_config.json` beside it.
    pub fn from_json(spec: Value, config: Map<String, Value>) -> Result<Tokenizer> {
        let template = template_in(&config);
        let engine = engine::build(spec)?;
        let ids = special::find(&engine, &config);
        let extension = config.get(ExtensionInfo::KEY).cloned();
        let tokenizer = Tokenizer::assemble(engine, config, ids, template);
        let extension = extension.map(|saved| ExtensionInfo::read(&saved, tokenizer.len())).transpose()?;
        Ok(tokenizer.with_extension(extension))
    }
}

const FORMS: &str =
    "it takes a Hugging Face folder, tokenizer.json, vocab.json with merges.txt, vocab.txt (WordPiece), or a .gguf";

fn open_folder(folder: &Path) -> Result<Tokenizer> {
    let file = |name: &str| Some(folder.join(name)).filter(|path| files::is_file(path));
    if let Some(path) = file("tokenizer.json") {
        return open_json(&path, folder);
    }
    if let (Some(vocab), Some(merges)) = (file("vocab.json"), file("merges.txt")) {
        return open_pair(&vocab, &merges, folder);
    }
    if let Some(path) = file("vocab.txt") {
        return open_wordpiece(&path, folder);
    }
    match ggufs(folder)?.as_slice() {
        [one] => Tokenizer::open(one),
        [] if file("tokenizer.model").is_some() => {
            Err(Error::new(WHO, format!("{} holds only a SentencePiece `tokenizer.model`", folder.display()))
                .help("open it once with transformers and save it: that writes a tokenizer.json"))
        }
        [] => Err(Error::new(WHO, format!("there is no tokenizer in the folder {}", folder.display())).help(FORMS)),
        several => Err(Error::new(WHO, format!("{} holds {} .gguf files", folder.display(), several.len()))
            .help("name one of them")),
    }
}

fn ggufs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = files::list(WHO, folder)?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "gguf"));
    Ok(paths)
}

fn open_json(path: &Path, folder: &Path) -> Result<Tokenizer> {
    let spec = read_json(path)?;
    let config = configs(folder)?;
    Tokenizer::from_json(spec, config).map_err(|error| error.at(path.display()))
}

/// `vocab.json` and `merges.txt`: GPT-2's byte-level BPE.
fn open_pair(vocab: &Path, merges: &Path, folder: &Path) -> Result<Tokenizer> {
    let entries = read_json(vocab)?;
    let lines: Vec<Value> = read_text(merges)?
        .lines()
        .filter(|line| !line.starts_with("#version") && !line.is_empty())
        .map(|line| json!(line))
        .collect();
    let end = "<|endoftext|>";
    let added = match entries.get(end).and_then(Value::as_u64) {
        Some(id) => json!([{"id": id, "content": end, "special": true, "normalized": false}]),
        None => json!([]),
    };
    let spec = json!({
        "added_tokens": added,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": entries, "merges": lines},
    });
    let mut config = configs(folder)?;
    if added_any(&spec) {
        for name in ["bos_token", "eos_token", "unk_token"] {
            config.entry(name).or_insert(json!(end));
        }
    }
    Tokenizer::from_json(spec, config).map_err(|error| error.at(vocab.display()))
}

fn added_any(spec: &Value) -> bool {
    spec["added_tokens"].as_array().is_some_and(|added| !added.is_empty())
}

/// `vocab.txt`: BERT's WordPiece, one token a line.
fn open_wordpiece(path: &Path, folder: &Path) -> Result<Tokenizer> {
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
    if !vocab.contains_key("[UNK]") {
        bail!(
            WHO,
            "{}: there is no `[UNK]` among its {} lines: it is not a WordPiece vocabulary",
            path.display(),
            tokens.len()
        );
    }
    let config = configs(folder)?;
    let lower = config.get("do_lower_case").and_then(Value::as_bool);
    let spec = wordpiece(Value::Object(vocab), lower.unwrap_or_else(|| !has_capitals(&tokens)));
    Tokenizer::from_json(spec, config).map_err(|error| error.at(path.display()))
}

/// A vocabulary with capitals was made from text that kept them; BERT's own special tokens do not count.
fn has_capitals(tokens: &[&str]) -> bool {
    let plain = tokens.iter().filter(|token| !token.starts_with('['));
    plain.filter(|token| token.chars().any(char::is_uppercase)).count() > 26
}

/// BERT's pipeline around a WordPiece vocabulary: Chinese characters stand alone, `[CLS]` and `[SEP]` go around.
pub fn wordpiece(vocab: Value, lower: bool) -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let added: Vec<Value> = special
        .iter()
        .filter_map(|token| {
            Some(json!({"id": vocab.get(token)?, "content": token, "special": true, "normalized": false}))
        })
        .collect();
    let processor = match (vocab.get("[CLS]"), vocab.get("[SEP]")) {
        (Some(cls), Some(sep)) => json!({
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
            ],
            "pair": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
            ],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [cls], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [sep], "tokens": ["[SEP]"]},
            },
        }),
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

/// `tokenizer_config.json`, filled up from `special_tokens_map.json` and `chat_template.jinja`.
fn configs(folder: &Path) -> Result<Map<String, Value>> {
    let mut config = Map::new();
    for name in ["tokenizer_config.json", "special_tokens_map.json"] {
        let path = folder.join(name);
        if !files::is_file(&path) {
            continue;
        }
        let Value::Object(fields) = read_json(&path)? else { bail!(WHO, "{}: this is not a map", path.display()) };
        for (key, value) in fields {
            config.entry(key).or_insert(value);
        }
    }
    let template = folder.join("chat_template.jinja");
    if files::is_file(&template) {
        config.insert("chat_template".to_string(), json!(read_text(&template)?));
    }
    Ok(config)
}

/// The only template, or the one named `default`.
fn template_in(config: &Map<String, Value>) -> Option<String> {
    match config.get("chat_template")? {
        Value::String(template) => Some(template.clone()),
        Value::Array(named) => {
            let chosen = named.iter().find(|entry| entry["name"] == "default").or(named.first())?;
            chosen["template"].as_str().map(str::to_string)
        }
        _ => None,
    }
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = files::read(WHO, path)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => bail!(WHO, "{}: not UTF-8 at byte {}", path.display(), error.utf8_error().valid_up_to()),
    }
}

fn read_json(path: &Path) -> Result<Value> {
    serde_json::from_str(&read_text(path)?).map_err(|error| Error::new(WHO, format!("{}: {error}", path.display())))
}
