//! Checks the messages of a chat, and converts them for templates.

use super::error::{Answer, ApiError};
use super::fields::Fields;
use crate::token::digits;
use serde_json::{Map, Value, json};

const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];
const FIELDS: &[&str] = &[
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "refusal",
    "reasoning_content",
    "reasoning",
    "function_call",
    "audio",
    "annotations",
];

/// The messages in the form of chat templates.
pub fn read(fields: &Fields) -> Answer<Vec<Value>> {
    let list = match fields.array("messages")? {
        Some(list) if !list.is_empty() => list,
        Some(_) => return Err(fields.wrong("messages", "is empty")),
        None => return Err(fields.wrong("messages", "is missing")),
    };
    list.iter().enumerate().map(|(at, message)| self::message(message, &format!("messages[{at}]"))).collect()
}

fn message(value: &Value, path: &str) -> Answer<Value> {
    let fields = Fields::of(value, path)?;
    fields.only(FIELDS)?;
    let role = match fields.text("role")? {
        Some(role) if ROLES.contains(&role) => role,
        Some(role) => return Err(fields.wrong("role", format!("is `{role}`, and not one of {}", ROLES.join(", ")))),
        None => return Err(fields.wrong("role", "is missing")),
    };
    let mut made = Map::new();
    // templates have no developer role: OpenAI's name for system messages since o1
    made.insert("role".into(), json!(if role == "developer" { "system" } else { role }));
    let calls = fields.array("tool_calls")?;
    if calls.is_some() && role != "assistant" {
        return Err(fields.wrong("tool_calls", format!("are of an assistant, and this is `{role}`")));
    }
    let content = match fields.get("content") {
        Some(content) => content_text(content, &fields.name("content"))?,
        None if calls.is_some_and(|calls| !calls.is_empty()) => String::new(),
        None => return Err(fields.wrong("content", "is missing or null")),
    };
    made.insert("content".into(), Value::String(content));
    for name in ["name", "tool_call_id", "reasoning_content"] {
        if let Some(text) = fields.text(name)? {
            made.insert(name.into(), json!(text));
        }
    }
    if let Some(calls) = calls {
        let read = |(at, call): (usize, &Value)| tool_call(call, &format!("{path}.tool_calls[{at}]"));
        made.insert("tool_calls".into(), calls.iter().enumerate().map(read).collect::<Answer<Vec<_>>>()?.into());
    }
    Ok(Value::Object(made))
}

/// The text of a content, which may consist of parts.
fn content_text(content: &Value, path: &str) -> Answer<String> {
    let parts = match content {
        Value::String(text) => return Ok(text.clone()),
        Value::Array(parts) => parts,
        _ => return Err(ApiError::field(path, format!("`{path}` is neither a string nor an array of parts"))),
    };
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        let fields = Fields::of(part, &format!("{path}[{at}]"))?;
        match fields.text("type")? {
            Some("text") => match fields.text("text")? {
                Some(part) => text.push_str(part),
                None => return Err(fields.wrong("text", "is missing")),
            },
            Some(kind) => {
                return Err(fields.wrong("type", format!("is `{kind}`: this model reads text alone")));
            }
            None => return Err(fields.wrong("type", "is missing")),
        }
    }
    Ok(text)
}

/// A call in the form of templates: its arguments are an object, where OpenAI has a string of JSON.
fn tool_call(call: &Value, path: &str) -> Answer<Value> {
    let fields = Fields::of(call, path)?;
    let function = Fields::of(fields.needed("function")?, &fields.name("function"))?;
    let name = function.text("name")?.ok_or_else(|| function.wrong("name", "is missing"))?;
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) if text.is_empty() => json!({}),
        Some(Value::String(text)) => {
            digits::parse(text).map_err(|error| function.wrong("arguments", format!("is not JSON: {error}")))?
        }
        Some(value) => value.clone(),
        None => json!({}),
    };
    let mut made = json!({ "type": "function", "function": { "name": name, "arguments": arguments } });
    if let Some(id) = fields.text("id")? {
        made["id"] = json!(id);
    }
    Ok(made)
}
