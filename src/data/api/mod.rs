//! Script API of data.

mod batches;
mod chunk;
pub mod closure;
mod dataset;
mod encode;
mod encoded;
mod fields;
mod grouped;
mod labeled;
mod map;
mod masked;
mod missing;
mod pairs;
mod show;
mod split;
mod steps;
mod stream;
mod tags;
mod texts;
mod value;

use crate::data::{By, Charset, Dataset, Source, TextForm};
use crate::script::prelude::*;
use crate::text;

pub fn register(host: &mut Host) {
    let names = &mut host.engine;
    names.register_type_with_name::<Dataset>("Dataset");
    names.register_type_with_name::<super::Stream>("Stream");
    names.register_type_with_name::<super::Encoded>("Encoded");
    names.register_type_with_name::<super::Batch>("Batch");
    names.register_type_with_name::<super::Batches>("Batches");
    crate::token::api::accept_texts(texts::texts_of);
    dataset::register(host);
    split::register(host);
    fields::register(host);
    encode::register(host);
    encoded::register(host);
    batches::register(host);
    chunk::register(host);
    pairs::register(host);
    stream::register(host);
    steps::register(host);
    map::register(host);
    missing::register(host);
    tags::register(host);
}

/// Resolves an index, from the end if it is negative.
fn place(who: &'static str, at: i64, len: usize) -> Res<usize> {
    let from_front = if at < 0 { at + len as i64 } else { at };
    match usize::try_from(from_front) {
        Ok(place) if place < len => Ok(place),
        _ => bail!(who, "row {at} of {}", text::counted(len, "row")),
    }
}

/// Resolves the start and end of a script's range; `a..` and `..b` are clamped.
fn span(start: i64, end: i64, len: usize) -> (usize, usize) {
    let fix = |at: i64| if at < 0 { (at + len as i64).max(0) as usize } else { (at as usize).min(len) };
    (fix(start), fix(end))
}

fn count(who: &'static str, count: i64) -> Res<usize> {
    match usize::try_from(count) {
        Ok(count) => Ok(count),
        Err(_) => bail!(who, "{count} rows is below 0"),
    }
}

/// Values of a list, or of a column of a dataset.
pub fn listed(who: &'static str, what: &str, given: &Dynamic) -> Res<List> {
    if let Some(list) = given.read_lock::<List>() {
        return Ok(list.clone());
    }
    let Some(data) = given.read_lock::<Dataset>() else {
        bail!(who, "{what} are a list or a column of a dataset, not {}", type_in_words(given));
    };
    if !data.is_bare() {
        let fields = data.fields().join("`, `");
        return Err(Error::new(who, format!("{what} are a list or a column of a dataset, not rows of `{fields}`"))
            .help("`data.column(\"label\")` is a column")
            .into());
    }
    (0..data.len()).map(|at| value::row(who, &data, at)).collect()
}

/// A field, or a list of fields.
pub fn field_names(who: &'static str, fields: Dynamic) -> Res<Vec<String>> {
    let list = if fields.is_array() { fields.cast::<List>() } else { vec![fields] };
    Ok(names(who, list)?.into_iter().map(|name| name.to_string()).collect())
}

fn names(who: &'static str, fields: List) -> Res<Vec<ImmutableString>> {
    fields
        .into_iter()
        .map(|name| {
            let kind = type_in_words(&name);
            match name.into_immutable_string() {
                Ok(name) => Ok(name),
                Err(_) => bail!(who, "a field is named by a string, not by a {kind}"),
            }
        })
        .collect()
}

const DELIMITER: Opt =
    opt("delimiter", Kind::Text, "", "one character between fields of .csv and .tsv; by default that of the extension")
        .also(&["sep", "separator", "semicolon"]);

const DECIMAL: Opt = opt("decimal", Kind::OneOf(&[".", ","]), "\".\"", "decimal separator of numbers in .csv and .tsv")
    .also(&["decimal comma", "decimal_separator"]);

