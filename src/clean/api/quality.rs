//! Quality rules for texts, datasets and streams.

use crate::clean::rules::{Broken, Limit, RULES, RuleSet};
use crate::clean::{Sift, language};
use crate::data::{Cell, Dataset, TableBuilder};
use crate::script::prelude::*;
use crate::tasks;
use std::sync::Arc;

const ROWS_ARE: Opt = opt(
    "rows_are",
    Kind::OneOf(&["passages", "pages"]),
    "\"passages\"",
    "passages of documents (articles, answers, messages), or whole web pages, for which the papers' thresholds are",
)
.also(&["document", "web"]);
const SETS: Opt = opt(
    "sets",
    Kind::List,
    "[\"gopher\", \"c4\", \"fineweb\"]",
    "enabled rule sets, beside `unreadable` and `mojibake`; a rule that is given is always enabled",
)
.also(&["gopher", "c4", "fineweb", "massivetext"]);
const LANGUAGES: Opt = opt("languages", Kind::List, "", "languages to keep, as [\"en\", \"zh\"]; all by default")
    .also(&["lang", "language_score"]);

const COUNT: usize = RULES.len() + 3;

/// One option per rule.
const QUALITY: &[Opt] = &{
    let mut table = [ROWS_ARE; COUNT];
    table[1] = SETS;
    table[2] = LANGUAGES;
    let mut at = 0;
    while at < RULES.len() {
        table[at + 3] = opt(RULES[at].name, Kind::Any, "", RULES[at].doc);
        at += 1;
    }
    table
};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("quality", QUALITY);
    host.options("broken_rules", QUALITY);
}

/// The rules that the options enable.
pub fn sift(who: &'static str, field: &str, options: Map) -> Res<Sift> {
    let options = Options::read(who, QUALITY, options)?;
    let sets = words(who, &options, "sets")?;
    for set in &sets {
        if !["gopher", "c4", "fineweb"].contains(&set.as_str()) {
            return Err(Error::unknown(who, "set of rules", set, ["gopher", "c4", "fineweb"]).into());
        }
    }
    let languages = words(who, &options, "languages")?;
    if let Some(unknown) = languages.iter().find(|code| !language::codes().any(|known| known == code.as_str())) {
        return Err(Error::unknown(who, "language", unknown, language::codes()).into());
    }
    let pages = options.text("rows_are")?.as_str() == "pages";
    let mut rules = RuleSet::default();
    for (at, rule) in RULES.iter().enumerate() {
        let usual = if pages { Some(rule.page) } else { rule.passage };
        let of_set = rule.name.split_once('_').is_none_or(|(set, _)| sets.iter().any(|known| known == set));
        let limit = match options.has(rule.name) {
            true => limit(who, rule.name, usual.unwrap_or(rule.page), options.get(rule.name))?,
            false => usual.filter(|_| of_set),
        };
        rules.rules.extend(limit.map(|limit| (at, limit)));
    }
    Ok(Sift { field: field.into(), rules, languages })
}

fn words(who: &'static str, options: &Options, name: &str) -> Res<Vec<String>> {
    let given = options.maybe(name, |options, name| Ok(options.get(name)))?;
    let list = given.map(Dynamic::cast::<List>).unwrap_or_default();
    let word = |word: Dynamic| match word.read_lock::<ImmutableString>() {
        Some(word) => Ok(word.to_string()),
        None => bail!(who, "option `{name}` is a list of words, and one is {}", type_in_words(&word)),
    };
    list.into_iter().map(word).collect()
}

/// Value of a rule's option: `false`, `true`, a number, or two.
fn limit(who: &'static str, name: &str, usual: Limit, given: Dynamic) -> Res<Option<Limit>> {
    if let Ok(is_on) = given.as_bool() {
        return Ok(is_on.then_some(usual));
    }
    let pair = given.as_array_ref().ok().map(|list| list.iter().map(as_number).collect::<Option<Vec<f64>>>());
    match (usual, as_number(&given), pair.flatten().as_deref()) {
        (Limit::AtLeast(_), Some(least), _) => Ok(Some(Limit::AtLeast(least))),
        (Limit::AtMost(_), Some(most), _) => Ok(Some(Limit::AtMost(most))),
        (Limit::Between(..), _, Some([least, most])) if least <= most => Ok(Some(Limit::Between(*least, *most))),
        (Limit::Between(..), ..) => bail!(who, "rule `{name}` takes [least, most], true or false, not {given}"),
        _ => bail!(who, "rule `{name}` takes a number, true or false, not {given}"),
    }
}

fn told(broken: Broken) -> Dynamic {
    let mut map = Map::new();
    map.insert("rule".into(), broken.rule.into());
    map.insert("evidence".into(), broken.evidence.into());
    map.into()
}

/// Rows that a thread takes at a time.
const ROWS: usize = 1024;

