//! JSON: parsing to values, and `tojson`, which in transformers is `json.dumps`.

use super::args::Args;
use super::budget::{Budget, Fault, Res, fail};
use super::compare::{numbers, order};
use super::float::float_text;
use super::marked::{Part, Source, Text, Writer};
use super::value::{Dict, Sequence, Value};
use crate::token::digits;
use serde_json::Value as Json;
use std::rc::Rc;

/// A value from JSON. Its texts get the source.
pub fn from_json(json: &Json, source: Source, budget: &mut Budget) -> Res<Value> {
    Ok(match json {
        Json::Null => Value::None,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::Int(i128::from(whole)),
            (_, Some(whole)) => Value::Int(i128::from(whole)),
            _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(Text::new(text.as_str(), source)),
        Json::Array(items) => {
            Value::list(items.iter().map(|item| from_json(item, source, budget)).collect::<Res<_>>()?)?
        }
        Json::Object(fields) if digits::whole(fields).is_some() => {
            match digits::whole(fields).and_then(|digits| digits.parse().ok()) {
                Some(whole) => Value::Int(whole),
                None => fail!("a number of more than 127 bits"),
            }
        }
        Json::Object(fields) => {
            let mut pairs = Vec::with_capacity(fields.len());
            for (key, value) in fields {
                pairs.push((Value::text(key), from_json(value, source, budget)?));
            }
            Value::Dict(Rc::new(Dict::new(pairs, budget)?))
        }
    })
}

/// A message as transformers passes it to a template: without null keys, and with reasoning under each name that templates use.
pub fn message(json: &serde_json::Map<String, Json>, number: u32, budget: &mut Budget) -> Res<Value> {
    const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];
    let mut pairs = Vec::with_capacity(json.len() + 1);
    let reasoning = REASONING.iter().find_map(|name| json.get(*name).filter(|value| !value.is_null()));
    let said = |part| Source::said(number, part);
    if let Some(reasoning) = reasoning {
        pairs.push((Value::text("thinking"), from_json(reasoning, said(Part::Other), budget)?));
    }
    for (key, value) in json.iter().filter(|(_, value)| !value.is_null()) {
        let source = match key.as_str() {
            "role" | "name" | "tool_call_id" => Source::default(),
            "content" => said(Part::Content),
            _ => said(Part::Other),
        };
        pairs.push((Value::text(key), from_json(value, source, budget)?));
    }
    if let Some(reasoning) = reasoning {
        pairs.push((Value::text("reasoning_content"), from_json(reasoning, said(Part::Other), budget)?));
    }
    let mut dict = Dict::new(pairs, budget)?;
    dict.message = Some(number);
    Ok(Value::Dict(Rc::new(dict)))
}

struct Style {
    ascii: bool,
    sorted: bool,
    indent: Option<String>,
    between: Text,
    colon: Text,
}

