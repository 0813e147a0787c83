//! Conversion between tokenizer values and script values.

use crate::cancel;
use crate::script::prelude::*;
use crate::tensor::{Array, Device, Tensor};
use crate::token::{Audit, Encoding, Proposal, SPECIALS, Stats, Tally, Tokenizer, Training};
use std::borrow::Cow;
use std::sync::OnceLock;

/// A value that holds texts, of a noun above this one.
pub trait Texts {
    /// All texts of the value.
    fn all(&self, who: &str) -> crate::Result<Vec<Cow<'_, str>>>;
    /// Calls `work` with a part of the texts at a time, of about `bytes` bytes.
    fn each_part(
        &self,
        who: &str,
        bytes: usize,
        work: &mut dyn FnMut(&[Cow<str>]) -> crate::Result<()>,
    ) -> crate::Result<()>;
}

/// The texts of a value, if it holds texts.
pub type TextsOf = fn(&Dynamic) -> Option<Box<dyn Texts>>;

static TEXTS_OF: OnceLock<TextsOf> = OnceLock::new();

/// Registers the other values that hold texts.
pub fn accept_texts(texts_of: TextsOf) {
    // every host registers the same
    let _ = TEXTS_OF.set(texts_of);
}

fn texts_of(given: &Dynamic) -> Option<Box<dyn Texts>> {
    TEXTS_OF.get().and_then(|texts_of| texts_of(given))
}

/// Runs `work` on the texts of a list of strings, of a dataset's text column, or on a single string.
pub fn with_texts<T>(who: &str, given: &Dynamic, work: impl FnOnce(&[Cow<str>]) -> crate::Result<T>) -> Res<T> {
    if let Some(texts) = texts_of(given) {
        return Ok(work(&texts.all(who)?)?);
    }
    if let Some(list) = given.read_lock::<List>() {
        let text = |(at, text): (usize, &Dynamic)| match text.read_lock::<ImmutableString>() {
            Some(text) => Ok(Cow::Owned(text.to_string())),
            None => Err(Error::new(who, format!("element {at} is {}, not a string", kind(text)))),
        };
        let texts = list.iter().enumerate().map(text).collect::<crate::Result<Vec<_>>>()?;
        return Ok(work(&texts)?);
    }
    match given.read_lock::<ImmutableString>() {
        Some(text) => Ok(work(&[Cow::Borrowed(text.as_str())])?),
        None => bail!(who, "texts are a list of strings or a dataset, not {}", kind(given)),
    }
}

/// Runs `work` on texts a part at a time: a stream as it is read, a dataset as its rows are read, a list as a whole.
pub fn each_part(who: &str, given: &Dynamic, mut work: impl FnMut(&[Cow<str>]) -> crate::Result<()>) -> Res<()> {
    // some megabytes for each thread
    let bytes = (2 << 20) * rayon::current_num_threads().max(1);
    match texts_of(given) {
        Some(texts) => Ok(texts.each_part(who, bytes, &mut work)?),
        None => with_texts(who, given, work),
    }
}

pub fn owned_texts(who: &str, given: &Dynamic) -> Res<Vec<String>> {
    with_texts(who, given, |texts| Ok(texts.iter().map(|text| text.to_string()).collect()))
}

pub fn kind(value: &Dynamic) -> String {
    match value.type_name() {
        "i64" => format!("the number {value}"),
        "string" => format!("the string \"{value}\""),
        _ => type_in_words(value),
    }
}

/// Reads ids from a list, an encoding or a tensor.
pub fn ids(who: &str, given: &Dynamic) -> Res<Vec<u32>> {
    if let Some(encoding) = given.read_lock::<Encoding>() {
        return Ok(encoding.ids.clone());
    }
    if let Some(tensor) = given.read_lock::<Tensor>() {
        let values = crate::tensor::values::values_i64(who, &tensor.value())?;
        return values.into_iter().map(|id| one_id(who, id)).collect();
    }
    let Some(list) = given.read_lock::<List>() else { bail!(who, "ids are a list or a tensor, not {}", kind(given)) };
    let id = |id: &Dynamic| match id.as_int() {
        Ok(id) => one_id(who, id),
        Err(_) => bail!(who, "an id is a whole number, not {}", kind(id)),
    };
    list.iter().map(id).collect()
}

