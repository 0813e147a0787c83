//! What scripts see of datasets.

use super::value::{RowCollector, row};
use super::{DECIMAL, DELIMITER, by, count, place, show, span, text_form, value};
use crate::data::{By, Dataset};
use crate::script::display::Weight;
use crate::script::prelude::*;
use crate::text;
use std::path::Path;

const DATASET: &[Opt] = &[
    opt(
        "sample_by",
        Kind::OneOf(&["line", "paragraph", "document"]),
        "\"line\"",
        "what a row of a .txt file is; blank lines are left out",
    )
    .also(&["by"]),
    DELIMITER,
    DECIMAL,
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

/// Calls `change` with every row.
fn each(
    who: &'static str,
    context: &NativeCallContext,
    data: &Dataset,
    change: &FnPtr,
    mut result: impl FnMut(usize, Dynamic) -> Res<()>,
) -> Res<()> {
    for at in 0..data.len() {
        crate::cancel::check()?;
        result(at, change.call_within_context::<Dynamic>(context, (row(who, data, at)?,))?)?;
    }
    Ok(())
}

#[export_module]
mod verbs {
    /// Rows with named fields. A value: its verbs return new datasets.
    pub type Dataset = crate::data::Dataset;

    /// Opens a file of rows: .jsonl, .json, .csv, .tsv, .parquet or .txt, each also compressed (.gz, .zst).
    ///
    /// The fields are the union over all rows; a row that lacks one has `()` there. A column of csv or tsv is numeric where
    /// all its values are. A .txt file has the field `text`, one row for each line that is not blank.
    ///
    /// Whole numbers of more digits than 64 bits hold (identifiers) are text, digit for digit, whatever the format.
    /// `delimiter` and `decimal` read csv as other countries write it: `#{ delimiter: ";", decimal: "," }`. A number with a
    /// separator of thousands is text.
    ///
    /// also: load_dataset, read_csv, read_json, read_parquet, from_json, DataFrame, sep, separator
    ///
    /// ```rhai
    /// dataset("rows.jsom")    //=> error: dataset: rows.jsom: the ending is not a data format
    /// dataset(["one", "two"]).save("out/doc/lines.txt");
    /// dataset("out/doc/lines.txt", #{ sample_by: "document" }).len()    //=> 1
    /// dataset([#{ id: "12345678901234567890", share: 0.5 }]).save("out/doc/rows.csv", #{ delimiter: ";", decimal: "," });
    /// dataset("out/doc/rows.csv", #{ delimiter: ";", decimal: "," })[0]    //=> #{"id": "12345678901234567890", "share": 0.5}
    /// dataset("out/doc/rows.csv")    //=> error: dataset: out/doc/rows.csv:1: the first line has no ',', but ";"
    /// ```
    #[rhai_fn(name = "dataset", return_raw)]
    pub fn open(path: &str, options: Map) -> Res<Dataset> {
        let options = Options::read("dataset", DATASET, options)?;
        let form = text_form("dataset", &options, by(&options)?, true)?;
        Ok(crate::data::read("dataset", Path::new(path), form)?.into())
    }

    /// Makes a dataset from a list of maps, or from a list of strings as its field `text`.
    ///
    /// also: from_list, from_dict, from_pandas
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

    /// One row: a map of its fields, or the value alone in a column. `-1` is the last.
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

    /// A range of rows, as a dataset.
    ///
    /// ```rhai
    /// dataset(["a", "b", "c"])[1..].len()    //=> 2
    /// ```
    #[rhai_fn(index_get, pure)]
    pub fn get_range(data: &mut Dataset, rows: std::ops::Range<i64>) -> Dataset {
        let (start, end) = span(rows.start, rows.end, data.len());
        data.slice(start, end)
    }

    /// A range of rows including its end, as a dataset.
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
        let name = if data.is_bare() { &data.fields()[0] } else { "value" };
        let mut made = RowCollector::new(name);
        each("map", &context, &data, &change, |_, value| made.push("map", &value))?;
        let bare = made.is_bare();
        let made = made.finish();
        Ok(if bare { made.into_bare() } else { made })
    }

    /// Keeps the rows for which the closure returns true.
    ///
    /// also: where, query
    ///
    /// ```rhai
    /// dataset([1, 2, 3].map(|n| #{ n: n })).filter(|row| row.n != 2).len()    //=> 2
    /// dataset(["a"]).filter(|row| row.text)    //=> error: filter: row 0: the closure gave a string, not true or false
    /// ```
    #[rhai_fn(return_raw)]
    pub fn filter(context: NativeCallContext, data: Dataset, keep: FnPtr) -> Res<Dataset> {
        let mut kept = Vec::new();
        each("filter", &context, &data, &keep, |at, value| {
            match value.as_bool() {
                Ok(true) => kept.push(at),
                Ok(false) => {}
                Err(kind) => bail!("filter", "row {at}: the closure gave a {kind}, not true or false"),
            }
            Ok(())
        })?;
        Ok(data.pick(kept))
    }

    /// The first `rows` rows, or all if there are fewer.
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

    /// All but the first `rows` rows.
    ///
    /// ```rhai
    /// dataset(["a", "b", "c"]).skip(2)[0].text    //=> c
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn skip(data: &mut Dataset, rows: i64) -> Res<Dataset> {
        Ok(data.slice(count("skip", rows)?, data.len()))
    }

    /// Keeps the first row with each value of a field.
    ///
    /// also: drop_duplicates, deduplicate
    ///
    /// ```rhai
    /// dataset(["a", "b", "a"]).unique("text").len()    //=> 2
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn unique(data: &mut Dataset, field: &str) -> Res<Dataset> {
        Ok((*data).unique(field)?)
    }

    /// Appends the rows of `other`. Fields are matched by name; a field that one side lacks is `()` in its rows.
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

    /// Sorts by a field, smallest first; rows without it come last, equal ones keep their order.
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

    /// Writes the rows to a file; its ending decides the format, as for opening. It appears whole or not at all.
    ///
    /// A missing value is left out of a .jsonl row and empty in .csv; a .txt file takes one column of lines. `delimiter` and
    /// `decimal` are for .csv and .tsv, as in `dataset`.
    ///
    /// also: to_csv, to_json, to_parquet, save_to_disk
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

    /// Facts: rows, types of the fields, bytes of memory.
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

    /// Shows the first ten rows as a table that fits the screen.
    ///
    /// ```rhai
    /// print(dataset(["a", "b"]).show());
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn show(data: &mut Dataset) -> Res<String> {
        show::table(data, show::ROWS)
    }

    /// Shows the first `rows` rows as a table that fits the screen.
    ///
    /// ```rhai
    /// dataset(["a", "b"]).show(1).contains("1 more row")    //=> true
    /// ```
    #[rhai_fn(name = "show", pure, return_raw)]
    pub fn show_rows(data: &mut Dataset, rows: i64) -> Res<String> {
        show::table(data, count("show", rows)?)
    }

    /// The number of rows, and the fields.
    #[rhai_fn(pure)]
    pub fn to_string(data: &mut Dataset) -> String {
        data.to_string()
    }

    /// The number of rows, and the fields.
    #[rhai_fn(pure)]
    pub fn to_debug(data: &mut Dataset) -> String {
        data.to_string()
    }
}
