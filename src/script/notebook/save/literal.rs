//! Values as script literals.

use rhai::{Array, Dynamic, Map, Scope};
use std::fmt;

/// Maximum length in bytes: longer literals are unreadable.
const LONGEST: usize = 2000;

/// A variable that an interrupted input changed or created.
pub struct Left {
    name: String,
    is_new: bool,
    /// Its literal, if it has one.
    value: Option<String>,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Left { name, is_new, value } = self;
        match (value, is_new) {
            (Some(value), true) => write!(f, "let {name} = {value};"),
            (Some(value), false) => write!(f, "{name} = {value};"),
            (None, _) => write!(f, "// {name}: was as the interruption left it, and is not in this script"),
        }
    }
}

/// The variables that visibly differ: values behind handles are not compared.
pub fn left(before: &Scope, after: &Scope) -> Vec<Left> {
    let mut found = Vec::new();
    for (name, _, value) in after.iter() {
        let written = literal(&value);
        match before.get(name).map(literal) {
            Some(known) if known == written => {}
            known => {
                found.push(Left { name: name.to_string(), is_new: known.is_none(), value: written });
            }
        }
    }
    found
}

/// A value as a script literal, if it has one.
fn literal(value: &Dynamic) -> Option<String> {
    let mut out = String::new();
    write(value, &mut out)?;
    Some(out)
}

fn write(value: &Dynamic, out: &mut String) -> Option<()> {
    if out.len() > LONGEST {
        return None;
    }
    if value.is_unit() {
        out.push_str("()");
    } else if let Ok(number) = value.as_float() {
        number.is_finite().then_some(())?;
        *out += &format!("{number:?}");
    } else if value.is_int() || value.is_bool() {
        *out += &value.to_string();
    } else if let Ok(letter) = value.as_char() {
        *out += &format!("'{}'", escaped(&letter.to_string(), '\'')?);
    } else if let Ok(text) = value.as_immutable_string_ref() {
        *out += &format!("\"{}\"", escaped(&text, '"')?);
    } else if let Some(list) = value.read_lock::<Array>() {
        out.push('[');
        for (index, item) in list.iter().enumerate() {
            out.push_str(if index > 0 { ", " } else { "" });
            write(item, out)?;
        }
        out.push(']');
    } else {
        let map = value.read_lock::<Map>()?;
        out.push_str("#{");
        for (index, (key, item)) in map.iter().enumerate() {
            out.push_str(if index > 0 { ", " } else { " " });
            *out += &format!("\"{}\": ", escaped(key, '"')?);
            write(item, out)?;
        }
        out.push_str(if map.is_empty() { "}" } else { " }" });
    }
    (out.len() <= LONGEST).then_some(())
}

/// The characters of a quoted text, escaped.
fn escaped(text: &str, quote: char) -> Option<String> {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => return None,
            c => out.push(c),
        }
    }
    Some(out)
}