pub fn one_id(who: &str, id: INT) -> Res<u32> {
    match u32::try_from(id) {
        Ok(id) => Ok(id),
        Err(_) => bail!(who, "{id} is not an id"),
    }
}

/// Whether a list holds lists (or encodings) rather than ids.
pub fn is_nested(given: &Dynamic) -> bool {
    let list = given.read_lock::<List>();
    list.is_some_and(|list| list.first().is_some_and(|first| first.is::<List>() || first.is::<Encoding>()))
}

pub fn list<T>(values: impl IntoIterator<Item = T>) -> Dynamic
where
    T: Into<Dynamic>,
{
    Dynamic::from_array(values.into_iter().map(Into::into).collect())
}

pub fn int(value: usize) -> Dynamic {
    (value as INT).into()
}

pub fn id_list(ids: &[u32]) -> Dynamic {
    list(ids.iter().map(|id| INT::from(*id)))
}

/// One list for each text. Millions of numbers take a while.
pub fn id_lists(batch: &[Vec<u32>]) -> Res<Dynamic> {
    let mut lists = Vec::with_capacity(batch.len());
    for part in batch.chunks(256) {
        cancel::check()?;
        lists.extend(part.iter().map(|ids| id_list(ids)));
    }
    Ok(Dynamic::from_array(lists))
}

pub fn maybe_id(id: Option<u32>) -> Dynamic {
    id.map_or(Dynamic::UNIT, |id| INT::from(id).into())
}

/// Makes a tensor of rows from numbers.
pub fn matrix(numbers: Vec<f32>, columns: usize) -> crate::Result<Tensor> {
    let rows = numbers.len() / columns.max(1);
    Ok(Array::from_vec(numbers, (rows, columns), &Device::Cpu)?.into())
}

pub fn range(range: &std::ops::Range<usize>) -> Dynamic {
    list([range.start as INT, range.end as INT])
}

