//! Options of rows for masked language modeling.

use crate::data::encode::Overflow;
use crate::data::mask::encode::{MaskPlan, MaskUnit};
use crate::data::mask::{MaskShares, Masking};
use crate::script::prelude::*;
use crate::token::Tokenizer;
use std::sync::Arc;

/// The options of `encode` for such rows.
const OF_MASKED: [&str; 7] = ["mask", "text", "pair", "label", "max_length", "overflow", "on_empty"];

const MASK: &[Opt] = &[
    opt("mlm_probability", Kind::Float, "0.15", "probability that a token, or a word, is predicted")
        .also(&["mask ratio", "masking rate"]),
    opt("mask_replace_prob", Kind::Float, "0.8", "share of these that become the mask token"),
    opt(
        "random_replace_prob",
        Kind::Float,
        "0.1",
        "share of these that become a random token; the rest stay unchanged",
    ),
    opt(
        "whole_word_mask",
        Kind::OneOf(&MaskUnit::NAMES),
        "\"none\"",
        "mask all tokens of a word together: words of the pre-tokenizer, or Chinese words by jieba",
    )
    .also(&["wwm", "DataCollatorForWholeWordMask"]),
    opt("seed", Kind::Int, "0", "seed of the masks of each epoch"),
];

/// Plan for a masked model, where `mask` is given; `read` checks the options.
pub fn masked(given: &Map, tok: &Tokenizer, read: impl FnOnce() -> Res<Options>) -> Res<Option<MaskPlan>> {
    if !given.contains_key("mask") {
        return Ok(None);
    }
    let options = read()?;
    if let Some(other) = given.keys().find(|key| !OF_MASKED.contains(&key.as_str())) {
        bail!("encode", "`{other}` is not for rows that are masked");
    }
    let text = |name: &str| options.maybe(name, Options::text).map(|text| text.map(|text| text.to_string()));
    let second = text("pair")?;
    let overflow = match options.maybe("overflow", Options::text)?.as_deref() {
        Some("truncate") => Overflow::Truncate,
        Some("skip") => Overflow::Skip,
        Some("error") => Overflow::Error,
        Some(_) => Overflow::Split,
        None if second.is_some() => Overflow::Truncate,
        None => Overflow::Split,
    };
    let mask = Options::read("mask", MASK, options.get("mask").try_cast::<Map>().unwrap_or_default())?;
    let shares = MaskShares {
        probability: mask.float("mlm_probability")?,
        masked: mask.float("mask_replace_prob")?,
        random: mask.float("random_replace_prob")?,
        seed: mask.int("seed")? as u64,
    };
    Ok(Some(MaskPlan {
        first: text("text")?.unwrap_or_default(),
        second,
        label: text("label")?,
        unit: MaskUnit::named(&mask.text("whole_word_mask")?)?,
        max_length: options.maybe("max_length", Options::count)?,
        overflow,
        skip_empty: options.text("on_empty")? == "skip",
        masking: Arc::new(Masking::new("encode", tok, shares)?),
    }))
}
