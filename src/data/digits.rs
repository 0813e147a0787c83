//! Whole numbers of more digits than 64 bits hold: identifiers, which stay what they are as text. Inside of lists and maps they stay numbers.

pub use crate::token::digits::is_whole;
use crate::token::digits::replaced;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// What a nested number begins with on its way through a reader: no letter, so that no file has it.
const MARK: char = '\u{10fffe}';

/// Whether the mark is anywhere. Its first byte is looked for first, since its last is common in Chinese.
fn has_mark(json: &str) -> bool {
    json.as_bytes().contains(&0xf4) && json.contains(MARK)
}

/// JSON with quotes around the whole numbers that do not fit 64 bits with a sign, which a reader would round.
pub fn quoted(json: &str) -> Cow<'_, str> {
    replaced(json, |number, _| format!("\"{number}\""))
}

/// The same for rows, whose fields are `depth` brackets deep: what is deeper is marked too, for [`bare`].
pub fn quoted_row(json: &str, depth: usize) -> Cow<'_, str> {
    if has_mark(json) {
        return quoted(json);
    }
    replaced(json, |number, at| if at > depth { format!("\"{MARK}{number}\"") } else { format!("\"{number}\"") })
}

/// A list or a map of a row as JSON, with the numbers that were marked.
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

/// The value of JSON, in which numbers that do not fit are texts.
pub fn value<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    serde_json::from_str(&quoted(json))
}
