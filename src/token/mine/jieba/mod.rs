//! Jieba's dictionary of Chinese words: 349,045 of them with their frequencies.
//!
//! It is packed by front coding (Witten, Moffat, Bell 1999, 4.1) and zstd, a third smaller than as text: their number in four bytes, then each word
//! as the number of bytes that it shares with the word before it and the rest, up to a line end; then three columns with the bytes of
//! the frequencies, the lowest first. Jieba's tags of parts of speech are not in it.

use crate::token::engine::told;
use crate::{Error, Result};
use jieba_rs::Jieba;
use std::io::Write;
use std::sync::LazyLock;

static JIEBA: LazyLock<Result<Jieba>> = LazyLock::new(|| {
    let packed = zstd::stream::decode_all(&include_bytes!("dictionary.zst")[..]).map_err(told)?;
    let text = unpacked(&packed).ok_or_else(|| Error::new("mine", "jieba's dictionary is damaged"))?;
    Jieba::with_dict(&mut text.as_slice()).map_err(told)
});

/// Jieba, opened on first use: that takes some time and memory.
pub fn jieba() -> Result<&'static Jieba> {
    JIEBA.as_ref().map_err(Clone::clone)
}

/// The dictionary as jieba reads it, a word and its frequency per line.
fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let (count, mut rest) = packed.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count) as usize;
    let columns = rest.len().checked_sub(3 * count)?;
    let frequencies = rest.split_off(columns..)?;
    let (mut text, mut word) = (Vec::with_capacity(2 * packed.len()), Vec::new());
    for at in 0..count {
        let (&shared, after) = rest.split_first()?;
        let end = after.iter().position(|&byte| byte == b'\n')?;
        word.truncate(shared.into());
        word.extend_from_slice(&after[..end]);
        rest = &after[end + 1..];
        let frequency = u32::from_le_bytes([frequencies[at], frequencies[count + at], frequencies[2 * count + at], 0]);
        text.extend_from_slice(&word);
        writeln!(text, " {frequency}").ok()?;
    }
    Some(text)
}
