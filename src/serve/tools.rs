//! Tools: their form for templates, and the calls in a model's text.

use super::error::{Answer, ApiError};
use super::fields::Fields;
use super::grammar::Constraint;
use super::served::Served;
use crate::token::digits;
use serde_json::{Map, Value, json};

/// Tag before a call in models of the Hermes family (Qwen too).
const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";

/// The tools of a request.
pub struct Tools {
    /// In the form of templates; `None` if the request wants no call.
    pub shown: Option<Vec<Value>>,
    names: Vec<String>,
    /// The text must be a call of one of these.
    forced: Vec<Value>,
    one: bool,
}

/// A call that a model wrote.
#[derive(Debug, PartialEq)]
pub struct Call {
    pub name: String,
    pub arguments: Value,
}

impl Tools {
    pub fn read(fields: &Fields, served: &Served) -> Answer<Option<Tools>> {
        let Some(list) = fields.array("tools")?.filter(|list| !list.is_empty()) else {
            return match fields.get("tool_choice").and_then(Value::as_str) {
                None if fields.get("tool_choice").is_none() => Ok(None),
                Some("none" | "auto") => Ok(None),
                _ => Err(fields.wrong("tool_choice", "asks for a call, and there are no `tools`")),
            };
        };
        if !served.tok.takes_tools() {
            return Err(
                fields.wrong("tools", format!("are given, and the chat template of `{}` has none", served.name))
            );
        }
        let mut names = Vec::new();
        for (at, tool) in list.iter().enumerate() {
            names.push(name(&Fields::of(tool, &format!("tools[{at}]"))?)?);
        }
        let chosen = choice(fields, &names)?;
        let forced =
            list.iter().zip(&names).filter(|(_, name)| chosen.as_ref().is_some_and(|chosen| chosen.contains(name)));
        let forced = forced.map(|(tool, _)| tool.clone()).collect();
        let shown = (chosen.as_deref() != Some(&[])).then(|| list.clone());
        let one = fields.get("parallel_tool_calls").is_some() && !fields.flag("parallel_tool_calls")?;
        Ok(Some(Tools { shown, names, forced, one }))
    }

    /// The constraint that forces a call, if requested.
    pub fn constraint(&self, served: &Served) -> Answer<Option<Constraint>> {
        if self.forced.is_empty() {
            return Ok(None);
        }
        let (hermes, key) = (served.tok.template().contains(OPEN), arguments_key(served));
        let calls: Vec<Value> = self.forced.iter().map(|tool| schema(&tool["function"], key)).collect();
        let schema = json!({ "anyOf": calls });
        let made = served.grammars().and_then(|grammars| match hermes {
            true => grammars.json_between(&format!("{OPEN}\n"), &schema, &format!("\n{CLOSE}")),
            false => grammars.json_schema(&schema),
        });
        made.map(Some).map_err(|error| ApiError::field("tools", error.to_string()))
    }

    /// Splits a text into its prose and its calls.
    pub fn split(&self, text: &str) -> (String, Vec<Call>) {
        let (words, mut calls) = match text.contains(OPEN) {
            true => between_tags(text),
            false => whole(text),
        };
        if calls.is_empty() || calls.iter().any(|call| !self.names.contains(&call.name)) {
            return (text.to_string(), Vec::new());
        }
        if self.one {
            calls.truncate(1);
        }
        (words.trim().to_string(), calls)
    }
}

/// The key of the arguments in a call that is the whole text, by the template.
fn arguments_key(served: &Served) -> &'static str {
    let template = served.tok.template();
    if template.contains("\"parameters\":") && !template.contains("\"arguments\":") {
        "parameters"
    } else {
        "arguments"
    }
}

fn schema(function: &Value, key: &str) -> Value {
    let parameters = function.get("parameters").cloned().unwrap_or_else(|| json!({ "type": "object" }));
    json!({
        "type": "object",
        "properties": { "name": { "const": function["name"] }, key: parameters },
        "required": ["name", key],
        "additionalProperties": false,
    })
}

