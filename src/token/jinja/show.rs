//! Values as text: Python's `str` and `repr`.

use super::budget::{Budget, Res};
use super::float::float_text;
use super::marked::{Text, Writer};
use super::value::{Callable, Sequence, Value};

/// A value as `{{ value }}` prints it.
pub fn text(value: &Value, budget: &mut Budget) -> Res<Text> {
    if let Value::Text(text) = value {
        return Ok(text.clone());
    }
    let mut writer = Writer::default();
    show(value, &mut writer, budget)?;
    Ok(writer.finish())
}

pub fn show(value: &Value, writer: &mut Writer, budget: &mut Budget) -> Res<()> {
    match value {
        Value::Text(text) => {
            budget.spend_bytes(text.len())?;
            writer.push_text(text);
            Ok(())
        }
        Value::Undefined(_) => Ok(()),
        _ => repr(value, writer, budget),
    }
}

/// A value as printed inside a list.
pub fn repr(value: &Value, writer: &mut Writer, budget: &mut Budget) -> Res<()> {
    budget.spend(1)?;
    match value {
        Value::Undefined(_) => writer.push("Undefined"),
        Value::None => writer.push("None"),
        Value::Bool(true) => writer.push("True"),
        Value::Bool(false) => writer.push("False"),
        Value::Int(value) => writer.push(&value.to_string()),
        Value::Float(value) => writer.push(&float_text(*value)),
        Value::Text(text) => {
            budget.spend_bytes(text.len())?;
            writer.push_from(&quoted(text.as_str()), text.source());
        }
        Value::List(kind, list) => sequence(*kind, &list.items, writer, budget)?,
        Value::Dict(dict) => entries(&dict.entries, writer, budget)?,
        Value::Namespace(_) => writer.push("<Namespace>"),
        Value::Generator(_) => writer.push("<generator>"),
        Value::Loop(of) => {
            let length = of.length.get().unwrap_or(of.items.len());
            writer.push(&format!("<LoopContext {}/{length}>", of.index0.get() + 1));
        }
        Value::Callable(callable) => match &**callable {
            Callable::Macro(closure) => writer.push(&format!("<Macro {}>", quoted(&closure.defined.name))),
            Callable::Method(value, name) => {
                writer.push(&format!("<built-in method {name} of {} object>", value.kind()));
            }
            Callable::Global(name) => writer.push(&format!("<function {name}>")),
            Callable::Joiner(..) => writer.push("<Joiner>"),
            Callable::Cycler(..) => writer.push("<Cycler>"),
        },
    }
    Ok(())
}

fn sequence(kind: Sequence, items: &[Value], writer: &mut Writer, budget: &mut Budget) -> Res<()> {
    let (open, close) = match kind {
        Sequence::List => ("[", "]"),
        Sequence::Tuple => ("(", if items.len() == 1 { ",)" } else { ")" }),
        Sequence::Keys => ("dict_keys([", "])"),
        Sequence::Values => ("dict_values([", "])"),
        Sequence::Items => ("dict_items([", "])"),
        Sequence::Range => {
            writer.push(&range(items));
            return Ok(());
        }
    };
    writer.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            writer.push(", ");
        }
        repr(item, writer, budget)?;
    }
    writer.push(close);
    Ok(())
}

/// A range by its ends, as far as its elements determine them.
fn range(items: &[Value]) -> String {
    let number = |at: usize| items.get(at).and_then(Value::as_int).unwrap_or(0);
    let step = if items.len() > 1 { number(1) - number(0) } else { 1 };
    let end = if items.is_empty() { 0 } else { number(items.len() - 1) + step };
    if step == 1 { format!("range({}, {end})", number(0)) } else { format!("range({}, {end}, {step})", number(0)) }
}

fn entries(entries: &[(Value, Value)], writer: &mut Writer, budget: &mut Budget) -> Res<()> {
    writer.push("{");
    for (at, (key, value)) in entries.iter().enumerate() {
        if at > 0 {
            writer.push(", ");
        }
        repr(key, writer, budget)?;
        writer.push(": ");
        repr(value, writer, budget)?;
    }
    writer.push("}");
    Ok(())
}

/// A quoted string, as in Python.
pub fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if letter == quote => quoted.extend(['\\', letter]),
            _ if is_printable(letter) => quoted.push(letter),
            _ => quoted.push_str(&escaped(letter)),
        }
    }
    quoted.push(quote);
    quoted
}

/// `\x1b`, `\u200b` or `\U000e0001`.
fn escaped(letter: char) -> String {
    match letter as u32 {
        code @ ..0x100 => format!("\\x{code:02x}"),
        code @ ..0x10000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

/// `ascii()`: escapes non-ASCII characters.
pub fn ascii(quoted: &str) -> String {
    quoted.chars().map(|letter| if letter.is_ascii() { letter.to_string() } else { escaped(letter) }).collect()
}

pub fn is_printable(letter: char) -> bool {
    // in the middle of a text, where combining marks are not escaped
    let known = ['a', letter].iter().collect::<String>();
    matches!(letter, '\\' | '\'' | '"') || known.escape_debug().count() == 2
}
