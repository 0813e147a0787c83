//! Options of rows for encoders.

use crate::data::labeled::{Answer, LabeledOverflow, LabeledPlan};
use crate::script::prelude::*;

/// The options of `encode` for such rows only.
pub const OF_ENCODERS: [&str; 8] = ["pair", "label", "words", "tags", "labels", "label_all", "overlap", "on_lost"];
/// Options that other rows share.
const SHARED: [&str; 4] = ["text", "max_length", "overflow", "on_empty"];

/// Plan for an encoder, where one of its options is given; `read` checks them all.
pub fn labeled(given: &Map, read: impl FnOnce() -> Res<Options>) -> Res<Option<LabeledPlan>> {
    if !["pair", "label", "words", "tags"].iter().any(|key| given.contains_key(*key)) {
        return match ["labels", "label_all", "overlap", "on_lost"].iter().find(|key| given.contains_key(**key)) {
            Some(key) => bail!("encode", "`{key}` is of rows with a `label` or `tags`"),
            None => Ok(None),
        };
    }
    let options = read()?;
    if let Some(other) =
        given.keys().find(|key| !OF_ENCODERS.contains(&key.as_str()) && !SHARED.contains(&key.as_str()))
    {
        bail!("encode", "`{other}` is for text that is written, not for rows with a `label`, `tags` or a `pair`");
    }
    let text = |name: &str| options.maybe(name, Options::text).map(|text| text.map(|text| text.to_string()));
    let (plain, words, label, tags) = (text("text")?, text("words")?, text("label")?, text("tags")?);
    if plain.is_some() && words.is_some() {
        bail!("encode", "a row is one of `text` or `words`");
    }
    if tags.is_some() && words.is_none() {
        bail!("encode", "`tags` are of `words`: name their field");
    }
    let answer = match (label, tags) {
        (Some(_), Some(_)) => bail!("encode", "a row has a `label` or `tags`, not both"),
        (Some(field), None) => Answer::Row(field),
        (None, Some(field)) => Answer::Words(field),
        (None, None) => Answer::Nothing,
    };
    let overflow = match options.maybe("overflow", Options::text)?.as_deref() {
        Some("split") => LabeledOverflow::Split(options.count("overlap")?),
        Some("skip") => LabeledOverflow::Skip,
        Some("error") => LabeledOverflow::Error,
        _ => LabeledOverflow::Truncate,
    };
    if options.has("overlap") && !matches!(overflow, LabeledOverflow::Split(_)) {
        bail!("encode", "`overlap` is of windows: it goes with `overflow: \"split\"`");
    }
    let names =
        if options.has("labels") { options.get("labels").into_array().unwrap_or_default() } else { List::new() };
    Ok(Some(LabeledPlan {
        words: words.is_some(),
        first: words.or(plain).unwrap_or_default(),
        second: text("pair")?,
        answer,
        labels: names.iter().map(|name| name.to_string()).collect(),
        label_all: options.bool("label_all")?,
        max_length: options.maybe("max_length", Options::count)?,
        overflow,
        skip_empty: options.text("on_empty")? == "skip",
        lost_is_error: options.text("on_lost")? == "error",
    }))
}