const QUOTES: Opt =
    opt("quotes", Kind::Bool, "true", "fields of .csv and .tsv may be quoted; false: quotes are ordinary characters")
        .also(&["quoting", "quotechar", "QUOTE_NONE"]);

const ENCODING: Opt = opt(
    "encoding",
    Kind::Text,
    "\"utf-8\"",
    "encoding of the text: a name such as \"gb18030\", \"shift_jis\", \"windows-1252\" or \"utf-16le\", or \"auto\" to detect it per file",
)
.also(&["charset", "encoding_errors", "codec"]);

const ON_ERROR: Opt = opt(
    "on_error",
    Kind::OneOf(&["error", "skip"]),
    "\"error\"",
    "treatment of a broken line: an error, or skipped and kept in `aside`",
)
.also(&["on_bad_lines", "ignore_errors", "errors"]);

const ASIDE: Opt = opt("aside", Kind::Text, "", ".jsonl file for skipped lines: `file`, `line`, `why`, `text`")
    .also(&["bad lines", "rejects"]);

const FILE_FIELD: Opt = opt("file_field", Kind::Text, "", "field for the file name of each row").also(&[
    "include_file_paths",
    "filename",
    "_source",
]);

/// Which files to read, and how, from the options of opening.
fn source(who: &'static str, paths: &[&str], options: &Options, form: TextForm) -> Res<Source> {
    let mut source = Source::expand(who, paths)?;
    let aside = options.maybe("aside", Options::text)?;
    let skips = options.text("on_error")?.as_str() == "skip";
    if skips != aside.is_some() {
        let what = if skips { "`on_error: \"skip\"` needs `aside`" } else { "`aside` needs `on_error: \"skip\"`" };
        return Err(Error::new(who, format!("{what}, the file for the lines that are left out")).into());
    }
    source.form = form;
    source.charset = Charset::named(who, &options.text("encoding")?)?;
    source.aside = aside.map(|path| path.as_str().into());
    source.file_field = options.maybe("file_field", Options::text)?.map(|name| name.to_string());
    Ok(source)
}

/// Text format for reading or writing, from the options that `who` has.
fn text_form(who: &'static str, options: &Options, by: By, has_decimal: bool) -> Res<TextForm> {
    let delimiter = match options.maybe("delimiter", Options::text)?.as_deref().map(str::as_bytes) {
        None => None,
        Some(&[delimiter]) if !matches!(delimiter, b'"' | b'\n' | b'\r') => Some(delimiter),
        Some(given) => {
            let given = String::from_utf8_lossy(given);
            bail!(who, "option `delimiter` is {given:?}: it is one character, such as \";\" or \"\\t\"");
        }
    };
    let decimal = if has_decimal && options.text("decimal")?.as_str() == "," { b',' } else { b'.' };
    Ok(TextForm { by, delimiter, decimal, ..TextForm::default() })
}

fn by(options: &Options) -> Res<By> {
    Ok(match options.text("sample_by")?.as_str() {
        "paragraph" => By::Paragraph,
        "document" => By::Document,
        _ => By::Line,
    })
}

/// The texts of a dataset (its field `field`, by default its bare values or its field `text`), of a list, or one text.
pub fn texts(who: &str, given: Dynamic, field: Option<&str>) -> Res<Vec<String>> {
    if given.is_string() {
        return Ok(vec![given.to_string()]);
    }
    let kind = type_in_words(&given);
    if let Some(data) = given.read_lock::<Dataset>() {
        let field = match field {
            Some(name) => data.field(who, name)?,
            None => data.text_field(who)?,
        };
        return Ok(data
            .texts(who, field)
            .map(|text| text.map(|text| text.into_owned()))
            .collect::<crate::Result<_>>()?);
    }
    let Ok(list) = given.into_typed_array::<ImmutableString>() else {
        bail!(who, "texts are a dataset, a list of texts, or a text, not {kind}");
    };
    Ok(list.into_iter().map(|text| text.to_string()).collect())
}