/// The name of a tool; checks its fields.
fn name(tool: &Fields) -> Answer<String> {
    tool.only(&["type", "function"])?;
    if tool.text("type")? != Some("function") {
        return Err(tool.wrong("type", "is not `function`"));
    }
    let function = Fields::of(tool.needed("function")?, &tool.name("function"))?;
    function.only(&["name", "description", "parameters", "strict"])?;
    function.text("description")?;
    function.object("parameters")?;
    let name = function.text("name")?.ok_or_else(|| function.wrong("name", "is missing"))?;
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    match !name.is_empty() && name.len() <= 64 && name.chars().all(fine) {
        true => Ok(name.to_string()),
        false => Err(function.wrong("name", "has to be 1 to 64 letters, digits, `_`, `-` or `.`")),
    }
}

/// The tools of which one must be called: `None` if the model decides, empty if none may be called.
fn choice(fields: &Fields, names: &[String]) -> Answer<Option<Vec<String>>> {
    let named = match fields.get("tool_choice") {
        None => return Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => return Ok(None),
            "none" => return Ok(Some(Vec::new())),
            "required" => return Ok(Some(names.to_vec())),
            _ => return Err(fields.wrong("tool_choice", "is not `none`, `auto`, `required` or a function")),
        },
        Some(value) => Fields::of(value, "tool_choice")?,
    };
    let function = Fields::of(named.needed("function")?, "tool_choice.function")?;
    match function.text("name")? {
        Some(name) if names.iter().any(|known| known == name) => Ok(Some(vec![name.to_string()])),
        _ => Err(function.wrong("name", "is not the name of one of the `tools`")),
    }
}

fn call(value: &Value) -> Option<Call> {
    let name = value.get("name")?.as_str()?.to_string();
    let arguments = value.get("arguments").or_else(|| value.get("parameters")).cloned();
    Some(Call { name, arguments: arguments.unwrap_or_else(|| Value::Object(Map::new())) })
}

/// All `<tool_call>{…}</tool_call>` of a text, and the prose around them.
fn between_tags(text: &str) -> (String, Vec<Call>) {
    let (mut words, mut calls, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (inside, behind) = after.split_once(CLOSE).unwrap_or((after, ""));
        words.push_str(before);
        match digits::parse(inside.trim()).ok().as_ref().and_then(call) {
            Some(call) => calls.push(call),
            None => return (text.to_string(), Vec::new()),
        }
        rest = behind;
    }
    words.push_str(rest);
    (words, calls)
}

/// Parses a text that is one call, or a list of them.
fn whole(text: &str) -> (String, Vec<Call>) {
    let calls = match digits::parse(text.trim()) {
        Ok(Value::Array(list)) => list.iter().map(call).collect::<Option<Vec<_>>>(),
        Ok(value @ Value::Object(_)) => call(&value).map(|call| vec![call]),
        _ => None,
    };
    match calls {
        Some(calls) => (String::new(), calls),
        None => (text.to_string(), Vec::new()),
    }
}

/// Holds back a possible call in a streamed text.
#[derive(Default)]
pub struct Watch {
    pub held: String,
    shown: bool,
}

impl Watch {
    /// Returns the part that is certainly prose.
    pub fn push(&mut self, text: &str) -> String {
        self.held.push_str(text);
        let start = self.held.trim_start();
        if !self.shown && (start.is_empty() || start.starts_with(['{', '['])) {
            return String::new();
        }
        let end = match self.held.find(OPEN) {
            Some(at) => at,
            None => {
                self.held.len() - (1..OPEN.len()).rev().find(|&size| self.held.ends_with(&OPEN[..size])).unwrap_or(0)
            }
        };
        self.shown |= end > 0;
        let rest = self.held.split_off(end);
        std::mem::replace(&mut self.held, rest)
    }
}
