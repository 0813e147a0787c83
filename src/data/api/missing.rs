//! Script API of missing values and casts.

use super::field_names;
use crate::data::cast::{Cast, TARGETS, Target};
use crate::data::missing::{DropMissing, Fill, Filler, Gaps, MissingCount, Own, count};
use crate::data::{Cell, Dataset, TableBuilder};
use crate::script::prelude::*;
use std::sync::Arc;

const WORDS: Opt =
    opt("words", Kind::Bool, "false", "empty texts and placeholder words (N/A, null, None, -, 未知 …) are missing too")
        .also(&["na_values", "keep_default_na"]);

const FILL: &[Opt] = &[
    opt("value", Kind::Any, "", "replacement value").also(&["fill_value", "constant"]),
    opt(
        "strategy",
        Kind::OneOf(&["mean", "median", "mode", "forward"]),
        "",
        "mean or median of the field's numbers, its most frequent value, or the previous value",
    )
    .also(&["ffill", "most_frequent", "imputer", "method"]),
    WORDS,
];

const DROP: &[Opt] = &[WORDS];

const CAST: &[Opt] = &[opt(
    "on_error",
    Kind::OneOf(&["error", "null"]),
    "\"error\"",
    "treatment of a value that can't be cast: an error, or a missing value",
)
.also(&["errors", "coerce", "strict"])];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("fill", FILL);
    host.options("drop_missing", DROP);
    host.options("cast", CAST);
}

fn filling(field: &str, options: Map) -> Res<Fill> {
    let options = Options::read("fill", FILL, options)?;
    let strategy = options.maybe("strategy", Options::text)?;
    let filler = match (strategy.as_deref(), options.has("value")) {
        (Some("mean"), false) => Filler::Mean,
        (Some("median"), false) => Filler::Median,
        (Some("mode"), false) => Filler::Mode,
        (Some(_), false) => Filler::Forward,
        (None, true) => Filler::Value(own(options.get("value"))?),
        _ => bail!("fill", "give `value` or `strategy`, one of the two"),
    };
    Ok(Fill { field: field.into(), filler, gaps: Gaps { words: options.bool("words")? } })
}

fn own(value: Dynamic) -> Res<Own> {
    Ok(match (value.as_int(), value.as_float(), value.as_bool()) {
        (Ok(value), ..) => Own::Int(value),
        (_, Ok(value), _) => Own::Float(value),
        (.., Ok(value)) => Own::Bool(value),
        _ if value.is_string() => Own::Text(value.to_string()),
        _ => bail!("fill", "`value` is a number, a text or a truth value, not {}", type_in_words(&value)),
    })
}

fn casting(field: &str, kind: &str, options: Map) -> Res<Cast> {
    let options = Options::read("cast", CAST, options)?;
    let Some(target) = Target::named(kind) else { return Err(Error::unknown("cast", "kind", kind, TARGETS).into()) };
    Ok(Cast { field: field.into(), target, skips: options.text("on_error")?.as_str() == "null" })
}

fn dropping(fields: Option<Dynamic>, options: Map) -> Res<DropMissing> {
    let options = Options::read("drop_missing", DROP, options)?;
    let fields = fields.map(|fields| field_names("drop_missing", fields)).transpose()?.unwrap_or_default();
    Ok(DropMissing { fields, gaps: Gaps { words: options.bool("words")? } })
}

