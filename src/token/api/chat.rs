//! Conversion of chat messages between scripts and templates.

use super::value::{int, kind, list, map, range};
use crate::script::prelude::*;
use crate::token::{Chat, ChatOptions, ChatSpan, digits};
use serde_json::Value;

pub const APPLY_CHAT_TEMPLATE: &[Opt] = &[
    opt("add_generation_prompt", Kind::Bool, "false", "append the start of the assistant's turn").also(&["open"]),
    opt(
        "continue_final_message",
        Kind::Bool,
        "false",
        "end with the text of the last message, for a model to continue",
    )
    .also(&["prefill"]),
    opt("tools", Kind::List, "", "JSON schemas of tools, as maps or as JSON texts")
        .also(&["functions", "function calling"]),
    opt("documents", Kind::List, "", "documents to answer from: maps with `title` and `text`").also(&["RAG"]),
    opt("enable_thinking", Kind::Bool, "", "variable `enable_thinking` of the template").also(&["reasoning", "think"]),
    opt("chat_template_kwargs", Kind::Map, "", "other variables of the template").also(&["template variables"]),
];

const WHO: &str = "apply_chat_template";

/// Keys of JSON schemas, messages and tool calls, in transformers' order. Maps of a script are unordered.
const ORDER: [&str; 17] = [
    "role",
    "id",
    "type",
    "function",
    "name",
    "title",
    "text",
    "content",
    "items",
    "properties",
    "required",
    "enum",
    "nullable",
    "description",
    "parameters",
    "return",
    "arguments",
];

/// Chat messages in the form of templates.
pub fn messages(given: &List) -> Res<Vec<Value>> {
    given.iter().map(|message| one(WHO, "a message is a map with `role` and `content`", message)).collect()
}

/// Template options from the options of `apply_chat_template`.
pub fn options(given: &Options) -> Res<ChatOptions> {
    let mut options = ChatOptions {
        add_generation_prompt: given.bool("add_generation_prompt")?,
        continue_final_message: given.bool("continue_final_message")?,
        ..ChatOptions::default()
    };
    fill(WHO, &mut options, given.get("tools"), given.get("documents"), given.get("chat_template_kwargs"))?;
    if let Some(thinking) = given.maybe("enable_thinking", Options::bool)? {
        options.variables.insert("enable_thinking".into(), thinking.into());
    }
    Ok(options)
}

/// Reads tools, documents and other variables, each `()` if not given.
pub fn fill(who: &str, options: &mut ChatOptions, tools: Dynamic, documents: Dynamic, variables: Dynamic) -> Res<()> {
    let several = |name: &str, given: Dynamic| -> Res<Option<Vec<Value>>> {
        if given.is_unit() {
            return Ok(None);
        }
        let Some(given) = given.read_lock::<List>() else {
            bail!(who, "option `{name}` is a list of maps, not {}", kind(&given))
        };
        let what = format!("option `{name}` is a list of maps, or of JSON texts");
        given.iter().map(|one_of| one(who, &what, one_of)).collect::<Res<_>>().map(Some)
    };
    options.tools = several("tools", tools)?;
    options.documents = several("documents", documents)?;
    if !variables.is_unit() {
        let Value::Object(variables) = one(who, "option `chat_template_kwargs` is a map", &variables)? else {
            return Ok(());
        };
        options.variables = variables;
    }
    Ok(())
}

/// Reads a map, or a text that holds one as JSON.
fn one(who: &str, what: &str, given: &Dynamic) -> Res<Value> {
    if let Some(text) = given.read_lock::<ImmutableString>() {
        return match digits::parse(&text) {
            Ok(value) if value.is_object() => Ok(value),
            Ok(_) => bail!(who, "{what}; this JSON text is no map: {}", crate::text::cut(&text, 60)),
            Err(error) => bail!(who, "{what}; this text is not JSON ({error}): {}", crate::text::cut(&text, 60)),
        };
    }
    match rhai::serde::from_dynamic::<Value>(given) {
        Ok(value) if value.is_object() => Ok(ordered(value)),
        _ => bail!(who, "{what}, not {}", kind(given)),
    }
}

/// Puts known keys first; the others keep their order.
fn ordered(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(ordered).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.into_iter().map(|(key, value)| (key, ordered(value))).collect();
            let place = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
            fields.sort_by_key(|(key, _)| place(key));
            Value::Object(fields.into_iter().collect())
        }
        simple => simple,
    }
}

pub fn shown(chat: &Chat) -> Map {
    let span = |span: &ChatSpan| {
        map([
            ("message", int(span.message)),
            ("role", span.role.clone().into()),
            ("content", range(&span.content)),
            ("turn", range(&span.turn)),
        ])
    };
    map([
        ("text", chat.text.clone().into()),
        ("spans", list(chat.spans.iter().map(|one| Dynamic::from_map(span(one))))),
    ])
}