/// `json.dumps` with `ensure_ascii`, `indent`, `separators` and `sort_keys`.
pub fn dumps(value: &Value, args: Args, budget: &mut Budget) -> Res<Value> {
    let [ascii, indent, separators, sorted] =
        args.bind("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])?;
    let indent = match indent {
        None | Some(Value::None) => None,
        Some(Value::Text(text)) => Some(text.as_str().to_string()),
        Some(value) => match value.as_int() {
            Some(width @ ..=1000) => Some(" ".repeat(usize::try_from(width).unwrap_or(0))),
            _ => fail!("`indent` of tojson is a number of spaces, or a text"),
        },
    };
    let (between, colon) = match separators {
        None | Some(Value::None) => {
            let between = if indent.is_some() { "," } else { ", " };
            (Text::plain(between), Text::plain(": "))
        }
        Some(pair) => match pair.walk(budget)?.as_slice() {
            [Value::Text(between), Value::Text(colon)] => (between.clone(), colon.clone()),
            _ => fail!("`separators` of tojson are two texts"),
        },
    };
    let is_set = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let style = Style { ascii: is_set(ascii), sorted: is_set(sorted), indent, between, colon };
    let mut writer = Writer::default();
    style.dump(value, 0, &mut writer, budget)?;
    Ok(Value::Text(writer.finish()))
}

/// An entry with its key, and the key's text.
type Entry<'v> = (&'v Value, Text, &'v Value);

/// Sorts entries by their keys, not by their texts: 9 is before 10, and a number beside a text is an error.
fn by_key(entries: &mut [Entry], budget: &mut Budget) -> Res<()> {
    for at in 1..entries.len() {
        order(entries[0].0, entries[at].0, "<", budget)?;
    }
    // paid in advance, so that sorting is not interrupted
    budget.spend(entries.len() as u64 * u64::from(entries.len().max(1).ilog2()))?;
    let is_nan = |value: &Value| matches!(value, Value::Float(number) if number.is_nan());
    entries.sort_by(|(one, one_text, _), (two, two_text, _)| match (one, two) {
        (Value::Text(_), _) => one_text.as_str().cmp(two_text.as_str()),
        _ => numbers(one, two).unwrap_or_else(|| is_nan(one).cmp(&is_nan(two))),
    });
    Ok(())
}

impl Style {
    fn dump(&self, value: &Value, level: usize, writer: &mut Writer, budget: &mut Budget) -> Res<()> {
        budget.spend(1)?;
        match value {
            Value::None => writer.push("null"),
            Value::Bool(true) => writer.push("true"),
            Value::Bool(false) => writer.push("false"),
            Value::Int(value) => writer.push(&value.to_string()),
            Value::Float(value) => writer.push(&number(*value)),
            Value::Text(text) => {
                budget.spend_bytes(text.len())?;
                writer.push_from(&quoted(text.as_str(), self.ascii), text.source());
            }
            Value::List(Sequence::List | Sequence::Tuple, list) => {
                let items = list.items.iter().map(|item| (None, item));
                self.parts(items, ["[", "]"], level, writer, budget)?;
            }
            Value::Dict(dict) => {
                let mut entries: Vec<Entry> = Vec::with_capacity(dict.entries.len());
                for (key, value) in &dict.entries {
                    entries.push((key, key_text(key)?, value));
                }
                if self.sorted {
                    by_key(&mut entries, budget)?;
                }
                let parts = entries.into_iter().map(|(_, key, value)| (Some(key), value));
                self.parts(parts, ["{", "}"], level, writer, budget)?;
            }
            other => fail!("Object of type {} is not JSON serializable", other.kind()),
        }
        Ok(())
    }

    fn parts<'a>(
        &self,
        parts: impl Iterator<Item = (Option<Text>, &'a Value)>,
        [open, close]: [&str; 2],
        level: usize,
        writer: &mut Writer,
        budget: &mut Budget,
    ) -> Res<()> {
        writer.push(open);
        let mut empty = true;
        for (key, value) in parts {
            if !empty {
                budget.spend_bytes(self.between.len())?;
                writer.push_text(&self.between);
            }
            empty = false;
            self.line(level + 1, writer, budget)?;
            if let Some(key) = key {
                budget.spend_bytes(key.len() + self.colon.len())?;
                writer.push_from(&quoted(key.as_str(), self.ascii), key.source());
                writer.push_text(&self.colon);
            }
            self.dump(value, level + 1, writer, budget)?;
        }
        if !empty {
            self.line(level, writer, budget)?;
        }
        writer.push(close);
        Ok(())
    }

    fn line(&self, level: usize, writer: &mut Writer, budget: &mut Budget) -> Res<()> {
        if let Some(indent) = &self.indent {
            budget.spend_bytes(indent.len() * level)?;
            writer.push("\n");
            writer.push(&indent.repeat(level));
        }
        Ok(())
    }
}

fn key_text(key: &Value) -> Res<Text> {
    Ok(match key {
        Value::Text(text) => text.clone(),
        Value::None => Text::plain("null"),
        Value::Bool(value) => Text::plain(if *value { "true" } else { "false" }),
        Value::Int(value) => Text::plain(value.to_string()),
        Value::Float(value) => Text::plain(number(*value)),
        other => {
            return Err(Fault::Told(format!("keys must be str, int, float, bool or None, not {}", other.kind())));
        }
    })
}

fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    float_text(value).replace("inf", "Infinity")
}

fn quoted(text: &str, ascii: bool) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            ..'\u{20}' => quoted.push_str(&format!("\\u{:04x}", letter as u32)),
            _ if ascii && !letter.is_ascii() => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    quoted.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