/// The counts as rows.
fn table(counts: Vec<(String, MissingCount)>) -> Res<Dataset> {
    let names = ["field", "kind", "rows", "null", "empty", "words", "nan", "share", "word"];
    let mut rows = TableBuilder::with_names(names.map(Into::into));
    for (field, count) in counts {
        let all = count.null + count.empty + count.word + count.nan;
        let word = count.words.iter().max_by_key(|(word, count)| (**count, std::cmp::Reverse(*word)));
        rows.column("field").push(Cell::Text(&field));
        rows.column("kind").push(Cell::Text(count.kind));
        for (name, value) in [
            ("rows", count.rows),
            ("null", count.null),
            ("empty", count.empty),
            ("words", count.word),
            ("nan", count.nan),
        ] {
            rows.column(name).push(Cell::Int(value as i64));
        }
        let share = all as f64 / count.rows.max(1) as f64;
        rows.column("share").push(Cell::Float((share * 1e4).round() / 1e4));
        rows.column("word").push(word.map_or(Cell::Null, |(word, _)| Cell::Text(word)));
        rows.end_row().map_err(|what| Error::new("missing", what))?;
    }
    Ok(rows.finish().into())
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    pub type Stream = crate::data::Stream;

    /// Counts missing values, one row per field: `field`, `kind` (of its values), `rows`, `null` (no such field in the row, or
    /// null), `empty` (white space only), `words` (placeholders: N/A, null, None, -, 未知 …), `nan`, `share` of all these, and
    /// `word`, the most frequent placeholder.
    ///
    /// also: isna, isnull, missingno, null counts, describe
    ///
    /// ```rhai
    /// let data = dataset([#{ name: "a", age: 3 }, #{ name: " " }, #{ name: "N/A", age: 5 }, #{ name: () }]);
    /// data.missing()[0]    //=> #{"empty": 0, "field": "age", "kind": "int", "nan": 0, "null": 2, "rows": 4, "share": 0.5, "word": (), "words": 0}
    /// data.missing()[1].word    //=> N/A
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn missing(data: &mut Dataset) -> Res<Dataset> {
        let mut counts = Vec::new();
        count(data, &mut counts, 0)?;
        super::table(counts)
    }

    /// Counts missing values in a stream.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").missing().len()    //=> 5
    /// ```
    #[rhai_fn(name = "missing", pure, return_raw)]
    pub fn missing_stream(stream: &mut Stream) -> Res<Dataset> {
        let (mut counts, mut before) = (Vec::new(), 0);
        for part in stream.blocks()? {
            let part = part?;
            count(&part, &mut counts, before)?;
            before += part.len();
        }
        super::table(counts)
    }

    /// Fills the missing values of a field: with `value`, or by `strategy`, whose mean, median and mode are over the present
    /// values. Null and NaN are missing, with `words: true` also empty texts and words such as N/A.
    ///
    /// also: fillna, fill_null, ffill, impute, SimpleImputer
    ///
    /// ```rhai
    /// let data = dataset([#{ a: 1, t: "x" }, #{ t: "-" }, #{ a: 4, t: "x" }]);
    /// data.fill("a", #{ value: 0 })[1].a                             //=> 0
    /// data.fill("a", #{ strategy: "mean" })[1].a                     //=> 2.5
    /// data.fill("t", #{ strategy: "mode", words: true })[1].t        //=> x
    /// data.fill("a", #{ strategy: "forward" })[1].a                  //=> 1
    /// data.fill("t", #{ strategy: "mean" })    //=> error: fill: row 0, field `t`: text, which has no mean
    /// data.fill("a")                           //=> error: fill: give `value` or `strategy`, one of the two
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn fill(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        let fill = super::filling(field, options)?;
        data.field("fill", field)?;
        Ok(fill.of(data)?)
    }

    /// Fills the missing values of a field as rows are read. For the mean, the median and the mode it reads the stream once
    /// beforehand; the median holds the field's numbers in memory.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").fill("law", #{ value: "" })    //=> stream scripts/data/definitions.jsonl, fill law
    /// ```
    #[rhai_fn(name = "fill", pure, return_raw)]
    pub fn fill_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        let fill = super::filling(field, options)?;
        stream.has_fields("fill", &[field.to_string()])?;
        Ok(stream.in_order(Arc::new(fill)))
    }

    /// Drops rows with a missing field: one field, or any of a list.
    ///
    /// also: dropna, drop_nulls
    ///
    /// ```rhai
    /// let data = dataset([#{ a: 1, b: "x" }, #{ a: 2 }, #{ b: "N/A", a: 3 }]);
    /// data.drop_missing("b").len()                          //=> 2
    /// data.drop_missing(["a", "b"], #{ words: true }).len()    //=> 1
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn drop_missing(data: &mut Dataset, fields: Dynamic, options: Map) -> Res<Dataset> {
        let step = super::dropping(Some(fields), options)?;
        step.fields.iter().try_for_each(|field| data.field("drop_missing", field).map(drop))?;
        Ok(data.through(&step)?)
    }

    /// Drops rows of a stream with a missing field.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").drop_missing("law")    //=> stream scripts/data/definitions.jsonl, drop_missing law
    /// ```
    #[rhai_fn(name = "drop_missing", pure, return_raw)]
    pub fn drop_missing_stream(stream: &mut Stream, fields: Dynamic, options: Map) -> Res<Stream> {
        let step = super::dropping(Some(fields), options)?;
        stream.has_fields("drop_missing", &step.fields)?;
        Ok(stream.through(Arc::new(step)))
    }

    /// Casts the values of a field to one kind, "int", "float", "bool" or "string", without loss: "1,234" is 1234, "yes" true,
    /// 2.5 is not an int. Words such as N/A become missing. A value that can't be cast is an error with its row, or missing with
    /// `on_error: "null"`.
    ///
    /// also: astype, to_numeric, cast_column, Value
    ///
    /// ```rhai
    /// let data = dataset([#{ n: "1,234" }, #{ n: "N/A" }, #{ n: 7 }]);
    /// let whole = data.cast("n", "int");
    /// [whole[0].n, whole[1].n, whole[2].n]        //=> [1234, (), 7]
    /// dataset(["12", "x"]).cast("text", "int")    //=> error: cast: row 1, field `text`: Text("x") is no int
    /// dataset(["12", "x"]).cast("text", "int", #{ on_error: "null" })[1].text == ()    //=> true
    /// dataset(["12"]).cast("text", "number")      //=> error: cast: there is no kind `number`
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn cast(data: &mut Dataset, field: &str, kind: &str, options: Map) -> Res<Dataset> {
        let cast = super::casting(field, kind, options)?;
        data.field("cast", field)?;
        Ok(data.through(&cast)?)
    }

    /// Casts the values of a field to one kind as rows are read.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").cast("term", "string")    //=> stream scripts/data/definitions.jsonl, cast term to string
    /// ```
    #[rhai_fn(name = "cast", pure, return_raw)]
    pub fn cast_stream(stream: &mut Stream, field: &str, kind: &str, options: Map) -> Res<Stream> {
        let cast = super::casting(field, kind, options)?;
        stream.has_fields("cast", &[field.to_string()])?;
        Ok(stream.through(Arc::new(cast)))
    }

    /// Returns the rows whose value `cast` could not convert to the kind.
    ///
    /// ```rhai
    /// dataset(["12", "x", "-", "3.5"]).misfits("text", "int").len()    //=> 2
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn misfits(data: &mut Dataset, field: &str, kind: &str) -> Res<Dataset> {
        let cast = super::casting(field, kind, Map::new())?;
        data.field("misfits", field)?;
        Ok(data.pick(cast.misfits(data)?))
    }
}
