//! Added tokens: those of `tokenizer.json`, of the config's `added_tokens_decoder`, of `added_tokens.json`, the named special
//! tokens and the additional ones, combined as in transformers. A new one gets the next id, regardless of its file.

use super::class::Class;
use super::config::{NAMED, Settings, content};
use crate::token::engine::WHO;
use crate::{Result, bail};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The added tokens of a description, in order, and the token of each id.
struct Added<'v> {
    list: Vec<Map<String, Value>>,
    places: HashMap<String, usize>,
    vocab: Vocab<'v>,
    next: u64,
}

/// The ids of the model's own tokens.
enum Vocab<'v> {
    Map(&'v Map<String, Value>),
    List(HashMap<&'v str, u64>),
}

impl Vocab<'_> {
    fn of(model: &Value) -> Vocab<'_> {
        match &model["vocab"] {
            Value::Object(vocab) => Vocab::Map(vocab),
            Value::Array(rows) => {
                Vocab::List((0..).zip(rows).filter_map(|(id, row)| Some((row.get(0)?.as_str()?, id))).collect())
            }
            _ => Vocab::List(HashMap::new()),
        }
    }

    fn id(&self, token: &str) -> Option<u64> {
        match self {
            Vocab::Map(vocab) => vocab.get(token)?.as_u64(),
            Vocab::List(ids) => ids.get(token).copied(),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Vocab::Map(vocab) => vocab.values().filter_map(Value::as_u64).max().map_or(0, |last| last + 1),
            Vocab::List(ids) => ids.len() as u64,
        }
    }
}

/// Completes the `added_tokens` of a description from its settings.
pub fn complete(spec: &mut Value, settings: &mut Settings) -> Result<()> {
    let own = match spec.get_mut("added_tokens").map(Value::take) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(own)) => own,
        // the engine reports the error
        Some(other) => {
            spec["added_tokens"] = other;
            return Ok(());
        }
    };
    let vocab = Vocab::of(&spec["model"]);
    let mut added = Added { next: vocab.len(), list: Vec::new(), places: HashMap::new(), vocab };
    added.take_listed(own, settings)?;
    added.take_named(settings);
    spec["added_tokens"] = added.list.into_iter().map(Value::Object).collect();
    Ok(())
}

/// `image_token` and others of that form: special, with a model-specific name.
fn is_other(key: &str, value: &Value) -> bool {
    key.ends_with("_token") && !NAMED.contains(&key) && content(value).is_some()
}

/// Special tokens without a name, or a map of those with model-specific names.
const EXTRA: &str = "extra_special_tokens";

/// The list `extra_special_tokens`, or its earlier name `additional_special_tokens`.
fn additional(settings: &Settings) -> impl Iterator<Item = &Value> {
    let filled = |key: &str| settings.config.get(key)?.as_array().filter(|list| !list.is_empty());
    filled(EXTRA).or_else(|| filled("additional_special_tokens")).into_iter().flatten()
}

/// The tokens that the config lists with their ids, or `added_tokens.json`, by id.
fn listed(settings: &Settings) -> Result<Vec<(u64, Map<String, Value>)>> {
    let mut list = Vec::new();
    if let Some(decoder) = settings.config.get("added_tokens_decoder") {
        let Value::Object(decoder) = decoder else { bail!(WHO, "`added_tokens_decoder` is not a map") };
        for (id, token) in decoder {
            let (Ok(number), Value::Object(token), Some(_)) = (id.parse(), token, content(token)) else {
                bail!(WHO, "`added_tokens_decoder`: `{id}` is no id of a token: {token}")
            };
            list.push((number, token.clone()));
        }
    }
    let special: Vec<&str> = NAMED
        .into_iter()
        .filter_map(|name| settings.token(name))
        .chain(additional(settings).filter_map(content))
        .collect();
    for (token, id) in &settings.added {
        let Some(number) = id.as_u64() else { bail!(WHO, "added_tokens.json: the id of `{token}` is {id}") };
        let Value::Object(fields) = whole(token, special.contains(&token.as_str())) else { continue };
        list.push((number, fields));
    }
    list.sort_by_key(|(id, _)| *id);
    Ok(list)
}

/// A token with its flags: a special one is matched in the raw text, any other in normalized text.
fn whole(content: &str, special: bool) -> Value {
    json!({
        "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": !special, "special": special,
    })
}

