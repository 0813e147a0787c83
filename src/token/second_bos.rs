//! Texts that begin with the token that the tokenizer puts in front: a chat template wrote it, or a user did.

use crate::token::{Encoding, Tokenizer};
use crate::{Result, progress};
use std::sync::atomic::Ordering;

impl Tokenizer {
    /// The ids of a prompt, with the special tokens around it: one that begins with BOS, as chat templates write it, gets no
    /// second one.
    pub fn prompt_ids(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.ids(text, true)?;
        ids.drain(..self.second_bos(text, &ids));
        Ok(ids)
    }

    /// Many prompts in parallel; the same ids as one by one.
    pub fn prompt_batch<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<Vec<u32>>> {
        self.batch(texts, |text| self.prompt_ids(text))
    }

    /// How many tokens stand before the BOS that a text begins with: 1 where the tokenizer added its own, else 0.
    pub fn second_bos(&self, text: &str, ids: &[u32]) -> usize {
        let Some(bos) = self.bos().filter(|bos| ids.starts_with(&[*bos, *bos])) else { return 0 };
        let Some(token) = self.token(bos).filter(|token| !token.is_empty()) else { return 0 };
        let (mut rest, mut written) = (text, 0);
        while let Some(after) = rest.strip_prefix(token) {
            (rest, written) = (after, written + 1);
        }
        let found = ids.iter().take_while(|id| **id == bos).count();
        usize::from(written > 0 && found > written)
    }

    /// [`Tokenizer::encode`], which says once that a text begins with the token that is put in front of it.
    pub fn encode_told(&self, text: &str, special: bool) -> Result<Encoding> {
        let encoding = self.encode(text, special)?;
        if special {
            self.tell_of_two(std::iter::once((text, encoding.ids.as_slice())));
        }
        Ok(encoding)
    }

    /// The same of [`Tokenizer::encode_batch`].
    pub fn encode_batch_told<S: AsRef<str> + Sync>(&self, texts: &[S], special: bool) -> Result<Vec<Vec<u32>>> {
        let batch = self.encode_batch(texts, special)?;
        if special {
            self.tell_of_two(texts.iter().map(AsRef::as_ref).zip(batch.iter().map(Vec::as_slice)));
        }
        Ok(batch)
    }

    fn tell_of_two<'a>(&self, mut texts: impl Iterator<Item = (&'a str, &'a [u32])>) {
        let is_two = |(text, ids): (&str, &[u32])| match ids {
            [one, two, ..] if one == two => {
                self.token(*one).filter(|token| !token.is_empty() && text.starts_with(token))
            }
            _ => None,
        };
        if self.told_of_two().load(Ordering::Relaxed) {
            return;
        }
        let Some(token) = texts.find_map(is_two) else { return };
        if !self.told_of_two().swap(true, Ordering::Relaxed) {
            progress::warn(
                "encode",
                format!(
                    "the text begins with {token}, which is added too: two stand there, as in transformers; \
                     `add_special_tokens: false` adds none"
                ),
            );
        }
    }
}
