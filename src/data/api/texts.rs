//! The texts of datasets and streams, for the verbs of tokenizers.

use crate::data::{Dataset, Stream};
use crate::script::prelude::*;
use crate::token::api::Texts;
use std::borrow::Cow;

/// The texts of a dataset or a stream.
pub fn texts_of(given: &Dynamic) -> Option<Box<dyn Texts>> {
    if let Some(data) = given.read_lock::<Dataset>() {
        return Some(Box::new(data.clone()));
    }
    let stream = given.read_lock::<Stream>()?;
    Some(Box::new(stream.clone()))
}

type Work<'w> = &'w mut dyn FnMut(&[Cow<str>]) -> crate::Result<()>;

impl Texts for Dataset {
    fn all(&self, who: &str) -> crate::Result<Vec<Cow<'_, str>>> {
        self.texts(who, self.text_field(who)?).collect()
    }

    fn each_part(&self, who: &str, bytes: usize, work: Work) -> crate::Result<()> {
        each_text(who, std::slice::from_ref(self), bytes, work)
    }
}

impl Texts for Stream {
    fn all(&self, who: &str) -> crate::Result<Vec<Cow<'_, str>>> {
        bail!(who, "texts are a list of strings or a dataset, not a {self}")
    }

    fn each_part(&self, who: &str, bytes: usize, work: Work) -> crate::Result<()> {
        let mut held: Vec<Dataset> = Vec::new();
        for part in self.blocks()? {
            held.push(part?);
            if held.iter().map(Dataset::size).sum::<usize>() >= bytes {
                each_text(who, &held, bytes, work)?;
                held.clear();
            }
        }
        each_text(who, &held, bytes, work)
    }
}

fn each_text(who: &str, parts: &[Dataset], bytes: usize, work: Work) -> crate::Result<()> {
    let mut texts = Vec::new();
    let mut held = 0;
    for data in parts {
        for text in data.texts(who, data.text_field(who)?) {
            let text = text?;
            held += text.len();
            texts.push(text);
            if held >= bytes {
                work(&texts)?;
                texts.clear();
                data.unload();
                held = 0;
            }
        }
    }
    work(&texts)?;
    parts.iter().for_each(Dataset::unload);
    Ok(())
}
