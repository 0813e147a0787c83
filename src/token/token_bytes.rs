//! The bytes of a single token.

use super::alphabet;
use super::kind::TokenizerKind;
use super::tokenizer::Tokenizer;

impl Tokenizer {
    /// The bytes that a token adds to a text, at any position; empty if there is no such token.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        let Some(token) = self.token(id) else { return Vec::new() };
        if self.is_special(id) {
            return token.as_bytes().to_vec();
        }
        match self.kind() {
            // added tokens are plain text, for which the alphabet has no letters, or the same ones
            TokenizerKind::ByteLevel => alphabet::bytes(token).unwrap_or_else(|| token.as_bytes().to_vec()),
            _ => byte_fallback(token).unwrap_or_else(|| token.replace('▁', " ").into_bytes()),
        }
    }
}

/// `<0x0A>` is the byte 10.
fn byte_fallback(token: &str) -> Option<Vec<u8>> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok().map(|byte| vec![byte]))?
}
