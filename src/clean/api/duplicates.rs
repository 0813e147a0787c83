//! Duplicates and near duplicates in datasets and streams.

use crate::clean::near::{NearGroups, NearPlan};
use crate::clean::{Unique, near_groups};
use crate::data::{Cell, Dataset, TableBuilder};
use crate::script::prelude::*;
use std::sync::Arc;

const NGRAM: Opt =
    opt("ngram", Kind::Int, "5", "words per shingle; characters in scripts without spaces between words").also(&[
        "ngram_size",
        "n_grams",
        "shingle",
    ]);

const UNIQUE: &[Opt] = &[
    opt(
        "near",
        Kind::Float,
        "",
        "minimum share of common shingles (Jaccard) of near duplicates; only equal texts by default",
    )
    .also(&["threshold", "minhash", "fuzzy dedup", "jaccard"]),
    NGRAM,
];

const NEAR: &[Opt] = &[
    opt("threshold", Kind::Float, "0.7", "minimum share of common shingles (Jaccard)").also(&["near", "similarity"]),
    NGRAM,
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("unique", UNIQUE);
    host.options("near_duplicates", NEAR);
}

fn unique(field: &str, options: Map) -> Res<Unique> {
    let options = Options::read("unique", UNIQUE, options)?;
    let ngram = options.count("ngram")?;
    let near = options.maybe("near", Options::float)?.map(|threshold| NearPlan { threshold, ngram });
    if near.is_none() && options.has("ngram") {
        bail!("unique", "`ngram` is for near duplicates: give `near` too");
    }
    if let Some(near) = near {
        near.check("unique")?;
    }
    Ok(Unique { field: field.into(), near })
}

pub fn plan(options: Map) -> Res<NearPlan> {
    let options = Options::read("near_duplicates", NEAR, options)?;
    let plan = NearPlan { threshold: options.float("threshold")?, ngram: options.count("ngram")? };
    plan.check("near_duplicates")?;
    Ok(plan)
}

/// Removed rows, each with the row kept in its place.
fn removed(groups: &NearGroups) -> Res<Dataset> {
    let mut rows = TableBuilder::with_names(["row", "first", "similarity"].map(Into::into));
    for (row, first, share) in &groups.removed {
        rows.column("row").push(Cell::Int(i64::from(*row)));
        rows.column("first").push(Cell::Int(i64::from(*first)));
        rows.column("similarity").push(Cell::Float((f64::from(*share) * 1e4).round() / 1e4));
        rows.end_row().map_err(|what| Error::new("near_duplicates", what))?;
    }
    Ok(rows.finish().into())
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    pub type Stream = crate::data::Stream;

    /// Keeps the first row with each value of a field or, with the threshold `near`, the first of each group of near duplicates:
    /// texts that share at least that much of their shingles (Jaccard).
    ///
    /// Shingles are `ngram` consecutive words, or characters in scripts without spaces between words (Han, kana, Thai, …). Pairs
    /// are found by MinHash in bands (Broder 1997) and each is verified; a row is removed only if it is near to a kept row, so
    /// the result does not depend on threads or chance. Case and marks are ignored.
    ///
    /// also: drop_duplicates, deduplicate, minhash, near duplicates, text-dedup, datatrove, MinHashLSH
    ///
    /// ```rhai
    /// dataset(["a", "b", "a"]).unique("text").len()    //=> 2
    /// let texts = dataset(["one two three four five six seven eight nine ten", "One two, three four five six seven eight nine TEN.",
    ///                      "第一条 为了保护公民合法权益，制定本法。", "第二条 为了保护公民合法权益，制定本法。"]);
    /// texts.unique("text", #{ near: 0.7 }).len()       //=> 2
    /// texts.unique("text").len()                       //=> 4
    /// texts.unique("text", #{ near: 7 })    //=> error: unique: a threshold of 7 is not above 0 and up to 1
    /// ```
    #[rhai_fn(name = "unique", pure, return_raw)]
    pub fn unique_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        Ok(super::unique(field, options)?.of(data)?)
    }

    /// Keeps the first row with each value, or near value, of a field, as a dataset's `unique` does. Holds about twenty bytes per
    /// row in memory; with `near` it reads the stream once beforehand and keeps shingles in a file.
    ///
    /// ```rhai
    /// let texts = stream("scripts/data/definitions.jsonl").unique("law");
    /// texts                                            //=> stream scripts/data/definitions.jsonl, unique law
    /// ```
    #[rhai_fn(name = "unique", pure, return_raw)]
    pub fn unique_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        let step = super::unique(field, options)?;
        stream.has_fields("unique", &[field.to_string()])?;
        Ok(stream.in_order(Arc::new(step)))
    }

    /// Finds the rows that `unique` with `near` would remove: `row`, its number; `first`, the number of the row kept in its
    /// place; `similarity`, their share of common shingles.
    ///
    /// also: duplicate pairs, clusters, MinHashLSH.query
    ///
    /// ```rhai
    /// let texts = dataset(["a b c d e f g h", "x", "a b c d e f g h i"]);
    /// texts.near_duplicates("text")[0]                 //=> #{"first": 0, "row": 2, "similarity": 0.8}
    /// texts.near_duplicates("text", #{ threshold: 0.9 }).len()    //=> 0
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn near_duplicates(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        data.field("near_duplicates", field)?;
        let groups = near_groups("near_duplicates", std::iter::once(Ok(data.clone())), field, plan(options)?)?;
        removed(&groups)
    }

    /// Finds near duplicates in a stream, by row number in reading order.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").near_duplicates("answer", #{ threshold: 0.9 }).fields    //=> ["row", "first", "similarity"]
    /// ```
    #[rhai_fn(name = "near_duplicates", pure, return_raw)]
    pub fn near_duplicates_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Dataset> {
        stream.has_fields("near_duplicates", &[field.to_string()])?;
        let plan = plan(options)?;
        removed(&near_groups("near_duplicates", stream.blocks()?, field, plan)?)
    }
}
