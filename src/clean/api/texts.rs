//! Verbs that change a text, a field of a dataset, or a field of a stream.

use super::{Change, INTO, of_dataset, of_stream, rewrite};
use crate::clean::{self, Form, Normalize, Space, Width};
use crate::script::prelude::*;

const NORMALIZE: &[Opt] =
    &[
        opt(
            "form",
            Kind::OneOf(&["nfc", "nfkc", "keep"]),
            "\"nfc\"",
            "Unicode normal form; nfkc leaves Chinese and Japanese punctuation as it is",
        )
        .also(&["unicodedata.normalize", "unicode_normalization"]),
        opt(
            "width",
            Kind::OneOf(&["keep", "letters", "all"]),
            "\"keep\"",
            "\"letters\": narrow full-width letters and digits, widen half-width kana; \"all\": punctuation too",
        )
        .also(&["fix_character_width", "fullwidth", "halfwidth"]),
        opt("control", Kind::Bool, "true", "remove control characters and terminal escapes, make line ends `\\n`")
            .also(&["remove_control_chars", "fix_line_breaks"]),
        opt("zero_width", Kind::Bool, "true", "remove invisible characters, except joiners that a script needs")
            .also(&["zero width space", "soft hyphen", "bidi"]),
        opt(
            "whitespace",
            Kind::OneOf(&["keep", "lines", "collapse"]),
            "\"lines\"",
            "\"lines\": no spaces at line ends, at most one blank line; \"collapse\": one space for any white space",
        )
        .also(&["strip", "split_whitespace"]),
        opt("quotes", Kind::Bool, "false", "make curly quotation marks straight").also(&["uncurl_quotes"]),
        opt("entities", Kind::Bool, "false", "decode HTML character references first, as `unescape_html`"),
        opt("mojibake", Kind::Bool, "false", "repair mojibake first, as `fix_mojibake`"),
    ];

/// [`NORMALIZE`] for fields.
const NORMALIZE_FIELD: &[Opt] = &[
    NORMALIZE[0],
    NORMALIZE[1],
    NORMALIZE[2],
    NORMALIZE[3],
    NORMALIZE[4],
    NORMALIZE[5],
    NORMALIZE[6],
    NORMALIZE[7],
    INTO,
];

const FIELD: &[Opt] = &[INTO];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("normalize", NORMALIZE_FIELD);
    host.options("fix_mojibake", FIELD);
    host.options("unescape_html", FIELD);
}

fn how(options: &Options) -> Res<Normalize> {
    Ok(Normalize {
        mojibake: options.bool("mojibake")?,
        entities: options.bool("entities")?,
        form: match options.text("form")?.as_str() {
            "nfc" => Form::Nfc,
            "nfkc" => Form::Nfkc,
            _ => Form::Keep,
        },
        width: match options.text("width")?.as_str() {
            "letters" => Width::Letters,
            "all" => Width::All,
            _ => Width::Keep,
        },
        control: options.bool("control")?,
        zero_width: options.bool("zero_width")?,
        space: match options.text("whitespace")?.as_str() {
            "lines" => Space::Lines,
            "collapse" => Space::Collapse,
            _ => Space::Keep,
        },
        quotes: options.bool("quotes")?,
    })
}

pub fn normalizing(field: &str, options: Map) -> Res<clean::Rewrite> {
    let options = Options::read("normalize", NORMALIZE_FIELD, options)?;
    let how = how(&options)?;
    let change: Change = Box::new(move |text| clean::normalize(text, &how));
    rewrite("normalize", field, &options, format!("{how:?}"), change)
}

pub fn mending(field: &str, options: Map) -> Res<clean::Rewrite> {
    let options = Options::read("fix_mojibake", FIELD, options)?;
    rewrite("fix_mojibake", field, &options, String::new(), Box::new(clean::fix_mojibake))
}

