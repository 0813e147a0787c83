//! Base64 (RFC 4648), used in tokenizer files.

const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let number = part.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for place in 0..4 {
            let sign = SIGNS[(number >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= part.len() { char::from(sign) } else { '=' });
        }
    }
    text
}

/// `None` for invalid base64.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|sign| **sign == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for part in text[..text.len() - padding].chunks(4) {
        let value = |sign: &u8| SIGNS.iter().position(|known| known == sign);
        let number = part.iter().try_fold(0usize, |number, sign| Some(number << 6 | value(sign)?))?;
        let whole = number << (6 * (4 - part.len()));
        bytes.extend_from_slice(&(whole as u32).to_be_bytes()[1..part.len()]);
    }
    Some(bytes)
}
