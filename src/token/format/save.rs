//! Writes a folder that transformers and tokenizers open.

use crate::files::Stage;
use crate::token::{ExtensionInfo, SPECIALS, Tokenizer, engine};
use crate::{Error, Result, progress, ranks};
use serde_json::{Map, Value, json};
use std::path::Path;

const WHO: &str = "save";

impl Tokenizer {
    /// Writes `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json` and the chat template, if any: all of them or
    /// none.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        let mut spec = engine::describe(self.engine())?;
        let model = spec.get_mut("model").and_then(Value::as_object_mut);
        if model.and_then(|model| model.remove(engine::LEVELS)).is_some() {
            progress::warn(
                WHO,
                "merges of this tokenizer tie, which tokenizer.json cannot say: in it the first is made, not the leftmost",
            );
        }
        let mut texts = vec![
            ("tokenizer.json", pretty(&spec)?),
            ("tokenizer_config.json", pretty(&self.saved_config(&spec))?),
            ("special_tokens_map.json", pretty(&self.saved_specials())?),
        ];
        if let Some(template) = self.own_template() {
            texts.push(("chat_template.jinja", template.to_string()));
        }
        ranks::first(&format!("{WHO} {}", folder.display()), || self.write_texts(folder, &texts))
    }

    fn write_texts(&self, folder: &Path, texts: &[(&str, String)]) -> Result<()> {
        let stage = Stage::begin(WHO, folder)?;
        for (name, text) in texts {
            stage.write_all(name, text.as_bytes())?;
        }
        for (name, text) in self.named_templates() {
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
            if name.chars().all(is_plain) && !name.starts_with('.') {
                stage.write_all(&format!("additional_chat_templates/{name}.jinja"), text.as_bytes())?;
            }
        }
        stage.commit()
    }

    /// `tokenizer_config.json`: the original, with a class that uses `tokenizer.json` unchanged. (Other classes build their own
    /// pre-tokenizer and would split differently.)
    fn saved_config(&self, spec: &Value) -> Value {
        const KEPT: [&str; 8] = [
            "model_max_length",
            "padding_side",
            "truncation_side",
            "add_bos_token",
            "add_eos_token",
            "do_lower_case",
            "split_special_tokens",
            "clean_up_tokenization_spaces",
        ];
        let mut config = Map::new();
        config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
        config.insert("clean_up_tokenization_spaces".into(), json!(false));
        for key in KEPT {
            if let Some(value) = self.config().get(key) {
                config.insert(key.into(), value.clone());
            }
        }
        if let Value::Object(specials) = self.saved_specials() {
            config.extend(specials);
        }
        let mut decoder = Map::new();
        for token in spec["added_tokens"].as_array().into_iter().flatten() {
            let mut fields = token.clone();
            let id = fields.as_object_mut().and_then(|fields| fields.remove("id")).unwrap_or_default();
            decoder.insert(id.to_string(), fields);
        }
        config.insert("added_tokens_decoder".into(), Value::Object(decoder));
        if let Some(template) = self.own_template() {
            let named = self.named_templates().map(|(name, template)| json!({ "name": name, "template": template }));
            let all: Vec<Value> = named.chain([json!({ "name": "default", "template": template })]).collect();
            config.insert("chat_template".into(), if all.len() == 1 { json!(template) } else { Value::Array(all) });
        }
        if let Some(extension) = self.extension() {
            config.insert(ExtensionInfo::KEY.into(), extension.saved());
        }
        Value::Object(config)
    }

    fn saved_specials(&self) -> Value {
        let named = SPECIALS.iter().filter_map(|name| {
            let token = self.token(self.special(name)?)?;
            Some((format!("{name}_token"), json!(token)))
        });
        Value::Object(named.collect())
    }
}

fn pretty(value: &Value) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| Error::new(WHO, error.to_string()))
}
