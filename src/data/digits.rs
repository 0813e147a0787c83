//! Whole numbers of more digits than 64 bits hold: identifiers, which stay what they are as text.

use std::borrow::Cow;

/// Digits that 64 bits may not hold.
const LONG: usize = 19;

/// Whether a text is a whole number, of any length.
pub fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether so many digits are in a row anywhere in a text. Looks at one byte of nineteen.
fn has_long_run(text: &[u8]) -> bool {
    let run = |bytes: &mut dyn Iterator<Item = &u8>| bytes.take(LONG).take_while(|byte| byte.is_ascii_digit()).count();
    let is_in_run = |at: usize| run(&mut text[..at].iter().rev()) + run(&mut text[at..].iter()) >= LONG;
    (LONG - 1..text.len()).step_by(LONG).any(|at| text[at].is_ascii_digit() && is_in_run(at))
}

/// JSON with quotes around the whole numbers that do not fit 64 bits with a sign, which a reader would round.
pub fn quoted(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    if !has_long_run(bytes) {
        return Cow::Borrowed(json);
    }
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
                at += bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                if is_too_long(&json[start..at]) && !is_key(&bytes[at..]) {
                    out += &json[copied..start];
                    out.push('"');
                    out += &json[start..at];
                    out.push('"');
                    copied = at;
                }
            }
            _ => at += 1,
        }
    }
    out += &json[copied..];
    Cow::Owned(out)
}

/// The place after the string that begins at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// A whole number as JSON writes it, without zeros before it, that does not fit.
fn is_too_long(number: &str) -> bool {
    is_whole(number) && !number.trim_start_matches('-').starts_with('0') && number.parse::<i64>().is_err()
}

/// Whether a colon comes next: what is before it should be a string, and is a fault as it is.
fn is_key(rest: &[u8]) -> bool {
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}
