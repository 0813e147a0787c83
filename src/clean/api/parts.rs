//! Lines, paragraphs and substrings that several texts share, of datasets and streams.

use crate::clean::UniqueParts;
use crate::clean::cuts::{CutPlan, LineKind, LinePlan, SpanPlan};
use crate::script::prelude::*;
use std::sync::Arc;

const LINES: &[Opt] = &[
    opt("min_documents", Kind::Int, "3", "minimum number of rows with a line, from which on it is cut").also(&[
        "min_count",
        "boilerplate",
        "frequency",
    ]),
    opt(
        "min_words",
        Kind::Int,
        "1",
        "minimum words of such a line; characters in scripts without spaces between words",
    )
    .also(&["min_length"]),
    opt("keep", Kind::OneOf(&["first", "none"]), "\"first\"", "whether to keep the first occurrence, or none")
        .also(&["drop_duplicates keep", "keep=False"]),
    opt("ignore_numbers", Kind::Bool, "false", "treat lines that differ only in their numbers as equal, as CCNet does")
        .also(&["digits"]),
    opt(
        "on_empty",
        Kind::OneOf(&["keep", "drop"]),
        "\"keep\"",
        "whether a row with only such lines is kept unchanged, or dropped",
    )
    .also(&["min_length"]),
];

const SUBSTRINGS: &[Opt] = &[
    opt("ngram", Kind::Int, "50", "minimum length of a repeated passage, in words").also(&[
        "length_threshold",
        "min_length",
        "min_tokens",
        "ExactSubstr",
    ]),
    opt(
        "characters",
        Kind::Int,
        "80",
        "minimum length in characters, where the passage begins in a script without spaces between words",
    ),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("unique_lines", LINES);
    host.options("unique_paragraphs", LINES);
    host.options("unique_substrings", SUBSTRINGS);
}

/// The parts that a verb of this name cuts.
pub fn plan(who: &'static str, options: Map) -> Res<CutPlan> {
    let plan = match who {
        "unique_substrings" => {
            let options = Options::read(who, SUBSTRINGS, options)?;
            CutPlan::Spans(SpanPlan { words: options.count("ngram")?, characters: options.count("characters")? })
        }
        _ => {
            let options = Options::read(who, LINES, options)?;
            CutPlan::Lines(LinePlan {
                kind: if who == "unique_lines" { LineKind::Line } else { LineKind::Paragraph },
                min_documents: options.count("min_documents")?,
                min_words: options.count("min_words")?,
                keeps_first: options.text("keep")?.as_str() == "first",
                numbers: options.bool("ignore_numbers")?,
                keeps_whole: options.text("on_empty")?.as_str() == "keep",
            })
        }
    };
    plan.check(who)?;
    Ok(plan)
}

fn of_dataset(who: &'static str, data: &crate::data::Dataset, field: &str, options: Map) -> Res<crate::data::Dataset> {
    Ok(UniqueParts { field: field.into(), plan: plan(who, options)? }.of(data)?)
}

