//! Script API of chunks and excerpts of text.

use super::value::RowCollector;
use crate::data::{self, Cut, Dataset};
use crate::script::prelude::*;
use std::borrow::Cow;

const CHUNK: &[Opt] = &[opt("limit", Kind::Int, "", "maximum number of chunks; all by default")];

const EXCERPTS: &[Opt] = &[
    opt("limit", Kind::Int, "", "maximum number of excerpts; all by default"),
    opt("context", Kind::Int, "0", "maximum characters of preceding text in the field `context`"),
    opt("group", Kind::Text, "", "field: rows with equal values form one document, joined by line breaks")
        .also(&["groups"]),
    opt("seed", Kind::Int, "0", "seed of the order of documents, and of excerpts within each"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("chunk", CHUNK);
    host.options("excerpts", EXCERPTS);
}

/// Documents and their names: row numbers, or the values of `group`.
pub fn documents(
    who: &'static str,
    data: &Dataset,
    text: Option<&str>,
    group: Option<&str>,
) -> Res<(Vec<String>, Vec<String>)> {
    let field = text.map_or_else(|| data.text_field(who), |name| data.field(who, name))?;
    let texts: Vec<Cow<str>> = data.texts(who, field).collect::<crate::Result<_>>()?;
    let Some(group) = group else {
        return Ok((
            (0..texts.len()).map(|row| row.to_string()).collect(),
            texts.into_iter().map(Cow::into_owned).collect(),
        ));
    };
    let field = data.field(who, group)?;
    let (mut names, mut joined) = (Vec::new(), Vec::new());
    for rows in data.groups(who, group)? {
        names.push(super::value::to_dynamic(who, data.cell(field, rows[0]))?.to_string());
        joined.push(rows.into_iter().map(|row| &*texts[row]).collect::<Vec<_>>().join("\n"));
    }
    Ok((names, joined))
}

/// Chunks of the texts of a dataset or a list, as a column.
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

    /// Splits texts into chunks of `chars` characters, as a column. Texts are joined, with a line break after each, and the
    /// remainder at the end is dropped. So a training step sees the same text with any tokenizer.
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
    /// ["abc", 4].chunk(3)                                 //=> error: chunk: texts are a dataset, a list of texts, or a text, not a list
    /// ```
    #[rhai_fn(name = "chunk", pure, return_raw)]
    pub fn chunk_list(texts: &mut List, chars: INT, options: Map) -> Res<Dataset> {
        super::chunks(&Dynamic::from(texts.clone()), chars, options)
    }

    /// Takes excerpts of about `chars` characters from texts, for evaluation: rows of `text`, `context` (the preceding text) and
    /// `document` (its row number, or the value of `group`).
    ///
    /// A document is one text, or all texts of a `group` in order. It is cut at word boundaries, and documents take turns: one
    /// excerpt of each, then a second of each that has more, so that a few excerpts cover many documents; a smaller number is a
    /// prefix of a larger one. `likelihood` reads them with `#{ context: "context" }`.
    ///
    /// also: held-out items, evaluation texts, sample passages
    ///
    /// ```rhai
    /// let items = dataset(["one two three four five six", "seven eight"]).excerpts(10, #{ context: 100 });
    /// items.len()                                         //=> 4
    /// items[0].document != items[1].document              //=> true
    /// items[0].context.len() <= 100                       //=> true
    /// dataset(["abc"]).excerpts(0)                        //=> error: excerpts: excerpts of 0 characters
    /// dataset(["one two", "three"]).excerpts(100, #{ limit: 1 }).len()   //=> 1
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn excerpts(data: &mut Dataset, chars: INT, options: Map) -> Res<Dataset> {
        const WHO: &str = "excerpts";
        let options = Options::read(WHO, EXCERPTS, options)?;
        let cut = Cut {
            chars: super::super::count(WHO, chars)?,
            context: options.count("context")?,
            limit: options.maybe("limit", Options::count)?.unwrap_or(usize::MAX),
            seed: options.count("seed")? as u64,
        };
        let group = options.maybe("group", Options::text)?;
        let (names, texts) = super::documents(WHO, data, None, group.as_deref())?;
        let mut rows = RowCollector::new("text");
        for found in data::excerpts(&texts, cut)? {
            let mut row = Map::new();
            row.insert("text".into(), found.text.into());
            row.insert("context".into(), found.context.into());
            row.insert("document".into(), names[found.document].clone().into());
            rows.push(WHO, &row.into())?;
        }
        Ok(rows.finish())
    }
}
