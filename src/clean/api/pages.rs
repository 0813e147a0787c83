//! HTML to text, and encoding detection.

use super::{Change, INTO, of_dataset, of_stream, rewrite};
use crate::clean::{self, Part};
use crate::data::detect_file;
use crate::script::prelude::*;
use std::path::Path;

const PART: Opt = opt(
    "part",
    Kind::OneOf(&["article", "all"]),
    "\"article\"",
    "main content, without menus, sidebars and footers, or all visible text",
)
.also(&["main content", "boilerplate", "favor_precision"]);

const PAGE: &[Opt] = &[PART];
const PAGES: &[Opt] = &[PART, INTO];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("html_to_text", PAGES);
}

fn part(options: &Options) -> Res<Part> {
    Ok(if options.text("part")?.as_str() == "all" { Part::All } else { Part::Article })
}

pub fn reading(field: &str, options: Map) -> Res<clean::Rewrite> {
    let options = Options::read("html_to_text", PAGES, options)?;
    let part = part(&options)?;
    let change: Change = Box::new(move |html| clean::html_to_text(html, part).into());
    rewrite("html_to_text", field, &options, format!("{part:?}"), change)
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    pub type Stream = crate::data::Stream;

    /// Extracts the text of an HTML page: its main content, or all visible text. Paragraphs are separated by blank lines; list
    /// items and table rows are lines. Any bytes are accepted: broken HTML is parsed as browsers do.
    ///
    /// The main content is found by the algorithm of Mozilla's Readability (Arc90 2010), with a Chinese, Japanese or Korean
    /// character counted as two letters.
    ///
    /// also: trafilatura.extract, readability, BeautifulSoup get_text, boilerplate removal, jusText, strip tags
    ///
    /// ```rhai
    /// "<p>One <b>two</b>.<p>&copy; three".html_to_text(#{ part: "all" })     //=> One two.
    /// //
    /// // © three
    /// let page = "<nav><a href='/'>Home</a></nav><article><h1>Law</h1><p>第一条 为了保护公民、法人的合法权益，制定本法。</p></article>";
    /// page.html_to_text().contains("第一条")    //=> true
    /// page.html_to_text().contains("Home")     //=> false
    /// page.html_title()                        //=> Law
    /// ```
    #[rhai_fn(return_raw)]
    pub fn html_to_text(html: &str, options: Map) -> Res<String> {
        let options = Options::read("html_to_text", PAGE, options)?;
        Ok(clean::html_to_text(html, part(&options)?))
    }

    /// Extracts the text of the HTML pages in a field, on all threads; `into` names another field for it.
    ///
    /// ```rhai
    /// let pages = dataset([#{ html: "<title>T</title><p>text" }, #{ text: "plain" }]);
    /// pages.html_to_text("html", #{ into: "text" }).column("text").map(|text| text)[0]    //=> text
    /// pages.html_to_text("html", #{ into: "text" })[1].text                               //=> plain
    /// ```
    #[rhai_fn(name = "html_to_text", pure, return_raw)]
    pub fn html_to_text_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        of_dataset(data, reading(field, options)?)
    }

    /// Extracts the text of the HTML pages in a field, as they are read.
    ///
    /// ```rhai
    /// for row in stream("tests/data/rows/page-gbk.html").html_to_text("html", #{ into: "text" }) { print(row.text); }
    /// ```
    #[rhai_fn(name = "html_to_text", pure, return_raw)]
    pub fn html_to_text_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        of_stream(stream, reading(field, options)?)
    }

    /// Returns the title of an HTML page: its `<title>`, otherwise its first heading, or an empty string.
    ///
    /// ```rhai
    /// "<title> A page </title><p>text".html_title()    //=> A page
    /// ```
    pub fn html_title(html: &str) -> String {
        clean::html_title(html)
    }

    /// Detects the encoding of a text file from its first megabyte: `#{ encoding, by }`, where `by` is `mark` (a byte order
    /// mark), `utf-8` (all bytes are valid), `zeros` (as in UTF-16), `declared` (by the page) or `guess` (chardetng, as in
    /// Firefox).
    ///
    /// `dataset` and `stream` do the same with `encoding: "auto"`.
    ///
    /// also: chardet, charset_normalizer, file encoding
    ///
    /// ```rhai
    /// detect_encoding("tests/data/rows/gb18030.txt")    //=> #{"by": "guess", "encoding": "GBK"}
    /// ```
    #[rhai_fn(return_raw)]
    pub fn detect_encoding(path: &str) -> Res<Map> {
        let found = detect_file("detect_encoding", Path::new(path))?;
        let mut facts = Map::new();
        facts.insert("encoding".into(), found.encoding.name().into());
        facts.insert("by".into(), found.by.into());
        Ok(facts)
    }
}
