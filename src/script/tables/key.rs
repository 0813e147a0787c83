//! One key of an option table, from a native table or from Rhai source.

use super::source::Entry;
use super::tree::choice;
use crate::script::notebook::scan;
use crate::script::options::{Kind, Opt, kind_name};
use rhai::{Dynamic, Expr, FnPtr, Position};

/// One key that a verb accepts.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct OptionKey {
    pub name: String,
    /// `Kind::Text` if `words` lists the accepted values.
    pub kind: Kind,
    pub words: Vec<String>,
    /// As written; empty if there is none.
    pub default: String,
    pub doc: String,
    /// Search terms.
    pub also: Vec<String>,
}

impl OptionKey {
    /// The accepted values, in words.
    pub fn takes(&self) -> String {
        if self.words.is_empty() { kind_name(self.kind).to_string() } else { self.words.join(", ") }
    }

    /// Its doc, and the accepted words.
    pub fn about(&self) -> String {
        let words = self.words.join(", ");
        match (self.doc.is_empty(), words.is_empty()) {
            (_, true) => self.doc.clone(),
            (true, false) => words,
            (false, false) => format!("{} ({words})", self.doc),
        }
    }
}

impl From<&Opt> for OptionKey {
    fn from(opt: &Opt) -> OptionKey {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        OptionKey {
            name: opt.name.to_string(),
            kind: if opt.words().is_empty() { opt.kind } else { Kind::Text },
            words: owned(opt.words()),
            default: opt.default.to_string(),
            doc: opt.doc.to_string(),
            also: owned(opt.also),
        }
    }
}

/// The key that an entry of a map of defaults declares; `told`: with its default and doc, for display.
pub fn key(entry: Entry, told: bool) -> OptionKey {
    let (value, words) = choice(&entry.value, entry.source.ast).unwrap_or((&entry.value, Vec::new()));
    let (doc, also) = if told { comment(entry.source.text, entry.position) } else { Default::default() };
    OptionKey {
        name: entry.name.clone(),
        kind: if words.is_empty() { kind(value) } else { Kind::Text },
        words,
        default: if told { written(entry.source.text, value) } else { String::new() },
        doc,
        also,
    }
}

/// The kind of a default; `()` accepts any value.
fn kind(default: &Expr) -> Kind {
    match default {
        Expr::IntegerConstant(..) => Kind::Int,
        Expr::FloatConstant(..) => Kind::Float,
        Expr::BoolConstant(..) => Kind::Bool,
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => Kind::Text,
        Expr::Array(..) => Kind::List,
        Expr::Map(..) => Kind::Map,
        Expr::DynamicConstant(value, _) if value.is::<FnPtr>() => Kind::Closure,
        other => other.get_literal_value(None).map_or(Kind::Any, |value| literal(&value)),
    }
}

fn literal(value: &Dynamic) -> Kind {
    match value {
        value if value.is_int() => Kind::Int,
        value if value.is_float() => Kind::Float,
        value if value.is_bool() => Kind::Bool,
        value if value.is_string() => Kind::Text,
        value if value.is_array() => Kind::List,
        value if value.is_map() => Kind::Map,
        _ => Kind::Any,
    }
}

/// Byte offset of a position in a text.
fn offset(text: &str, position: Position) -> Option<usize> {
    let line = text.split_inclusive('\n').take(position.line()?.checked_sub(1)?).map(str::len).sum::<usize>();
    let before = position.position()?.checked_sub(1)?;
    let column = text.get(line..)?.chars().take(before).map(char::len_utf8).sum::<usize>();
    Some(line + column)
}

/// A value as written, up to the comma or bracket after it.
fn written(text: &str, value: &Expr) -> String {
    let Some(rest) = offset(text, value.start_position()).and_then(|at| text.get(at..)) else { return String::new() };
    // no default is longer
    let end = rest.char_indices().map(|(at, _)| at).nth(400).unwrap_or(rest.len());
    let mut depth = 0;
    let mut found = String::new();
    for part in scan::parts(&rest[..end]) {
        match part.text {
            "(" | "[" | "{" | "#{" => depth += 1,
            "," if depth == 0 => break,
            ")" | "]" | "}" if depth == 0 => break,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        match part.kind {
            scan::Kind::Comment => {}
            scan::Kind::Space => found.push(' '),
            _ => found.push_str(part.text),
        }
    }
    let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
    if found == "()" { String::new() } else { found }
}

/// The comment at the end of a key's line, and the words after its `also:`.
fn comment(text: &str, position: Position) -> (String, Vec<String>) {
    let line = position.line().and_then(|line| text.lines().nth(line.checked_sub(1)?)).unwrap_or_default();
    let comment = scan::parts(line).into_iter().find(|part| part.kind == scan::Kind::Comment);
    let comment = comment.map(|part| part.text.trim_start_matches('/').trim()).unwrap_or_default();
    let (doc, also) = comment.split_once("also:").unwrap_or((comment, ""));
    let words = also.split(',').map(|word| word.trim().to_string()).filter(|word| !word.is_empty());
    (doc.trim().trim_end_matches(';').to_string(), words.collect())
}
