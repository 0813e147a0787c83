//! Integers beyond 64 bits: identifiers, which are preserved as text. Inside lists and maps they remain numbers.

pub use crate::token::digits::is_whole;
use crate::token::digits::replaced;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// Prefix that marks a nested number on its way through a reader: a noncharacter, so that it is in no file.
const MARK: char = '\u{10fffe}';

/// Whether the mark occurs. Its first byte is searched for first, since its last is common in Chinese.
fn has_mark(json: &str) -> bool {
    json.as_bytes().contains(&0xf4) && json.contains(MARK)
}

/// JSON with quotes around integers that do not fit signed 64 bits, which a reader would round.
pub fn quoted(json: &str) -> Cow<'_, str> {
    replaced(json, |number, _| format!("\"{number}\""))
}

/// The same for rows, whose fields are `depth` brackets deep: deeper numbers are marked too, for [`bare`].
pub fn quoted_row(json: &str, depth: usize) -> Cow<'_, str> {
    if has_mark(json) {
        return quoted(json);
    }
    replaced(json, |number, at| if at > depth { format!("\"{MARK}{number}\"") } else { format!("\"{number}\"") })
}

/// A list or map of a row as JSON, with the marked numbers.
pub fn bare(json: String) -> String {
    if !has_mark(&json) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some((before, after)) = rest.split_once(MARK) {
        match (before.strip_suffix('"'), after.split_once('"')) {
            (Some(before), Some((number, after))) if is_whole(number) => {
                out += before;
                out += number;
                rest = after;
            }
            _ => {
                out += before;
                out.push(MARK);
                rest = after;
            }
        }
    }
    out + rest
}

/// The parsed JSON, in which integers that do not fit are text.
pub fn value<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    serde_json::from_str(&quoted(json))
}
