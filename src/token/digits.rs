//! Integers in JSON beyond signed 64 bits: a reader would round them, but chat templates preserve them.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// Number of digits that may not fit 64 bits.
const LONG: usize = 19;
/// The only key of a map that represents such a number: a noncharacter, so that it is in no file.
const MARK: &str = "\u{10fffe}";

/// Whether a text is an integer of any length.
pub fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text contains a run of that many digits. Checks one byte in nineteen.
fn has_long_run(text: &[u8]) -> bool {
    let run = |bytes: &mut dyn Iterator<Item = &u8>| bytes.take(LONG).take_while(|byte| byte.is_ascii_digit()).count();
    let is_in_run = |at: usize| run(&mut text[..at].iter().rev()) + run(&mut text[at..].iter()) >= LONG;
    (LONG - 1..text.len()).step_by(LONG).any(|at| text[at].is_ascii_digit() && is_in_run(at))
}

/// JSON with integers that do not fit replaced by `form(number, depth)`; `depth` counts the brackets around it.
pub fn replaced(json: &str, form: impl Fn(&str, usize) -> String) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    if !has_long_run(bytes) {
        return Cow::Borrowed(json);
    }
    let (mut out, mut copied, mut at, mut depth) = (String::new(), 0, 0, 0usize);
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
                at += bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                if is_too_long(&json[start..at]) && !is_key(&bytes[at..]) {
                    out += &json[copied..start];
                    out += &form(&json[start..at], depth);
                    copied = at;
                }
            }
            byte => {
                match byte {
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                at += 1;
            }
        }
    }
    out += &json[copied..];
    Cow::Owned(out)
}

/// The position after the string that begins at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// An integer in JSON syntax, without leading zeros, that does not fit.
fn is_too_long(number: &str) -> bool {
    is_whole(number) && !number.trim_start_matches('-').starts_with('0') && number.parse::<i64>().is_err()
}

/// Whether a colon follows: the token before it should be a string, and is left as the error it is.
fn is_key(rest: &[u8]) -> bool {
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// Parses JSON for a chat template: integers that do not fit become maps recognized by [`whole`].
pub fn parse(json: &str) -> serde_json::Result<Value> {
    serde_json::from_str(&replaced(json, |number, _| format!("{{\"{MARK}\":\"{number}\"}}")))
}

/// The digits of an integer that is a map in [`parse`]d JSON.
pub fn whole(fields: &Map<String, Value>) -> Option<&str> {
    match fields.get(MARK) {
        Some(Value::String(digits)) if fields.len() == 1 => Some(digits),
        _ => None,
    }
}

/// The JSON of a [`parse`]d value, with such integers as numbers again.
pub fn written(value: &Value) -> String {
    let json = value.to_string();
    let (open, mut out, mut rest) = (format!("{{\"{MARK}\":\""), String::new(), json.as_str());
    while let Some((before, after)) = rest.split_once(&open) {
        let Some((digits, behind)) = after.split_once("\"}") else { break };
        out += before;
        out += digits;
        rest = behind;
    }
    out + rest
}