fn of_stream(who: &'static str, stream: &crate::data::Stream, field: &str, options: Map) -> Res<crate::data::Stream> {
    let step = UniqueParts { field: field.into(), plan: plan(who, options)? };
    stream.has_fields(who, &[field.to_string()])?;
    Ok(stream.in_order(Arc::new(step)))
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    pub type Stream = crate::data::Stream;

    /// Cuts lines that other rows share: menus, notices, site headers. The first row with a line keeps it (`keep: "none"`: no row
    /// does).
    ///
    /// Lines are equal if their words are: case, marks and width are ignored, and a line without a letter or digit is kept
    /// (Wenzek et al. 2020, CCNet). The threshold is three rows, as in trafilatura (Barbaresi 2021): a line in two rows is more
    /// often a quotation than boilerplate. A row with only such lines is kept unchanged: a formula that is a whole text, such as
    /// the last article of a law, is not boilerplate, and `unique` removes equal rows. CCNet and RefinedWeb drop such rows
    /// (`min_documents: 2, on_empty: "drop"`), since the pages become too short. Hashes of all lines are sorted, beyond 32 MB in
    /// a file; the result does not depend on threads.
    ///
    /// also: line dedup, boilerplate, CCNet, RefinedWeb line-wise filtering, Dolma paragraph dedup, sentence dedup, trafilatura deduplicate
    ///
    /// ```rhai
    /// let pages = dataset(["Home | News\nThe court heard the case.", "HOME, NEWS\nThe law was changed in May.", "home news"]);
    /// let left = pages.unique_lines("text");
    /// left[1].text                                                       //=> The law was changed in May.
    /// left[2].text                                                       //=> home news
    /// pages.unique_lines("text", #{ on_empty: "drop" }).len()            //=> 2
    /// pages.unique_lines("text", #{ keep: "none" })[0].text              //=> The court heard the case.
    /// pages.take(2).unique_lines("text")[1].text.split("\n").len()       //=> 2
    /// pages.unique_lines("text", #{ min_documents: 1 })    //=> error: unique_lines: `min_documents` is 1, and what one row has is not cut: 2 or more
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn unique_lines(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        super::of_dataset("unique_lines", data, field, options)
    }

    /// Cuts lines that other rows of a stream share. Reads the stream once beforehand.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").unique_lines("answer")    //=> stream scripts/data/definitions.jsonl, unique_lines answer
    /// ```
    #[rhai_fn(name = "unique_lines", pure, return_raw)]
    pub fn unique_lines_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        super::of_stream("unique_lines", stream, field, options)
    }

    /// Cuts paragraphs (separated by blank lines) that other rows share, as `unique_lines` does with lines.
    ///
    /// also: paragraph dedup, Dolma, CCNet
    ///
    /// ```rhai
    /// let notice = "All rights reserved.\nNo part of it may be copied.";
    /// let pages = dataset(["The first text.\n\n" + notice + "\n\nIts end.", "The second text.\n\n" + notice, "The third.\n\n" + notice]);
    /// pages.unique_paragraphs("text")[1].text                            //=> The second text.
    /// pages.unique_paragraphs("text", #{ keep: "none" })[0].text.split("\n\n")    //=> ["The first text.", "Its end."]
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn unique_paragraphs(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        super::of_dataset("unique_paragraphs", data, field, options)
    }

    /// Cuts paragraphs that other rows of a stream share. Reads the stream once beforehand.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").unique_paragraphs("answer")    //=> stream scripts/data/definitions.jsonl, unique_paragraphs answer
    /// ```
    #[rhai_fn(name = "unique_paragraphs", pure, return_raw)]
    pub fn unique_paragraphs_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        super::of_stream("unique_paragraphs", stream, field, options)
    }

    /// Cuts repeated passages, wherever they begin and end: at least `ngram` words, or `characters` in scripts without
    /// spaces. The first occurrence stays; a row with no text left is removed.
    ///
    /// Finds the same passages as a suffix array (Lee et al. 2022, deduplicate-text-datasets), in words where theirs are in
    /// bytes: case, marks and width are ignored. Hashes of all windows are sorted, beyond 32 MB in a file with 24 bytes per word,
    /// so memory is bounded, and the result does not depend on threads.
    ///
    /// also: exact substring deduplication, ExactSubstr, suffix array, deduplicate-text-datasets
    ///
    /// ```rhai
    /// let texts = dataset(["one two three four five six seven", "He said: One, two, three, four, five! And more."]);
    /// texts.unique_substrings("text", #{ ngram: 5 })[1].text             //=> He said: And more.
    /// texts.unique_substrings("text", #{ ngram: 6 })[1].text             //=> He said: One, two, three, four, five! And more.
    /// let laws = dataset(["为了保护公民、法人和其他组织的合法权益，制定本法。", "第一条 为了保护公民、法人和其他组织的合法权益，维护秩序。"]);
    /// laws.unique_substrings("text", #{ characters: 10 })[1].text        //=> 第一条 维护秩序。
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn unique_substrings(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        super::of_dataset("unique_substrings", data, field, options)
    }

    /// Cuts repeated passages from the texts of a stream. Reads the stream once beforehand.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").unique_substrings("answer")    //=> stream scripts/data/definitions.jsonl, unique_substrings answer
    /// ```
    #[rhai_fn(name = "unique_substrings", pure, return_raw)]
    pub fn unique_substrings_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        super::of_stream("unique_substrings", stream, field, options)
    }
}
