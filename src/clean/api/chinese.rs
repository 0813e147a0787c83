//! Traditional and simplified characters.

use super::{INTO, of_dataset, of_stream, rewrite};
use crate::clean::chinese::{ChineseScript, convert};
use crate::clean::{Rewrite, chinese};
use crate::script::prelude::*;

const FIELD: &[Opt] = &[INTO];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.options("to_simplified", FIELD);
    host.options("to_traditional", FIELD);
}

/// Character conversion of a field, by the name of the verb.
pub fn converting(verb: &'static str, field: &str, options: Map) -> Res<Rewrite> {
    let options = Options::read(verb, FIELD, options)?;
    let to = if verb == "to_simplified" { ChineseScript::Simplified } else { ChineseScript::Traditional };
    rewrite(verb, field, &options, String::new(), Box::new(move |text| chinese::convert(text, to)))
}

#[export_module]
mod verbs {
    pub type Dataset = crate::data::Dataset;
    pub type Stream = crate::data::Stream;

    /// Converts a Chinese text to simplified characters, by OpenCC's dictionaries (`t2s`): phrases before characters, the longest
    /// first.
    ///
    /// also: OpenCC, t2s, zhconv, hanziconv, 繁體, 简体
    ///
    /// ```rhai
    /// "漢字轉換，乾燥的頭髮".to_simplified()    //=> 汉字转换，干燥的头发
    /// "plain".to_simplified()                //=> plain
    /// ```
    pub fn to_simplified(text: &str) -> String {
        convert(text, ChineseScript::Simplified).into_owned()
    }

    /// Converts the texts of a field to simplified characters, on all threads.
    ///
    /// ```rhai
    /// dataset(["臺灣"]).to_simplified("text")[0].text    //=> 台湾
    /// ```
    #[rhai_fn(name = "to_simplified", pure, return_raw)]
    pub fn simplified_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        of_dataset(data, converting("to_simplified", field, options)?)
    }

    /// Converts the texts of a field to simplified characters, as they are read.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").to_simplified("answer")    //=> stream scripts/data/definitions.jsonl, to_simplified answer
    /// ```
    #[rhai_fn(name = "to_simplified", pure, return_raw)]
    pub fn simplified_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        of_stream(stream, converting("to_simplified", field, options)?)
    }

    /// Converts a Chinese text to traditional characters, by OpenCC's dictionaries (`s2t`).
    ///
    /// also: OpenCC, s2t, 简体, 繁體
    ///
    /// ```rhai
    /// "汉字转换，干燥的头发，发展".to_traditional()    //=> 漢字轉換，乾燥的頭髮，發展
    /// ```
    pub fn to_traditional(text: &str) -> String {
        convert(text, ChineseScript::Traditional).into_owned()
    }

    /// Converts the texts of a field to traditional characters, on all threads.
    ///
    /// ```rhai
    /// dataset(["汉语"]).to_traditional("text")[0].text    //=> 漢語
    /// ```
    #[rhai_fn(name = "to_traditional", pure, return_raw)]
    pub fn traditional_data(data: &mut Dataset, field: &str, options: Map) -> Res<Dataset> {
        of_dataset(data, converting("to_traditional", field, options)?)
    }

    /// Converts the texts of a field to traditional characters, as they are read.
    ///
    /// ```rhai
    /// stream("scripts/data/definitions.jsonl").to_traditional("answer")    //=> stream scripts/data/definitions.jsonl, to_traditional answer
    /// ```
    #[rhai_fn(name = "to_traditional", pure, return_raw)]
    pub fn traditional_stream(stream: &mut Stream, field: &str, options: Map) -> Res<Stream> {
        of_stream(stream, converting("to_traditional", field, options)?)
    }
}