pub fn map<const N: usize>(fields: [(&str, Dynamic); N]) -> Map {
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// Training settings from the options of `tokenizer`.
pub fn training(options: &Options) -> Res<Training> {
    let special_tokens =
        options.maybe("special_tokens", |options, name| owned_texts("tokenizer", &options.get(name)))?;
    Ok(Training {
        model_type: options.text("model_type")?.to_string(),
        vocab_size: options.count("vocab_size")?,
        min_frequency: options.count("min_frequency")? as u64,
        max_token_length: options.count("max_token_length")?,
        special_tokens,
        pre_tokenizer: options.text("pre_tokenizer")?.to_string(),
        lowercase: options.bool("lowercase")?,
    })
}

pub fn proposal(proposal: &Proposal) -> Map {
    let pair = |(left, right): &(String, String)| list([left.clone(), right.clone()]);
    map([
        ("tokens", list(proposal.tokens.iter().cloned())),
        ("merges", list(proposal.merges.iter().map(pair))),
        ("counts", list(proposal.counts.iter().map(|count| *count as INT))),
    ])
}

/// Reads a map with `merges` and, if characters were missing, `tokens`.
pub fn read_proposal(given: &Map) -> Res<Proposal> {
    let who = "extend";
    let mut proposal = Proposal::default();
    for (key, value) in given {
        match key.as_str() {
            "merges" => {
                let Some(pairs) = value.read_lock::<List>() else {
                    bail!(who, "`merges` is a list of pairs, not {}", kind(value))
                };
                proposal.merges = pairs.iter().map(pair).collect::<Res<_>>()?;
            }
            "tokens" => proposal.tokens = owned_texts(who, value)?,
            "counts" => {}
            other => {
                let error = Error::new(who, format!("there is no option `{other}`"));
                return Err(error.help("it takes a list of words, or a map with merges (and tokens)").into());
            }
        }
    }
    Ok(proposal)
}

fn pair(given: &Dynamic) -> Res<(String, String)> {
    let halves = owned_texts("extend", given)?;
    match <[String; 2]>::try_from(halves) {
        Ok([left, right]) => Ok((left, right)),
        Err(_) => bail!("extend", "a merge is a pair of tokens, not {given}"),
    }
}

pub fn audit(audit: &Audit) -> Map {
    let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let mut facts = map([
        ("vocab_size_before", int(audit.before)),
        ("vocab_size", int(audit.after)),
        ("added", int(audit.reachable)),
        ("reachable", int(audit.reachable)),
        ("used", int(audit.used)),
        ("bytes", int(audit.bytes)),
        ("tokens_before", int(audit.tokens_before)),
        ("tokens", int(audit.tokens_after)),
        ("bytes_per_token_before", share(audit.bytes, audit.tokens_before).into()),
        ("bytes_per_token", share(audit.bytes, audit.tokens_after).into()),
        ("compression", share(audit.tokens_before, audit.tokens_after).into()),
        ("inside_words", share(audit.hits_inside, audit.hits).into()),
        ("lossy_before", int(audit.lossy)),
    ]);
    if audit.general_before > 0 {
        let change = audit.general_after as f64 / audit.general_before as f64 - 1.0;
        facts.insert("general_change".into(), change.into());
    }
    facts
}

pub fn stats(stats: &Stats) -> Map {
    let mut facts = tally(&stats.whole);
    facts.insert("texts".into(), int(stats.texts));
    let row = |(name, part): &(&'static str, Tally)| {
        let mut row = tally(part);
        row.insert("script".into(), (*name).into());
        Dynamic::from_map(row)
    };
    facts.insert("scripts".into(), list(stats.scripts.iter().map(row)));
    facts
}

fn tally(tally: &Tally) -> Map {
    map([
        ("bytes", int(tally.bytes)),
        ("characters", int(tally.characters)),
        ("tokens", int(tally.tokens)),
        ("unknown", int(tally.unknown)),
        ("byte_fallback", int(tally.byte_fallback)),
        ("words", int(tally.words)),
        ("continued_words", int(tally.continued_words)),
        ("subtokens", int(tally.subtokens)),
    ])
}

pub fn info(tokenizer: &Tokenizer) -> Map {
    let special = |name: &str| Some((name.into(), tokenizer.token(tokenizer.special(name)?)?.to_string().into()));
    let special: Map = SPECIALS.iter().filter_map(|name| special(name)).collect();
    let mut facts = map([
        ("model_type", tokenizer.kind().to_string().into()),
        ("vocab_size", int(tokenizer.len())),
        ("special_tokens", int(tokenizer.specials().len())),
        ("special_tokens_map", special.into()),
        ("chat_template", tokenizer.own_template().is_some().into()),
    ]);
    if !tokenizer.unused().is_empty() {
        facts.insert("unused".into(), list(tokenizer.unused().iter().cloned()));
    }
    if let Some(info) = tokenizer.extension() {
        let skipped =
            |(word, why): &(String, String)| map([("word", word.clone().into()), ("why", why.clone().into())]);
        let mut extension = map([
            ("before", int(info.before)),
            ("added", int(tokenizer.len() - info.before)),
            ("intermediate", int(info.intermediate)),
            ("skipped", list(info.skipped.iter().map(|one| Dynamic::from_map(skipped(one))))),
        ]);
        if !info.replaced.is_empty() {
            extension.insert("replaced".into(), id_list(&info.replaced));
        }
        if info.awakened > 0 {
            extension.insert("awakened".into(), int(info.awakened));
        }
        facts.insert("extension".into(), extension.into());
    }
    facts
}
