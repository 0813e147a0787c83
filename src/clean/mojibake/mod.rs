//! Mojibake: repairs UTF-8 that was decoded with another encoding, `schÃ¶n` for `schön`. ftfy's heuristic (Speer 2019) and its
//! tables.

use regex::{Regex, bytes};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A single-byte encoding, in both directions.
struct Charmap {
    name: &'static str,
    bytes: HashMap<char, u8>,
    /// Characters of the bytes from 0x80 on.
    chars: Vec<char>,
}

/// In the order of the attempts.
static CHARMAPS: LazyLock<Vec<Charmap>> = LazyLock::new(|| include_str!("charmaps.txt").lines().map(charmap).collect());

fn charmap(line: &'static str) -> Charmap {
    let (name, codes) = line.split_once(' ').unwrap_or((line, ""));
    let code = |at: usize| u32::from_str_radix(&codes[at * 4..at * 4 + 4], 16).ok().and_then(char::from_u32);
    let chars: Vec<char> = (0..codes.len() / 4).map(|at| code(at).unwrap_or('\u{fffd}')).collect();
    let mut bytes: HashMap<char, u8> = (0..0x80u8).map(|byte| (char::from(byte), byte)).collect();
    if name.starts_with("sloppy") {
        // a byte that was already lost
        bytes.remove(&'\x1a');
        bytes.insert('\u{fffd}', 0x1a);
    }
    bytes.extend(chars.iter().zip(0x80u8..).map(|(char, byte)| (*char, byte)));
    Charmap { name, bytes, chars }
}

impl Charmap {
    /// The bytes that decode to this text, if it is valid in this encoding.
    fn encode(&self, text: &str) -> Option<Vec<u8>> {
        text.chars().map(|char| self.bytes.get(&char).copied()).collect()
    }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|error| unreachable!("a pattern of the tables: {error}"))
}

fn byte_pattern(text: &str) -> bytes::Regex {
    bytes::Regex::new(text).unwrap_or_else(|error| unreachable!("a pattern of the tables: {error}"))
}

static BADNESS: LazyLock<Regex> = LazyLock::new(|| pattern(include_str!("badness.regex")));
static DETECTOR: LazyLock<Regex> = LazyLock::new(|| pattern(include_str!("detector.regex")));
static STRICT: LazyLock<Regex> = LazyLock::new(|| pattern(include_str!("strict.regex")));
/// UTF-8 with a space in place of byte A0.
static ALTERED: LazyLock<bytes::Regex> = LazyLock::new(|| {
    byte_pattern(
        r"(?-u)[\xc2\xc3\xc5\xce\xd0\xd9] |[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] |\xf0 [\x80-\xbf][\x80-\xbf]|\xf0[\x80-\xbf] [\x80-\xbf]|\xf0[\x80-\xbf][\x80-\xbf] ",
    )
});
/// UTF-8 with lost bytes.
static LOSSY: LazyLock<bytes::Regex> = LazyLock::new(|| {
    byte_pattern(
        r"(?-u)[\xc2-\xdf]\x1a|[\xc2-\xc3]\?|\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]|\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]|[\xe0-\xef][\x1a?][\x1a\x80-\xbf]|[\xe0-\xef][\x1a\x80-\xbf][\x1a?]|[\xf0-\xf4][\x1a?][\x1a\x80-\xbf][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf][\x1a\x80-\xbf][\x1a?]|\x1a",
    )
});

/// Whether part of a text looks like mojibake.
pub fn is_bad(text: &str) -> bool {
    !text.is_ascii() && BADNESS.is_match(text)
}

/// Repairs the mojibake lines of a text; other text is unchanged.
pub fn fix(text: &str) -> Cow<'_, str> {
    if !is_bad(text) {
        return text.into();
    }
    text.split_inclusive('\n').map(fixed).collect::<String>().into()
}

/// Repairs one line repeatedly: some were decoded wrongly twice.
fn fixed(line: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(line);
    while let Some(better) = step(&text) {
        text = better.into();
    }
    text
}

