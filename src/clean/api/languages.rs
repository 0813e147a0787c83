//! Languages and scripts of texts.

use super::{of_dataset, of_stream};
use crate::clean::{Rewrite, language};
use crate::script::prelude::*;
use std::borrow::Cow;

const FIELD: &[Opt] = &[opt("into", Kind::Text, "\"language\"", "field for the language code").also(&["output"])];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("detect_language", FIELD);
}

fn code(text: &str) -> Cow<'_, str> {
    language::detect(text).map_or("", |found| found.code).into()
}

fn detecting(field: &str, options: Map) -> Res<Rewrite> {
    let options = Options::read("detect_language", FIELD, options)?;
    let into = options.text("into")?.to_string();
    if into == field {
        bail!("detect_language", "`{into}` is the field of the text: the language goes into another");
    }
    Ok(Rewrite { verb: "detect_language", how: String::new(), field: field.into(), into, change: Box::new(code) })
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    pub type Stream = crate::data::Stream;

    /// Detects the language of a text, among seventy: `language` (ISO 639-1; `""` for a text without letters), `confidence` from
    /// 0 to 1, `reliable`, and `script`, the script of most letters in its first 256 bytes.
    ///
    /// For texts of 1024 bytes and more it samples three places of 256 bytes, from 4096 bytes on five, and returns the majority:
    /// a page may begin with a menu, names or code.
    ///
    /// Detection is by script and by trigrams (whatlang). Short lines in Latin script are often not reliable, and code never is a
    /// language.
    ///
    /// also: langdetect, langid, fasttext lid.176, lingua, cld3
    ///
    /// ```rhai
    /// "第一条 为了保护公民合法权益，制定本法。".detect_language().language         //=> zh
    /// "これはペンです。".detect_language().script                             //=> Hiragana
    /// "Der Hund schläft auf dem Sofa, und die Katze auch.".detect_language().language    //=> de
    /// "123".detect_language().language == ""                                //=> true
    /// ```
    pub fn detect_language(text: &str) -> Map {
        let found = language::detect(text);
        let mut facts = Map::new();
        facts.insert("language".into(), found.map_or("", |found| found.code).into());
        facts.insert("confidence".into(), found.map_or(0.0, |found| (found.confidence * 1e3).round() / 1e3).into());
        facts.insert("reliable".into(), found.is_some_and(|found| found.is_reliable).into());
        facts.insert("script".into(), language::script_of(text).unwrap_or("").into());
        facts
    }

    /// Detects the language of each text of a field and writes it to another field, on all threads.
    ///
    /// ```rhai
    /// dataset(["Das ist ein Haus mit einem Garten.", "你好"]).detect_language("text")[1].language    //=> zh
    /// ```
    #[rhai_fn(name = "detect_language", pure, return_raw)]
    pub fn language_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        of_dataset(data, detecting(field, options)?)
    }

    /// Detects the language of each text and writes it to a field, as rows are read.
    ///
    /// ```rhai
    /// for row in stream("scripts/data/definitions.jsonl").detect_language("answer").take(1) { print(row.language); }
    /// ```
    #[rhai_fn(name = "detect_language", pure, return_raw)]
    pub fn language_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        of_stream(stream, detecting(field, options)?)
    }
}