impl Added<'_> {
    /// Adds the tokens of `tokenizer.json`, and those listed with their ids. A rebuilt class has only the listed ones.
    fn take_listed(&mut self, own: Vec<Value>, settings: &mut Settings) -> Result<()> {
        let named: Vec<String> = NAMED.into_iter().filter_map(|name| settings.token(name)).map(String::from).collect();
        let listed = listed(settings)?;
        let rebuilt = settings.class.is_rebuilt() && settings.config.contains_key("added_tokens_decoder");
        for token in own {
            let Value::Object(token) = token else { bail!(WHO, "an added token is {token}, not a map") };
            let name = token.get("content").and_then(Value::as_str).unwrap_or_default();
            if !rebuilt || listed.iter().any(|(_, known)| known.get("content").and_then(Value::as_str) == Some(name)) {
                self.push(token);
            } else if self.vocab.id(name).is_none() && !named.iter().any(|known| known == name) {
                settings.unused.push(format!(
                    "tokenizer.json: the added token `{name}` is not used: tokenizer_config.json lists others"
                ));
            }
        }
        for (id, mut token) in listed {
            if let Some(other) = self.put(id, &mut token, &named) {
                let content = token["content"].as_str().unwrap_or_default();
                settings
                    .unused
                    .push(format!("added_tokens_decoder: the id {id} of `{content}` is not used: it is {other}"));
            }
        }
        Ok(())
    }

    /// Adds the special tokens named in the settings, and the additional ones.
    fn take_named(&mut self, settings: &Settings) {
        let names = NAMED.into_iter().filter_map(|name| settings.config.get(name));
        let others = settings.config.iter().filter(|(key, value)| is_other(key, value)).map(|(_, value)| value);
        let by_name = settings.config.get(EXTRA).and_then(Value::as_object).into_iter().flat_map(|map| map.values());
        let named: Vec<&Value> = names.chain(others).chain(by_name).collect();
        named.iter().for_each(|token| self.special(token));
        let more = additional(settings).map(|token| (token, true));
        let pieces = settings.pieces.iter().map(|piece| (piece, piece["special"] == true));
        more.chain(pieces).for_each(|(token, special)| self.fresh(token, special));
        if settings.class == Class::Qwen2 {
            // its constructor adds all special tokens again, by their texts alone
            named.into_iter().chain(additional(settings)).filter_map(content).for_each(|token| self.plain(token));
        }
    }

    fn push(&mut self, token: Map<String, Value>) {
        let name = token.get("content").and_then(Value::as_str).unwrap_or_default().to_string();
        if let Some(id) = token.get("id").and_then(Value::as_u64) {
            self.next = self.next.max(id.saturating_add(1));
        }
        self.places.insert(name, self.list.len());
        self.list.push(token);
    }

    /// Adds a token listed with its id, with its flags. Returns its actual id, if different.
    fn put(&mut self, id: u64, token: &mut Map<String, Value>, named: &[String]) -> Option<u64> {
        let name = token.get("content").and_then(Value::as_str).unwrap_or_default().to_string();
        token.remove("__type");
        if named.contains(&name) {
            token.insert("special".into(), json!(true));
        }
        let place = self.places.get(&name).copied();
        let before = place.and_then(|place| self.list[place].get("id")?.as_u64());
        let known = before.or_else(|| self.vocab.id(&name));
        let own = known.unwrap_or(self.next);
        let mut token = token.clone();
        token.insert("id".into(), json!(own));
        match place {
            Some(place) => {
                let before = self.list[place].get("special") == Some(&json!(true));
                let special = before || token.get("special") == Some(&json!(true));
                token.insert("special".into(), json!(special));
                self.list[place] = token;
            }
            None => self.push(token),
        }
        (own != id).then_some(own)
    }

    /// Adds a token that is matched regardless of its surroundings.
    fn plain(&mut self, name: &str) {
        let Some(place) = self.places.get(name) else { return };
        for flag in ["lstrip", "rstrip", "single_word", "normalized"] {
            self.list[*place].insert(flag.into(), json!(false));
        }
    }

    /// Adds a named token: special, and new if it does not exist yet.
    fn special(&mut self, token: &Value) {
        let place = content(token).and_then(|name| self.places.get(name).copied());
        match place {
            Some(place) => {
                self.list[place].insert("special".into(), json!(true));
            }
            None => self.fresh(token, true),
        }
    }

    /// Adds a token if it does not exist yet.
    fn fresh(&mut self, token: &Value, special: bool) {
        let Some(name) = content(token).filter(|name| !name.is_empty() && !self.places.contains_key(*name)) else {
            return;
        };
        let Value::Object(mut fields) = whole(name, special) else { return };
        for (key, value) in token.as_object().into_iter().flatten() {
            if key != "__type" && key != "special" {
                fields.insert(key.clone(), value.clone());
            }
        }
        let id = self.vocab.id(name).unwrap_or(self.next);
        fields.insert("id".into(), json!(id));
        self.push(fields);
    }
}
