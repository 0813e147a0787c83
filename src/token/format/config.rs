//! The files beside a vocabulary: `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`, the chat template, and
//! the model's own `config.json`.

use super::class::Class;
use crate::token::engine::WHO;
use crate::{Error, Result, bail, files};
use serde_json::{Map, Value, json};
use std::path::Path;

/// A folder's settings, read as in transformers.
#[derive(Default)]
pub struct Settings {
    /// `tokenizer_config.json`, completed from the other files.
    pub config: Map<String, Value>,
    /// `added_tokens.json`: ids by token.
    pub added: Map<String, Value>,
    /// Added tokens of a SentencePiece model itself.
    pub pieces: Vec<Value>,
    pub class: Class,
    /// Unused settings, a line each.
    pub unused: Vec<String>,
}

/// The named special tokens, in the order in which transformers adds new ones.
pub const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl Settings {
    pub fn read(folder: &Path) -> Result<Settings> {
        let map = |name: &str| -> Result<Option<Map<String, Value>>> {
            let path = folder.join(name);
            if !files::is_file(&path) {
                return Ok(None);
            }
            match read_json(&path)? {
                Value::Object(fields) => Ok(Some(fields)),
                _ => bail!(WHO, "{}: this is not a map", path.display()),
            }
        };
        let mut config = map("tokenizer_config.json")?.unwrap_or_default();
        let mut unused = Vec::new();
        // a list of added tokens makes the two older files obsolete
        let listed = config.contains_key("added_tokens_decoder");
        let specials = map("special_tokens_map.json")?.unwrap_or_default();
        if listed {
            let same = |key: &str| match (config.get(key), &specials[key]) {
                (Some(said), other) => content(said).map_or(said == other, |said| content(other) == Some(said)),
                (None, _) => false,
            };
            if let Some(key) = specials.keys().find(|key| !same(key)) {
                unused.push(format!(
                    "special_tokens_map.json: `{key}` is not used: it is older than tokenizer_config.json, which lists its added tokens"
                ));
            }
        } else {
            // a list in the config under its older name takes precedence over the older file's
            let has_list = ["extra_special_tokens", "additional_special_tokens"]
                .iter()
                .any(|key| config.get(*key).and_then(Value::as_array).is_some_and(|list| !list.is_empty()));
            config.extend(specials.into_iter().filter(|(key, _)| !(has_list && key == "additional_special_tokens")));
        }
        let added = if listed { None } else { map("added_tokens.json")? };
        if let Some(template) = template_files(folder, config.get("chat_template"))? {
            config.insert("chat_template".into(), template);
        }
        let model = map("config.json")?.unwrap_or_default();
        let class = Class::of(&config, &model);
        unused.extend(never_used(&config));
        Ok(Settings { config, added: added.unwrap_or_default(), pieces: Vec::new(), class, unused })
    }

    /// The settings of a tokenizer described in a single file.
    pub fn of(config: Map<String, Value>) -> Settings {
        let unused = never_used(&config);
        Settings { config, unused, ..Settings::default() }
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.config.get(name).and_then(Value::as_bool)
    }

    /// The text of a named special token.
    pub fn token(&self, name: &str) -> Option<&str> {
        self.config.get(name).and_then(content)
    }

    /// Applies the class's default special tokens; a `null` in the config means there is none.
    pub fn take_class_tokens(&mut self) {
        for (name, token) in self.class.tokens() {
            self.config.entry(*name).or_insert_with(|| json!(token));
        }
    }
}

/// The text of a token, which is a string or a map with its flags.
pub fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

/// `chat_template.jinja`, and named templates beside it, if any.
fn template_files(folder: &Path, known: Option<&Value>) -> Result<Option<Value>> {
    let path = folder.join("chat_template.jinja");
    let own = if files::is_file(&path) { Some(json!(read_text(&path)?)) } else { None };
    let more = folder.join("additional_chat_templates");
    if !files::is_folder(&more) {
        return Ok(own);
    }
    let mut named = match own.or(known.cloned()) {
        Some(Value::Array(named)) => named,
        Some(own) => vec![json!({ "name": "default", "template": own })],
        None => Vec::new(),
    };
    let is_template = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "jinja");
    for path in files::list(WHO, &more)?.into_iter().filter(is_template) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        named.retain(|entry| entry["name"] != *name);
        named.push(json!({ "name": name, "template": read_text(&path)? }));
    }
    Ok(Some(Value::Array(named)))
}

/// Settings that change a tokenizer's output and are not supported.
fn never_used(config: &Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    if config.get("auto_map").is_some_and(|map| map.get("AutoTokenizer").is_some() || map.is_array()) {
        lines.push("tokenizer_config.json: `auto_map` names Python code of its own, which is not run".to_string());
    }
    let sampling = config.get("sp_model_kwargs").and_then(Value::as_object).is_some_and(|given| !given.is_empty());
    if sampling {
        lines.push("tokenizer_config.json: `sp_model_kwargs` is not used: texts are not sampled".to_string());
    }
    for key in ["fix_mistral_regex", "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"] {
        if config.get(key) == Some(&Value::Bool(true)) {
            lines.push(format!("tokenizer_config.json: `{key}` is not used"));
        }
    }
    lines
}

/// The only template, or the one named `default`.
pub fn template_in(config: &Map<String, Value>) -> Option<String> {
    match config.get("chat_template")? {
        Value::String(template) => Some(template.clone()),
        Value::Array(named) => {
            let chosen = named.iter().find(|entry| entry["name"] == "default").or(named.first())?;
            chosen["template"].as_str().map(str::to_string)
        }
        _ => None,
    }
}

pub fn read_text(path: &Path) -> Result<String> {
    let bytes = files::read(WHO, path)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => bail!(WHO, "{}: not UTF-8 at byte {}", path.display(), error.utf8_error().valid_up_to()),
    }
}

pub fn read_json(path: &Path) -> Result<Value> {
    serde_json::from_str(&read_text(path)?).map_err(|error| Error::new(WHO, format!("{}: {error}", path.display())))
}
