//! What scripts see of chunks of text.

use super::value::RowCollector;
use crate::data::{self, Dataset};
use crate::script::prelude::*;
use std::borrow::Cow;

const CHUNK: &[Opt] = &[opt("limit", Kind::Int, "", "chunks at most; by default all")];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("chunk", CHUNK);
}

/// A column of chunks of the texts of a dataset or a list.
fn chunks(texts: &Dynamic, chars: INT, options: Map) -> Res<Dataset> {
    let options = Options::read("chunk", CHUNK, options)?;
    let limit = options.maybe("limit", Options::count)?.unwrap_or(usize::MAX);
    let chars = super::count("chunk", chars)?;
    let found = match texts.read_lock::<Dataset>() {
        Some(data) => data::chunk(data.texts("chunk", data.text_field("chunk")?), chars, limit)?,
        None => {
            let texts = super::texts("chunk", texts.clone(), None)?;
            data::chunk(texts.iter().map(|text| Ok(Cow::Borrowed(text.as_str()))), chars, limit)?
        }
    };
    let mut rows = RowCollector::new("text");
    for chunk in found {
        rows.push("chunk", &chunk.into())?;
    }
    Ok(rows.finish().into_bare())
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;

    /// Splits texts into chunks of `chars` characters, a column of texts: they are joined end to end, a line break after
    /// each, and what is left at the end is dropped. So a training step sees the same text whatever the tokenizer.
    ///
    /// also: chunk_size, text splitter, split text
    ///
    /// ```rhai
    /// let chunks = dataset(["abc", "defg"]).chunk(3);
    /// chunks                                              //=> column 3 rows: text
    /// [chunks[0], chunks[1], chunks[2]]                   //=> ["abc", "\nde", "fg\n"]
    /// dataset(["abc"]).chunk(0)                           //=> error: chunk: chunks of 0 characters
    /// dataset(["abc", "defg"]).chunk(3, #{ limit: 2 }).len()     //=> 2
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn chunk(data: &mut Dataset, chars: INT, options: Map) -> Res<Dataset> {
        super::chunks(&Dynamic::from(data.clone()), chars, options)
    }

    /// Splits a list of texts into chunks of `chars` characters, as a dataset's `chunk` does.
    ///
    /// ```rhai
    /// ["abc", "defg"].chunk(4)[1]                         //=> defg
    /// ["abc", "defg"].chunk(3, #{ limit: 1 }).len()       //=> 1
    /// ["abc", 4].chunk(3)                                 //=> error: chunk: texts are a dataset, a list of texts, or a text, not array
    /// ```
    #[rhai_fn(name = "chunk", pure, return_raw)]
    pub fn chunk_list(texts: &mut List, chars: INT, options: Map) -> Res<Dataset> {
        super::chunks(&Dynamic::from(texts.clone()), chars, options)
    }
}
