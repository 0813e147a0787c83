//! Incremental decoding.

use crate::Result;
use crate::token::Tokenizer;

/// Decodes ids one by one: an incomplete character waits for its last byte.
pub struct DecodeStream {
    tokenizer: Tokenizer,
    skip_special: bool,
    ids: Vec<u32>,
    /// End of the ids whose text has been returned.
    read: usize,
    /// Start of the next decoding: an earlier id determines the spacing of the next.
    shown: usize,
}

impl Tokenizer {
    /// Decodes ids as they arrive, for displaying text during generation.
    pub fn stream(&self, skip_special: bool) -> DecodeStream {
        DecodeStream { tokenizer: self.clone(), skip_special, ids: Vec::new(), shown: 0, read: 0 }
    }
}

impl DecodeStream {
    /// Adds an id and returns the text that is now complete (possibly empty).
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let before = self.tokenizer.decode(&self.ids[self.shown..self.read], self.skip_special)?;
        let now = self.tokenizer.decode(&self.ids[self.shown..], self.skip_special)?;
        if now.len() <= before.len() || now.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        self.shown = self.read;
        self.read = self.ids.len();
        Ok(now.get(before.len()..).unwrap_or_default().to_string())
    }

    /// Returns the rest after the last id: bytes of an incomplete character become `�`.
    pub fn finish(&mut self) -> Result<String> {
        let before = self.tokenizer.decode(&self.ids[self.shown..self.read], self.skip_special)?;
        let now = self.tokenizer.decode(&self.ids[self.shown..], self.skip_special)?;
        self.read = self.ids.len();
        Ok(now.get(before.len()..).unwrap_or_default().to_string())
    }
}