pub fn unescaping(field: &str, options: Map) -> Res<clean::Rewrite> {
    let options = Options::read("unescape_html", FIELD, options)?;
    rewrite("unescape_html", field, &options, String::new(), Box::new(clean::unescape))
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    pub type Stream = crate::data::Stream;

    /// Normalizes a text: Unicode form, widths, invisible characters, white space. It is idempotent.
    ///
    /// Chinese and Japanese punctuation is kept in every form, since plain NFKC turns ， and ： into ASCII; `width: "all"` narrows
    /// it.
    ///
    /// also: unicodedata.normalize, ftfy.fix_text, strip, clean_text, NFKC, zero width space
    ///
    /// ```rhai
    /// " cafe\u0301 \r\n".normalize()                                            //=> café
    /// "ＡＢＣ，１２３：ｶﾞｲﾄﾞ".normalize(#{ width: "letters" })                       //=> ABC，123：ガイド
    /// "ﬁne ① ，…".normalize(#{ form: "nfkc" })                                  //=> fine 1 ，…
    /// "a\u200bb\u0007  c\n\n\n\nd".normalize(#{ whitespace: "collapse" })       //=> ab c d
    /// "x".normalize(#{ form: "nfd" })    //=> error: normalize: option `form` takes nfc, nfkc, keep, not `nfd`
    /// ```
    #[rhai_fn(return_raw)]
    pub fn normalize(text: &str, options: Map) -> Res<String> {
        let options = Options::read("normalize", NORMALIZE, options)?;
        Ok(clean::normalize(text, &how(&options)?).into_owned())
    }

    /// Normalizes the texts of a field, on all threads.
    ///
    /// ```rhai
    /// dataset([#{ text: "ＡＢ ", n: 1 }]).normalize("text", #{ width: "letters" })[0]    //=> #{"n": 1, "text": "AB"}
    /// dataset(["a"]).normalize("txt")    //=> error: normalize: there is no field `txt`
    /// ```
    #[rhai_fn(name = "normalize", pure, return_raw)]
    pub fn normalize_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        of_dataset(data, normalizing(field, options)?)
    }

    /// Normalizes the texts of a field as they are read.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").normalize("answer")    //=> stream scripts/data/definitions.jsonl, normalize answer
    /// ```
    #[rhai_fn(name = "normalize", pure, return_raw)]
    pub fn normalize_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        of_stream(stream, normalizing(field, options)?)
    }

    /// Repairs mojibake: UTF-8 decoded as another encoding, once or several times. Other texts stay unchanged.
    ///
    /// The heuristic is ftfy's (Speer 2019).
    ///
    /// also: ftfy.fix_encoding, ftfy.fix_text, garbled text, 乱码
    ///
    /// ```rhai
    /// "schÃ¶n, â€œoderâ€\u009d".fix_mojibake()    //=> schön, “oder”
    /// "æ–‡å\u00ad—".fix_mojibake()               //=> 文字
    /// "schön".fix_mojibake()                     //=> schön
    /// ```
    pub fn fix_mojibake(text: &str) -> String {
        clean::fix_mojibake(text).into_owned()
    }

    /// Repairs mojibake in the texts of a field, on all threads.
    ///
    /// ```rhai
    /// dataset(["schÃ¶n"]).fix_mojibake("text")[0].text    //=> schön
    /// ```
    #[rhai_fn(name = "fix_mojibake", pure, return_raw)]
    pub fn fix_mojibake_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        of_dataset(data, mending(field, options)?)
    }

    /// Repairs mojibake in the texts of a field as they are read.
    ///
    /// ```rhai
    /// for row in stream("scripts/data/definitions.jsonl").fix_mojibake("answer").take(1) { print(row.answer); }
    /// ```
    #[rhai_fn(name = "fix_mojibake", pure, return_raw)]
    pub fn fix_mojibake_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        of_stream(stream, mending(field, options)?)
    }

    /// Decodes HTML character references, named and numeric, that end with a semicolon.
    ///
    /// also: html.unescape, entities, &amp;
    ///
    /// ```rhai
    /// "R&amp;D &#20013;&#x6587; P&EACUTE;REZ a&b".unescape_html()    //=> R&D 中文 PÉREZ a&b
    /// ```
    pub fn unescape_html(text: &str) -> String {
        clean::unescape(text).into_owned()
    }

    /// Decodes HTML character references in the texts of a field.
    ///
    /// ```rhai
    /// dataset(["a &lt; b"]).unescape_html("text")[0].text    //=> a < b
    /// ```
    #[rhai_fn(name = "unescape_html", pure, return_raw)]
    pub fn unescape_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        of_dataset(data, unescaping(field, options)?)
    }

    /// Decodes HTML character references in the texts of a field, as they are read.
    ///
    /// ```rhai
    /// for row in stream("scripts/data/definitions.jsonl").unescape_html("answer").take(1) { print(row.answer); }
    /// ```
    #[rhai_fn(name = "unescape_html", pure, return_raw)]
    pub fn unescape_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        of_stream(stream, unescaping(field, options)?)
    }
}
