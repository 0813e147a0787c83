//! The byte alphabet of GPT-2: every byte is written as one printable character, so that tokens are strings.
//! <https://github.com/openai/gpt-2/blob/master/src/encoder.py>

use std::collections::HashMap;
use std::sync::LazyLock;

static CHARS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 0x100u32;
    std::array::from_fn(|byte| {
        let byte = byte as u8;
        if printable(byte) {
            return char::from(byte);
        }
        next += 1;
        char::from_u32(next - 1).unwrap_or('?')
    })
});

static BYTES: LazyLock<HashMap<char, u8>> =
    LazyLock::new(|| CHARS.iter().enumerate().map(|(byte, letter)| (*letter, byte as u8)).collect());

/// All 256 letters, in byte order.
pub fn letters() -> &'static [char; 256] {
    &CHARS
}

/// A text in the byte alphabet.
pub fn spell(text: &str) -> String {
    text.bytes().map(|byte| CHARS[byte as usize]).collect()
}

/// The bytes of a token; `None` if it has a letter outside the alphabet.
pub fn bytes(token: &str) -> Option<Vec<u8>> {
    token.chars().map(|letter| BYTES.get(&letter).copied()).collect()
}

/// The text encoded by letters, if it is valid.
pub fn text(token: &str) -> Option<String> {
    String::from_utf8(bytes(token)?).ok()
}

/// Number of characters that begin in the bytes of a token.
pub fn characters(token: &str) -> usize {
    match bytes(token) {
        Some(bytes) => bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count(),
        None => token.chars().count(),
    }
}