/// Appends a row for each rule that a row breaks; `first` is the row number of the first.
fn table(who: &'static str, sift: &Sift, data: &Dataset, first: usize, rows: &mut TableBuilder) -> Res<()> {
    let found = tasks::try_map(tasks::ranges(data.len(), ROWS), &|_, some| {
        let mut found = Vec::new();
        let start = some.start;
        sift.each(&data.slice(some.start, some.end), |at, text| {
            found.extend(sift.all(text.as_deref().unwrap_or("")).into_iter().map(|broken| (start + at, broken)));
            Ok(())
        })?;
        Ok::<_, Error>(found)
    })?;
    for (at, broken) in found.into_iter().flatten() {
        rows.column("row").push(Cell::Int((first + at) as i64));
        rows.column("rule").push(Cell::Text(broken.rule));
        rows.column("evidence").push(Cell::Text(&broken.evidence));
        rows.end_row().map_err(|what| Error::new(who, what))?;
    }
    Ok(())
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    pub type Stream = crate::data::Stream;

    /// Keeps rows whose text passes the quality rules of Gopher, C4 and FineWeb, restated by script. They mean the same in
    /// Chinese, Japanese or Thai as in English (Rae et al. 2021; Raffel et al. 2020; Penedo et al. 2024).
    ///
    /// Each rule is an option: `false` disables it, `true` enables it, a number (or `[min, max]`) tunes it. The default
    /// thresholds are for passages; `rows_are: "pages"` uses those of the papers. In scripts without spaces, words are counted as
    /// characters divided by the mean word length (Han 1.6, kana 2, Thai 4), which also scales counts of letters. Rows without
    /// text are removed. `broken_rules` lists the rules that each row breaks.
    ///
    /// also: gopher quality filter, gopher repetition filter, c4 quality filter, fineweb quality filter, heuristics, datatrove
    ///
    /// ```rhai
    /// let rows = dataset(["第三条 公司是企业法人，有独立的法人财产，享有法人财产权。", "buy now and buy now and buy now and buy now and buy now and buy now"]);
    /// rows.quality("text").len()                                                       //=> 1
    /// rows.quality("text", #{ gopher_stop_words: false }).len()                        //=> 2
    /// rows.quality("text", #{ languages: ["en"] }).len()                               //=> 0
    /// rows.quality("text", #{ gopher_words: 3 })    //=> error: quality: rule `gopher_words` takes [least, most], true or false, not 3
    /// rows.quality("text", #{ gopher_word: true })  //=> error: quality: there is no option `gopher_word`
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn quality(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        let sift = super::sift("quality", field, options)?;
        data.field("quality", field)?;
        Ok(data.through(&sift)?)
    }

    /// Keeps rows whose text passes the quality rules, as they are read, on all threads.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").quality("answer")    //=> stream scripts/data/definitions.jsonl, quality answer
    /// ```
    #[rhai_fn(name = "quality", pure, return_raw)]
    pub fn quality_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        let sift = super::sift("quality", field, options)?;
        stream.has_fields("quality", &[field.to_string()])?;
        Ok(stream.through(Arc::new(sift)))
    }

    /// Lists the quality rules that a text breaks, each with its evidence. Accepts the options of `quality`.
    ///
    /// ```rhai
    /// "Home | About | Contact".broken_rules()[0]    //=> #{"evidence": "3 words, below 10", "rule": "gopher_words"}
    /// ```
    #[rhai_fn(return_raw)]
    pub fn broken_rules(text: &str, options: Map) -> Res<List> {
        Ok(super::sift("broken_rules", "text", options)?.all(text).into_iter().map(super::told).collect())
    }

    /// Lists the quality rules that each row breaks: a dataset of `row`, `rule`, `evidence`. Accepts the options of `quality`.
    ///
    /// ```rhai
    /// let found = dataset(["a", "one two"]).broken_rules("text", #{ sets: ["c4"], gopher_words: [2, 9] });
    /// found[0]    //=> #{"evidence": "1 words, below 2", "row": 0, "rule": "gopher_words"}
    /// ```
    #[rhai_fn(name = "broken_rules", pure, return_raw)]
    pub fn broken_rules_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        let sift = super::sift("broken_rules", field, options)?;
        data.field("broken_rules", field)?;
        let mut rows = TableBuilder::with_names(["row", "rule", "evidence"].map(Into::into));
        super::table("broken_rules", &sift, data, 0, &mut rows)?;
        Ok(rows.finish().into())
    }

    /// Lists the quality rules that each row of a stream breaks.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").broken_rules("answer").fields    //=> ["row", "rule", "evidence"]
    /// ```
    #[rhai_fn(name = "broken_rules", pure, return_raw)]
    pub fn broken_rules_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Dataset> {
        let sift = super::sift("broken_rules", field, options)?;
        stream.has_fields("broken_rules", &[field.to_string()])?;
        let mut rows = TableBuilder::with_names(["row", "rule", "evidence"].map(Into::into));
        let mut first = 0;
        for part in stream.blocks()? {
            let part = part?;
            super::table("broken_rules", &sift, &part, first, &mut rows)?;
            first += part.len();
        }
        Ok(rows.finish().into())
    }
}
