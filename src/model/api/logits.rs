//! Logits of texts and words, for `classify::` and `tag::`.

use crate::model::LogitsPlan;
use crate::script::prelude::*;
use crate::tensor::Tensor;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

/// The plan from the options of a standard library module.
fn plan(who: &str, given: &Map) -> Res<LogitsPlan> {
    let count = |name: &str| -> Res<Option<usize>> {
        let value = given.get(name).cloned().unwrap_or_default();
        if value.is_unit() {
            return Ok(None);
        }
        match value.as_int().ok().and_then(|count| usize::try_from(count).ok()) {
            Some(count) => Ok(Some(count)),
            None => bail!(who, "option `{name}` is {value}, not a whole number from 0 on"),
        }
    };
    Ok(LogitsPlan {
        max_length: count("max_length")?,
        overlap: count("overlap")?.unwrap_or(0),
        batch_size: count("batch_size")?.unwrap_or(32),
    })
}

fn text(who: &str, at: usize, value: &Dynamic) -> Res<String> {
    match value.read_lock::<ImmutableString>() {
        Some(text) => Ok(text.to_string()),
        None => bail!(
            who,
            "text {at} is {}, not text",
            if value.is_unit() { "missing".into() } else { type_in_words(value) }
        ),
    }
}

#[export_module]
mod verbs {
    pub type Model = crate::model::Model;
    pub type Tokenizer = crate::token::Tokenizer;

    /// Returns logits of texts, `[texts, labels]`, and the number of texts with more than one window. Second texts may be `()`.
    #[rhai_fn(name = "_text_logits", return_raw)]
    pub fn text_logits(who: &str, net: Model, tok: Tokenizer, texts: List, pairs: List, given: Map) -> Res<Map> {
        let plan = super::plan(who, &given)?;
        if !pairs.is_empty() && pairs.len() != texts.len() {
            bail!(who, "{} second texts for {} texts", pairs.len(), texts.len());
        }
        let read = |(at, first): (usize, &Dynamic)| -> Res<(String, Option<String>)> {
            let second = pairs.get(at).map(|second| super::text(who, at, second)).transpose()?;
            Ok((super::text(who, at, first)?, second))
        };
        let texts = texts.iter().enumerate().map(read).collect::<Res<Vec<_>>>()?;
        let (logits, split) = net.text_logits(&tok, &texts, &plan).map_err(|error| error.attributed_to(who))?;
        let fields = [("logits", Dynamic::from(Tensor::from(logits))), ("split", (split as INT).into())];
        Ok(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Returns logits of the words that have a token, `[1, words, labels]`; the indices of these words in each row; and the row
    /// of each, from 1.
    #[rhai_fn(name = "_word_logits", return_raw)]
    pub fn word_logits(who: &str, net: Model, tok: Tokenizer, rows: List, given: Map) -> Res<Map> {
        let plan = super::plan(who, &given)?;
        let row = |(at, row): (usize, &Dynamic)| -> Res<Vec<String>> {
            let Some(words) = row.read_lock::<List>() else {
                bail!(who, "row {at} is {}, not a list of words", type_in_words(row))
            };
            words.iter().map(|word| super::text(who, at, word)).collect()
        };
        let rows = rows.iter().enumerate().map(row).collect::<Res<Vec<_>>>()?;
        let read = net.word_logits(&tok, &rows, &plan).map_err(|error| error.attributed_to(who))?;
        let mut segments = Vec::new();
        for (row, found) in read.found.iter().enumerate() {
            segments.extend(found.iter().filter(|found| **found).map(|_| row as i64 + 1));
        }
        let count = segments.len();
        let labels = net.config().labels;
        let array = |error: crate::Error| -> Box<rhai::EvalAltResult> { error.into() };
        let logits = read.logits.reshape((1, count, labels)).map_err(|error| array(error.into()))?;
        let segments = crate::tensor::Array::from_vec(segments, (1, count), &crate::tensor::Device::Cpu)
            .map_err(|error| array(error.into()))?;
        let found = read.found.iter().map(|row| row.iter().map(|found| (*found).into()).collect::<List>().into());
        let fields: [(&str, Dynamic); 4] = [
            ("logits", Dynamic::from(Tensor::from(logits))),
            ("segments", Dynamic::from(Tensor::from(segments))),
            ("found", found.collect::<List>().into()),
            ("split", (read.split as INT).into()),
        ];
        Ok(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}
