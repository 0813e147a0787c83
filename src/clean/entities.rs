//! HTML character references in text: `&amp;`, `&#20013;`, `&eacute;`.

use html5ever::data::NAMED_ENTITIES;
use std::borrow::Cow;

/// The longest name is `CounterClockwiseContourIntegral`.
const LONGEST: usize = 33;

/// Replaces names and numbers that end with a semicolon; anything else stays. Names in upper case are decoded too, unless the
/// upper-case form is itself another name.
pub fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('&') else { return text.into() };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(LONGEST + 2).position(|byte| byte == b';');
        match end.and_then(|end| Some((end, character(&rest[1..end])?))) {
            Some((end, found)) => {
                out.push_str(&found);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    if out == text { text.into() } else { out.into() }
}

/// The characters of a name or a number.
fn character(name: &str) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        // as browsers do: such codes are read as Windows-1252
        let windows = |code: u32| encoding_of_windows(code as u8);
        return match code {
            0 => None,
            0x80..=0x9f => Some(windows(code).to_string()),
            _ => char::from_u32(code).map(String::from),
        };
    }
    if let Some(found) = named(name) {
        return Some(found);
    }
    let is_large = name.len() > 1 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_large.then(|| named(&name.to_ascii_lowercase())).flatten().map(|found| found.to_uppercase())
}

fn named(name: &str) -> Option<String> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let (first, second) = *NAMED_ENTITIES.get(format!("{name};").as_str())?;
    let chars = [first, second].into_iter().filter(|code| *code != 0).filter_map(char::from_u32);
    Some(chars.collect::<String>()).filter(|found| !found.is_empty())
}

fn encoding_of_windows(byte: u8) -> char {
    const TABLE: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    TABLE.chars().nth(usize::from(byte.wrapping_sub(0x80))).unwrap_or('\u{fffd}')
}
