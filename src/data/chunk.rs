//! Texts as chunks of equal length in characters.

use crate::{Result, bail, cancel};
use std::borrow::Cow;

/// Joins `texts`, a line break after each, and splits the whole every `chars` characters, into `limit` chunks at most. The
/// remainder is dropped.
pub fn chunk<'t>(
    texts: impl IntoIterator<Item = Result<Cow<'t, str>>>,
    chars: usize,
    limit: usize,
) -> Result<Vec<String>> {
    if chars == 0 {
        bail!("chunk", "chunks of 0 characters");
    }
    let mut chunks = Vec::new();
    let (mut open, mut length) = (String::new(), 0);
    for text in texts {
        cancel::check()?;
        for character in text?.chars().chain(['\n']) {
            if chunks.len() == limit {
                return Ok(chunks);
            }
            open.push(character);
            length += 1;
            if length == chars {
                chunks.push(std::mem::take(&mut open));
                length = 0;
            }
        }
    }
    Ok(chunks)
}