fn step(text: &str) -> Option<String> {
    if !is_bad(text) {
        return None;
    }
    let mut is_latin = false;
    for map in CHARMAPS.iter() {
        let Some(bytes) = map.encode(text) else { continue };
        is_latin |= map.name == "latin-1";
        if let Some(better) = decoded(map.name, bytes) {
            return (better != text).then_some(better);
        }
    }
    let better = inconsistent(text);
    if better != text {
        return Some(better);
    }
    if is_latin && let Some(better) = windows(text) {
        return Some(better);
    }
    let better: String = text.chars().map(c1).collect();
    (better != text).then_some(better)
}

/// Decodes bytes as UTF-8, with lost bytes restored.
fn decoded(encoding: &str, mut bytes: Vec<u8>) -> Option<String> {
    // in MacRoman a dash and a space would match
    if encoding != "macroman" && ALTERED.is_match(&bytes) {
        bytes = ALTERED
            .replace_all(&with_grave(&bytes), |found: &bytes::Captures| -> Vec<u8> {
                found[0].iter().map(|byte| if *byte == b' ' { 0xa0 } else { *byte }).collect()
            })
            .into_owned();
    }
    if encoding.starts_with("sloppy") {
        bytes = LOSSY.replace_all(&bytes, "\u{fffd}".as_bytes()).into_owned();
    }
    String::from_utf8(usual(bytes)).ok()
}

/// `Ã la mode` is `à la mode`: the second byte of the word `à` became a space and merged with the next one.
fn with_grave(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    for (at, byte) in bytes.iter().enumerate() {
        let after = bytes.get(at + 2..).unwrap_or_default();
        let is_word = !([&b" "[..], b"quele", b"quela", b"quilo", b"s "].iter().any(|word| after.starts_with(word)));
        out.push(*byte);
        if *byte == 0xc3 && bytes.get(at + 1) == Some(&b' ') && is_word {
            out.push(0xa0);
        }
    }
    out
}

/// Normalizes UTF-8 variants: Java's two-byte zero and CESU-8's surrogate pairs become one character each.
fn usual(bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.iter().any(|byte| matches!(byte, 0xed | 0xc0)) {
        return bytes;
    }
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        match bytes.get(at..at + 6) {
            Some(&[0xed, a @ 0xa0..=0xaf, b @ 0x80..=0xbf, 0xed, c @ 0xb0..=0xbf, d @ 0x80..=0xbf]) => {
                let bits = |byte: u8, mask: u8| u32::from(byte & mask);
                let code =
                    (bits(a, 0x0f) << 16) + (bits(b, 0x3f) << 10) + (bits(c, 0x0f) << 6) + bits(d, 0x3f) + 0x10000;
                let char = char::from_u32(code).unwrap_or('\u{fffd}');
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                at += 6;
            }
            _ if byte == 0xc0 && bytes.get(at + 1) == Some(&0x80) => {
                out.push(0);
                at += 2;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Stretches of mojibake inside correct text.
fn inconsistent(text: &str) -> String {
    let (mut out, mut from, mut look) = (String::new(), 0, 0);
    while let Some(found) = DETECTOR.find_at(text, look) {
        let before = text[..found.start()].chars().next_back();
        // a few characters of a large garbled stretch are not repaired on their own
        let inside = before.is_some_and(|char| STRICT.is_match(char.encode_utf8(&mut [0; 4])));
        if inside {
            look = found.start() + text[found.start()..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        if found.len() < text.len() && is_bad(found.as_str()) {
            out.push_str(&text[from..found.start()]);
            out.push_str(&fixed(found.as_str()));
            from = found.end();
        }
        look = found.end();
    }
    out.push_str(&text[from..]);
    out
}

/// Decodes Latin-1 as Windows-1252 where Windows-1252 defines every byte.
fn windows(text: &str) -> Option<String> {
    let unassigned = |char: char| matches!(char, '\u{81}' | '\u{8d}' | '\u{8f}' | '\u{90}' | '\u{9d}');
    let better: String = text.chars().map(c1).collect();
    (better != text && !text.contains(unassigned)).then_some(better)
}

/// Maps a C1 control character to its Windows-1252 character, as browsers do.
fn c1(char: char) -> char {
    match u32::from(char) {
        code @ 0x80..=0x9f => CHARMAPS[1].chars[code as usize - 0x80],
        _ => char,
    }
}
