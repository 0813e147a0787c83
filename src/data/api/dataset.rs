//! Script API of datasets.

use super::value::{RowCollector, row};
use super::{
    ASIDE, DECIMAL, DELIMITER, ENCODING, FILE_FIELD, ON_ERROR, QUOTES, by, closure, count, place, show, source, span,
    text_form, value,
};
use crate::data::{By, Dataset, TextForm};
use crate::script::display::Weight;
use crate::script::prelude::*;
use crate::text;
use std::path::Path;

const DATASET: &[Opt] = &[
    opt(
        "sample_by",
        Kind::OneOf(&["line", "paragraph", "document"]),
        "\"line\"",
        "unit of a row of a .txt file; blank lines are dropped",
    )
    .also(&["by"]),
    DELIMITER,
    DECIMAL,
    QUOTES,
    ENCODING,
    ON_ERROR,
    ASIDE,
    FILE_FIELD,
];

const SAVE: &[Opt] = &[DELIMITER, DECIMAL];

const SORT: &[Opt] = &[opt("descending", Kind::Bool, "false", "largest first").also(&["reverse", "ascending"])];

pub fn register(host: &mut Host) {
    host.looks.page::<Dataset>(show::page);
    host.looks.weigh::<Dataset>(|data| Weight {
        shape: format!("{} × {}", text::counted(data.len(), "row"), data.fields().len()),
        // views of the same columns share them
        parts: data
            .columns()
            .map(|(_, column)| (std::sync::Arc::as_ptr(column) as usize, column.size() as u64))
            .collect(),
    });
    host.module(exported_module!(verbs));
    host.options("dataset", DATASET);
    host.options("save", SAVE);
    host.options("sort", SORT);
    host.engine.register_iterator_result::<Dataset, Dynamic>();
}

#[export_module]
mod verbs {
    /// Rows with named fields. A value: its verbs return new datasets.
    pub type Dataset = crate::data::Dataset;

    /// Opens files of rows: .jsonl, .json, .csv, .tsv, .parquet, .txt, .html or .warc, each also compressed (.gz, .zst).
    ///
    /// A folder means all such files in it and below, `logs/**/*.jsonl` and `{a,b}.csv` all matches, sorted by name. An archive
    /// (.zip, .tar, .tar.gz, .tgz, .tar.zst) means all such files in it, in its order; one that unpacks to a hundred times its
    /// size is an error.
    ///
    /// The fields are the union over all rows; a missing one is `()`. A column of csv or tsv is numeric if all its values are
    /// (`NaN` and `inf` beside numbers too), and bool if all are `true` or `false` (`True`, `TRUE`). A .txt file has the field
    /// `text`, with one row per non-blank line; an HTML page is one row with the field `html`; each page or text of a crawl
    /// (.warc) is a row of `url`, `date`, `type`, `status` and `html` or `text`.
    ///
    /// `encoding` names the encoding of the text, or `"auto"` to detect and report it; without it, an HTML page is decoded as it
    /// declares. `on_error: "skip"` skips broken lines, reports their number, and keeps them in the file `aside`. A file that
    /// changes while it is read is an error.
    ///
    /// Integers that do not fit into 64 bits (identifiers) become text, digit for digit, in every format. Inside lists and maps
    /// they stay numbers for chat templates and saved files.
    /// `delimiter` and `decimal` read csv of other locales: `#{ delimiter: ";", decimal: "," }`. A number with a thousands
    /// separator is text. An unclosed quote, or one after which a field continues over several lines, is an error;
    /// `quotes: false` treats quotes as ordinary characters.
    ///
    /// also: load_dataset, read_csv, read_json, read_parquet, from_json, DataFrame, sep, separator, zipfile, tarfile, unzip
    ///
    /// effect
    ///
    /// ```rhai
    /// dataset("rows.jsom")    //=> error: dataset: rows.jsom: the ending is not a data format
    /// dataset(["one", "two"]).save("out/doc/lines.txt");
    /// dataset("out/doc/lines.txt", #{ sample_by: "document" }).len()    //=> 1
    /// dataset([#{ id: "12345678901234567890", share: 0.5 }]).save("out/doc/rows.csv", #{ delimiter: ";", decimal: "," });
    /// dataset("out/doc/rows.csv", #{ delimiter: ";", decimal: "," })[0]    //=> #{"id": "12345678901234567890", "share": 0.5}
    /// dataset("out/doc/rows.csv")    //=> error: dataset: out/doc/rows.csv:1: the first line has no ',', but ";"
    /// dataset("out/doc/row*.csv", #{ delimiter: ";", file_field: "file" })[0].file    //=> out/doc/rows.csv
    /// dataset("out/doc/lines.txt", #{ encoding: "gb18031" })    //=> error: dataset: there is no encoding `gb18031`
    /// ```
    #[rhai_fn(name = "dataset", return_raw)]
    pub fn open(path: &str, options: Map) -> Res<Dataset> {
        let options = Options::read("dataset", DATASET, options)?;
        let form = text_form("dataset", &options, by(&options)?, true)?;
        let form = TextForm { quotes: options.bool("quotes")?, ..form };
        Ok(source("dataset", &[path], &options, form)?.read("dataset")?.into())
    }

