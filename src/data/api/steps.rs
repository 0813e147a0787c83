//! Script API of a stream's steps, and saving.

use super::closure::{Does, of_stream};
use crate::data::fields::{DropFields, RenameField};
use crate::data::{By, SaveOptions, save_stream};
use crate::script::prelude::*;
use std::path::Path;
use std::sync::Arc;

const SAVE: &[Opt] = &[
    super::DELIMITER,
    super::DECIMAL,
    opt("append", Kind::Bool, "false", "append to the rows of the file").also(&["mode=\"a\""]),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("save", SAVE);
}

#[export_module]
mod verbs {
    pub type Stream = crate::data::Stream;

    /// Maps every row through a closure as it is read, as a dataset's `map` does.
    ///
    /// ```rhai
    /// let terms = stream("scripts/data/definitions.jsonl").map(|row| #{ text: row.term + "：" + row.answer });
    /// for row in terms.take(1) { print(row.text); }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn map(context: NativeCallContext, stream: Stream, change: FnPtr) -> Res<Stream> {
        Ok(of_stream(&context, &stream, change, Does::Map))
    }

    /// Keeps the rows for which the closure returns true, as they are read.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").filter(|row| row.answer.len > 50)    //=> stream scripts/data/definitions.jsonl, filter
    /// ```
    #[rhai_fn(return_raw)]
    pub fn filter(context: NativeCallContext, stream: Stream, keep: FnPtr) -> Res<Stream> {
        Ok(of_stream(&context, &stream, keep, Does::Filter))
    }

    /// Removes a field, or a list of fields.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").drop("question")    //=> stream scripts/data/definitions.jsonl, without question
    /// ```
    #[rhai_fn(name = "drop", pure, return_raw)]
    pub fn drop_fields(stream: &mut Stream, fields: Dynamic) -> Res<Stream> {
        let fields = super::super::field_names("drop", fields)?;
        stream.has_fields("drop", &fields)?;
        Ok(stream.through(Arc::new(DropFields(fields))))
    }

    /// Renames a field.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").rename("answer", "text")    //=> stream scripts/data/definitions.jsonl, answer as text
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn rename(stream: &mut Stream, old: &str, name: &str) -> Res<Stream> {
        stream.has_fields("rename", &[old.to_string()])?;
        Ok(stream.through(Arc::new(RenameField { old: old.into(), new: name.into() })))
    }

    /// Writes the rows to a file as they are read, in the format of its extension (.jsonl .csv .tsv .txt .parquet, text also .gz
    /// or .zst). Returns the number of rows.
    ///
    /// The rows go to `PATH.part`, which is renamed when it is complete. Output of an interrupted run stays, and the same call
    /// resumes after it, to the same bytes, if the source files and the stream's steps are unchanged. A parquet file gets a group
    /// of up to 65,536 rows at a time. The fields of .csv are those of the first rows.
    ///
    /// also: to_parquet, to_json, sink_parquet, sink_csv, append
    ///
    /// effect
    ///
    /// ```rhai
    /// let rows = stream("scripts/data/definitions.jsonl").select(["term", "answer"]);
    /// rows.save("out/doc/terms.parquet")                          //=> 701
    /// rows.take(9).save("out/doc/terms.parquet", #{ append: true });
    /// dataset("out/doc/terms.parquet").len()                      //=> 710
    /// rows.save("out/doc/terms.json")    //=> error: save: out/doc/terms.json: a .json file is one value, which is written as a whole
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn save(stream: &mut Stream, path: &str, options: Map) -> Res<INT> {
        let options = Options::read("save", SAVE, options)?;
        let form = super::super::text_form("save", &options, By::Line, true)?;
        let options = SaveOptions { form, append: options.bool("append")? };
        Ok(save_stream(stream, Path::new(path), options)? as INT)
    }
}
