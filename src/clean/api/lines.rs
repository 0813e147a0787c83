//! Line rules for texts, datasets and streams.

use crate::clean::Shorten;
use crate::clean::cuts::{each_line, without};
use crate::clean::rules::{LINE_RULES, LineRules};
use crate::clean::texts;
use crate::data::{Cell, TableBuilder};
use crate::script::prelude::*;
use std::sync::Arc;

/// One option per rule.
const LINES: &[Opt] = &{
    let mut table = [opt(LINE_RULES[0].name, Kind::Any, "", LINE_RULES[0].doc); LINE_RULES.len()];
    let mut at = 1;
    while at < LINE_RULES.len() {
        table[at] = opt(LINE_RULES[at].name, Kind::Any, "", LINE_RULES[at].doc);
        at += 1;
    }
    table
};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("quality_lines", LINES);
    host.options("broken_lines", LINES);
}

/// The rules that the options leave enabled.
fn rules(who: &'static str, options: Map) -> Res<LineRules> {
    let options = Options::read(who, LINES, options)?;
    let mut rules = LineRules::default();
    for (at, rule) in LINE_RULES.iter().enumerate() {
        let given = options.get(rule.name);
        let number = as_number(&given);
        match (given.as_bool(), number, rule.limit) {
            (Ok(false), ..) => {}
            (Ok(true), _, limit) => rules.rules.push((at, limit.unwrap_or_default())),
            (_, Some(number), Some(_)) if number >= 0.0 => rules.rules.push((at, number)),
            _ if given.is_unit() => rules.rules.push((at, rule.limit.unwrap_or_default())),
            (_, _, Some(_)) => bail!(who, "rule `{}` takes a number, true or false, not {given}", rule.name),
            _ => bail!(who, "rule `{}` takes true or false, not {given}", rule.name),
        }
    }
    Ok(rules)
}

pub fn shorten(who: &'static str, field: &str, options: Map) -> Res<Shorten> {
    Ok(Shorten { field: field.into(), rules: rules(who, options)? })
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    pub type Stream = crate::data::Stream;

    /// Cuts the lines of a text that break a rule of C4: no final punctuation, few words, JavaScript, policies, cookies, curly
    /// brackets or "lorem ipsum". Words, marks and phrases are those of its script (rules: Raffel et al. 2020).
    ///
    /// Each rule is an option: `false` disables it, a number tunes it. `quality` has the rules for whole texts; `broken_lines`
    /// lists the lines and the rules they break.
    ///
    /// also: c4 line filter, C4QualityFilter, terminal punctuation, boilerplate
    ///
    /// ```rhai
    /// let page = "Home\nThe court heard the case on Monday.\nPlease turn on JavaScript to see this page.\nRead more";
    /// page.quality_lines()                                               //=> The court heard the case on Monday.
    /// "首页\n公司是企业法人，有独立的法人财产。\n隐私政策请见此处的说明页面。".quality_lines()    //=> 公司是企业法人，有独立的法人财产。
    /// "Home".quality_lines(#{ c4_line_ends: false, c4_line_words: 1 })    //=> Home
    /// "x".quality_lines(#{ c4_line_words: "5" })    //=> error: quality_lines: rule `c4_line_words` takes a number, true or false, not 5
    /// ```
    #[rhai_fn(return_raw)]
    pub fn quality_lines(text: &str, options: Map) -> Res<String> {
        let cuts = super::rules("quality_lines", options)?.cuts(text);
        Ok(if cuts.is_empty() { text.to_string() } else { without(text, &cuts).unwrap_or_default() })
    }

    /// Cuts lines that break a rule from the texts of a field, on all threads. A row with no text left is removed.
    ///
    /// ```rhai
    /// dataset(["Home\nThe court heard the case on Monday.", "Home | News"]).quality_lines("text").len()    //=> 1
    /// ```
    #[rhai_fn(name = "quality_lines", pure, return_raw)]
    pub fn quality_lines_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        let step = super::shorten("quality_lines", field, options)?;
        data.field("quality_lines", field)?;
        Ok(data.through(&step)?)
    }

    /// Cuts lines that break a rule from the texts of a stream, as they are read.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").quality_lines("answer")    //=> stream scripts/data/definitions.jsonl, quality_lines answer
    /// ```
    #[rhai_fn(name = "quality_lines", pure, return_raw)]
    pub fn quality_lines_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        let step = super::shorten("quality_lines", field, options)?;
        stream.has_fields("quality_lines", &[field.to_string()])?;
        Ok(stream.through(Arc::new(step)))
    }

    /// Lists the lines that `quality_lines` cuts from a text: a map per line with its number `line` from 1, the `rule`, the
    /// `evidence` and the `text`.
    ///
    /// ```rhai
    /// "It ends here, as it should.\nHome".broken_lines()[0]    //=> #{"evidence": "no end of a sentence", "line": 2, "rule": "c4_line_ends", "text": "Home"}
    /// ```
    #[rhai_fn(return_raw)]
    pub fn broken_lines(text: &str, options: Map) -> Res<List> {
        let rules = super::rules("broken_lines", options)?;
        let (mut found, mut number) = (List::new(), 0i64);
        each_line(text, |range| {
            number += 1;
            if let Some((rule, evidence)) = rules.broken(&text[range.clone()]) {
                let mut map = Map::new();
                map.insert("line".into(), number.into());
                map.insert("rule".into(), rule.into());
                map.insert("evidence".into(), evidence.into());
                map.insert("text".into(), text[range].trim().to_string().into());
                found.push(map.into());
            }
        });
        Ok(found)
    }

    /// Lists the lines that `quality_lines` cuts from a field: a dataset of `row`, `line`, `rule`, `evidence` and `text`.
    ///
    /// ```rhai
    /// dataset(["It ends here, as it should.", "Home"]).broken_lines("text")[0].row    //=> 1
    /// ```
    #[rhai_fn(name = "broken_lines", pure, return_raw)]
    pub fn broken_lines_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        let rules = super::rules("broken_lines", options)?;
        data.field("broken_lines", field)?;
        let mut rows = TableBuilder::with_names(["row", "line", "rule", "evidence", "text"].map(Into::into));
        for (at, text) in texts("broken_lines", data, field, 0)?.into_iter().enumerate() {
            crate::cancel::check()?;
            let text = text.unwrap_or_default();
            let mut lines = Vec::new();
            each_line(&text, |range| lines.push(range));
            for (number, range) in lines.into_iter().enumerate() {
                let Some((rule, evidence)) = rules.broken(&text[range.clone()]) else { continue };
                rows.column("row").push(Cell::Int(at as i64));
                rows.column("line").push(Cell::Int(number as i64 + 1));
                rows.column("rule").push(Cell::Text(rule));
                rows.column("evidence").push(Cell::Text(&evidence));
                rows.column("text").push(Cell::Text(text[range].trim()));
                rows.end_row().map_err(|what| Error::new("broken_lines", what))?;
            }
        }
        Ok(rows.finish().into())
    }
}