    /// Makes a dataset from a list of maps, or from a list of strings as its field `text`.
    ///
    /// also: from_list, from_dict, from_pandas
    ///
    /// effect
    ///
    /// ```rhai
    /// let rows = dataset([#{ word: "levain", count: 3 }, #{ word: "bread" }]);
    /// rows            //=> dataset 2 rows: count, word
    /// rows[1].count == ()    //=> true
    /// dataset(["a", "b"])[1]    //=> #{"text": "b"}
    /// ```
    #[rhai_fn(name = "dataset", return_raw)]
    pub fn from_rows(rows: List) -> Res<Dataset> {
        let mut made = RowCollector::new("text");
        for row in &rows {
            made.push("dataset", row)?;
        }
        Ok(made.finish())
    }

    /// Returns the dataset itself, so that a function may take either a dataset or a path.
    ///
    /// effect
    ///
    /// ```rhai
    /// dataset(dataset(["a"])).len()    //=> 1
    /// ```
    #[rhai_fn(name = "dataset")]
    pub fn same(data: Dataset) -> Dataset {
        data
    }

    /// Number of rows.
    ///
    /// also: num_rows
    ///
    /// ```rhai
    /// dataset(["a", "b"]).len()    //=> 2
    /// ```
    #[rhai_fn(pure)]
    pub fn len(data: &mut Dataset) -> i64 {
        data.len() as i64
    }

    /// Names of the fields, in order of their first appearance.
    ///
    /// also: column_names, columns, features
    ///
    /// ```rhai
    /// dataset(["a"]).fields    //=> ["text"]
    /// ```
    #[rhai_fn(get = "fields", pure)]
    pub fn fields(data: &mut Dataset) -> List {
        data.fields().iter().map(|name| Dynamic::from(name.to_string())).collect()
    }

    /// Returns one row: a map of its fields, or the bare value in a column. `-1` is the last.
    ///
    /// ```rhai
    /// let words = dataset(["a", "b", "c"]);
    /// words[0]                    //=> #{"text": "a"}
    /// words.column("text")[-1]    //=> c
    /// words[3]                    //=> error: index: row 3 of 3 rows
    /// ```
    #[rhai_fn(index_get, pure, return_raw)]
    pub fn get(data: &mut Dataset, at: i64) -> Res<Dynamic> {
        row("index", data, place("index", at, data.len())?)
    }

    /// Returns a range of rows, as a dataset.
    ///
    /// ```rhai
    /// dataset(["a", "b", "c"])[1..].len()    //=> 2
    /// ```
    #[rhai_fn(index_get, pure)]
    pub fn get_range(data: &mut Dataset, rows: std::ops::Range<i64>) -> Dataset {
        let (start, end) = span(rows.start, rows.end, data.len());
        data.slice(start, end)
    }

    /// Returns an inclusive range of rows, as a dataset.
    ///
    /// ```rhai
    /// dataset(["a", "b", "c"])[0..=1].len()    //=> 2
    /// ```
    #[rhai_fn(index_get, pure)]
    pub fn get_range_inclusive(data: &mut Dataset, rows: std::ops::RangeInclusive<i64>) -> Dataset {
        let (start, last) = span(*rows.start(), *rows.end(), data.len());
        data.slice(start, last + 1)
    }

    /// Maps every row through a closure: maps become rows, other values a column.
    ///
    /// A closure that computes from its row alone runs on all threads, and the rows keep their order; one that changes or calls
    /// something outside runs on one thread, which a message reports from 10,000 rows on.
    ///
    /// also: apply, add_column, with_columns
    ///
    /// ```rhai
    /// let words = dataset(["one", "three"]);
    /// words.map(|row| row + #{ letters: row.text.len })[1]    //=> #{"letters": 5, "text": "three"}
    /// words.column("text").map(|word| word.len)[1]            //=> 5
    /// let other = dataset(["a"]);
    /// words.map(|row| other)    //=> error: map: row 0, field `value`: a dataset is not data
    /// ```
    #[rhai_fn(return_raw)]
    pub fn map(context: NativeCallContext, data: Dataset, change: FnPtr) -> Res<Dataset> {
        closure::map(&context, &data, change)
    }

    /// Keeps the rows for which the closure returns true. The closure runs on threads as in `map`.
    ///
    /// also: where, query
    ///
    /// ```rhai
    /// dataset([1, 2, 3].map(|n| #{ n: n })).filter(|row| row.n != 2).len()    //=> 2
    /// dataset(["a"]).filter(|row| row.text)    //=> error: filter: row 0: the closure gave a string, not true or false
    /// ```
    #[rhai_fn(return_raw)]
    pub fn filter(context: NativeCallContext, data: Dataset, keep: FnPtr) -> Res<Dataset> {
        closure::filter(&context, &data, keep)
    }

