//! The ids of a chat in which message content remains text: a `<|im_end|>` typed into a message does not end the turn.
//!
//! A chat is encoded whole, as in transformers, since words may merge across the border of template and message. Only if a
//! message contains the text of a special token is it encoded again, by the same tokenizer with its special tokens under names
//! that nobody types; the template's special tokens are replaced by these names.

use super::Chat;
use crate::token::Tokenizer;
use crate::token::engine;
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::sync::Arc;

const WHO: &str = "apply_chat_template";
/// The prefix of those names. No normalizer changes it.
const NAME: &str = "⟦levain⁂";

fn name(id: u32) -> String {
    format!("{NAME}{id}⟧")
}

impl Tokenizer {
    /// The ids of a chat, in which only the template's special tokens are special.
    pub fn chat_ids(&self, chat: &Chat) -> Result<Vec<u32>> {
        let (ids, offsets) = self.ids_and_offsets(&chat.text, false)?;
        let mut written: Vec<(Range<usize>, u32)> = Vec::new();
        let mut typed = false;
        for (&id, &(start, end)) in ids.iter().zip(&offsets).filter(|(id, _)| self.is_special(**id)) {
            let place = self.place(&chat.text, id, start..end);
            match chat.said.iter().any(|said| said.start < place.end && place.start < said.end) {
                true => typed = true,
                false => written.push((place, id)),
            }
        }
        if !typed {
            return Ok(ids);
        }
        if chat.text.contains(NAME) {
            return Err(Error::new(WHO, format!("the messages hold `{NAME}`, which names special tokens here"))
                .help("leave it out"));
        }
        let (mut text, mut from) = (String::with_capacity(chat.text.len()), 0);
        for (place, id) in written {
            text.push_str(&chat.text[from..place.start]);
            text.push_str(&name(id));
            from = place.end;
        }
        text.push_str(&chat.text[from..]);
        self.renamed()?.ids(&text, false)
    }

    /// The position of a special token's own letters: its match may include adjacent white space.
    fn place(&self, text: &str, id: u32, range: Range<usize>) -> Range<usize> {
        let token = self.token(id).unwrap_or_default();
        match text.get(range.clone()).and_then(|found| found.find(token)) {
            Some(at) => range.start + at..range.start + at + token.len(),
            None => range,
        }
    }

    /// The same tokenizer, with special tokens under names that nobody types. Cached.
    fn renamed(&self) -> Result<Arc<Tokenizer>> {
        if let Some(known) = self.plain().get() {
            return Ok(known.clone());
        }
        let mut spec = engine::describe(self.engine())?;
        rename(&mut spec);
        let mut config = Map::new();
        config.extend(
            self.config().get("split_special_tokens").map(|split| ("split_special_tokens".into(), split.clone())),
        );
        let made = Arc::new(Tokenizer::from_json(spec, config)?);
        Ok(self.plain().get_or_init(|| made).clone())
    }
}

/// Renames the special tokens everywhere in a description.
fn rename(spec: &mut Value) {
    let mut names: Map<String, Value> = Map::new();
    for added in spec["added_tokens"].as_array_mut().into_iter().flatten().filter(|added| added["special"] == true) {
        let (Some(content), Some(id)) = (added["content"].as_str(), added["id"].as_u64()) else { continue };
        let new = json!(name(id as u32));
        names.insert(content.to_string(), new.clone());
        added["content"] = new;
    }
    // it names tokens, and adds none here
    spec["post_processor"] = Value::Null;
    let model = &mut spec["model"];
    if let Some(new) = model["unk_token"].as_str().and_then(|unknown| names.get(unknown)) {
        model["unk_token"] = new.clone();
    }
    match &mut model["vocab"] {
        Value::Object(vocab) => {
            for (old, new) in &names {
                if let (Some(id), Some(new)) = (vocab.remove(old), new.as_str()) {
                    vocab.insert(new.into(), id);
                }
            }
        }
        Value::Array(rows) => {
            for row in rows {
                if let Some(new) = row[0].as_str().and_then(|old| names.get(old)) {
                    row[0] = new.clone();
                }
            }
        }
        _ => {}
    }
}