    /// Returns the first `rows` rows, or all if there are fewer.
    ///
    /// also: head, select range
    ///
    /// ```rhai
    /// dataset(["a", "b", "c"]).take(2).len()    //=> 2
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn take(data: &mut Dataset, rows: i64) -> Res<Dataset> {
        Ok(data.slice(0, count("take", rows)?))
    }

    /// Returns all but the first `rows` rows.
    ///
    /// ```rhai
    /// dataset(["a", "b", "c"]).skip(2)[0].text    //=> c
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn skip(data: &mut Dataset, rows: i64) -> Res<Dataset> {
        Ok(data.slice(count("skip", rows)?, data.len()))
    }

    /// Appends the rows of `other`. Fields are matched by name; a field missing on one side is `()` in its rows.
    ///
    /// also: concatenate_datasets, concat, append
    ///
    /// ```rhai
    /// dataset(["a"]).extend(dataset([#{ text: "b", n: 1 }]))    //=> dataset 2 rows: text, n
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn extend(data: &mut Dataset, other: Dataset) -> Res<Dataset> {
        Ok((*data).extend(&other)?)
    }

    /// Groups rows by the value of a field: a list of `#{ key, rows }`, in order of first appearance.
    ///
    /// also: groupby, group_by
    ///
    /// ```rhai
    /// let groups = dataset(["a", "b", "a"]).group("text");
    /// groups[0].key     //=> a
    /// groups[0].rows    //=> dataset 2 rows: text
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn group(data: &mut Dataset, field: &str) -> Res<List> {
        let at = data.field("group", field)?;
        let groups = data.groups("group", field)?;
        let as_map = |places: Vec<usize>| {
            let mut group = Map::new();
            group.insert("key".into(), value::to_dynamic("group", data.cell(at, places[0]))?);
            group.insert("rows".into(), Dynamic::from(data.pick(places)));
            Ok(Dynamic::from(group))
        };
        groups.into_iter().map(as_map).collect()
    }

    /// Sorts by a field, ascending; rows without it come last, equal ones keep their order.
    ///
    /// also: sort_values, order_by
    ///
    /// ```rhai
    /// dataset(["b", "a"]).sort("text")[0].text    //=> a
    /// dataset(["a", "b"]).sort("text", #{ descending: true })[0].text    //=> b
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn sort(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        let options = Options::read("sort", SORT, options)?;
        Ok((*data).sort(field, options.bool("descending")?)?)
    }

    /// Writes the rows to a file, in the format of its extension, as for opening. The write is atomic.
    ///
    /// A missing value is omitted from a .jsonl row and empty in .csv; a .txt file takes one column of lines. `delimiter` and
    /// `decimal` are for .csv and .tsv, as in `dataset`.
    ///
    /// also: to_csv, to_json, to_parquet, save_to_disk
    ///
    /// effect
    ///
    /// ```rhai
    /// dataset(["a", "b"]).save("out/doc/words.parquet");
    /// dataset("out/doc/words.parquet")    //=> dataset 2 rows: text
    /// dataset([#{ n: 1.5 }]).save("out/doc/numbers.csv", #{ delimiter: ";", decimal: "," });
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn save(data: &mut Dataset, path: &str, options: Map) -> Res<()> {
        let options = Options::read("save", SAVE, options)?;
        let form = text_form("save", &options, By::Line, true)?;
        Ok(crate::data::save(data, Path::new(path), form)?)
    }

    /// Returns facts: rows, types of the fields, bytes of memory.
    ///
    /// ```rhai
    /// dataset(["a", "b"]).info().fields    //=> #{"text": "text"}
    /// ```
    #[rhai_fn(pure)]
    pub fn info(data: &mut Dataset) -> Map {
        let kinds: Map = data.columns().map(|(name, column)| (name.as_ref().into(), column.kind().into())).collect();
        let mut facts = Map::new();
        facts.insert("rows".into(), (data.len() as i64).into());
        facts.insert("fields".into(), kinds.into());
        facts.insert("bytes".into(), (data.size() as i64).into());
        facts
    }

    /// Returns the first ten rows as a table that fits the screen.
    ///
    /// ```rhai
    /// print(dataset(["a", "b"]).show());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn show(data: &mut Dataset) -> Res<String> {
        show::table(data, show::ROWS)
    }

    /// Returns the first `rows` rows as a table that fits the screen.
    ///
    /// ```rhai
    /// dataset(["a", "b"]).show(1).contains("1 more row")    //=> true
    /// ```
    #[rhai_fn(name = "show", pure, return_raw)]
    pub fn show_rows(data: &mut Dataset, rows: i64) -> Res<String> {
        show::table(data, count("show", rows)?)
    }

    /// Number of rows, and the fields.
    #[rhai_fn(pure)]
    pub fn to_string(data: &mut Dataset) -> String {
        data.to_string()
    }

    /// Number of rows, and the fields.
    #[rhai_fn(pure)]
    pub fn to_debug(data: &mut Dataset) -> String {
        data.to_string()
    }
}
