//! Conversion between `tokenizer.json` and a tokenizer of the `tokenizers` crate.
//!
//! The crate assigns new ids to added tokens that are not in the model's own vocabulary, ignoring the file. So they are first
//! inserted there, at the file's id: no id changes, now or when the vocabulary grows.

use crate::token::parts;
use crate::{Error, Result, bail};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::{AddedToken, Model};

/// A tokenizer of the crate, with its BPE merges, which the crate keeps private.
#[derive(Clone)]
pub struct Engine {
    running: tokenizers::Tokenizer,
    merges: Arc<[MergeIds]>,
    /// The level of each merge, if merges tie: the engine itself does not support ties.
    levels: Option<Arc<[u32]>>,
}

impl std::ops::Deref for Engine {
    type Target = tokenizers::Tokenizer;

    fn deref(&self) -> &tokenizers::Tokenizer {
        &self.running
    }
}

impl Engine {
    /// The BPE merges by ids, in rank order; empty for other models.
    pub fn merges(&self) -> &Arc<[MergeIds]> {
        &self.merges
    }

    /// The level of each merge, if several share one; see [`LEVELS`].
    pub fn levels(&self) -> Option<&[u32]> {
        self.levels.as_deref()
    }

    /// Whether special tokens in a text are treated as ordinary text (`split_special_tokens`).
    pub fn split_special(&mut self, split: bool) {
        self.running.set_encode_special_tokens(split);
    }
}

/// An additional field of a BPE model in `tokenizer.json`: a number per merge, ascending. Among merges with the same number the
/// leftmost in a text is applied first.
pub const LEVELS: &str = "levels";

/// A pair of ids that is merged.
#[derive(Clone, Copy)]
pub struct MergeIds {
    pub left: u32,
    pub right: u32,
    pub whole: u32,
}

pub const WHO: &str = "tokenizer";

/// Converts an error of the crate.
pub fn told(error: impl std::fmt::Display) -> Error {
    Error::new(WHO, error.to_string())
}

/// Builds the engine that a `tokenizer.json` describes. Truncation and padding are ignored: they are not properties of a
/// tokenizer, and truncation would be silent.
pub fn build(mut spec: Value) -> Result<Engine> {
    let Some(fields) = spec.as_object_mut() else { bail!(WHO, "the description is not a map") };
    let Some(mut model) = fields.remove("model") else { bail!(WHO, "there is no `model` in it") };
    let added = match fields.remove("added_tokens").unwrap_or(Value::Null) {
        Value::Null => Vec::new(),
        Value::Array(added) => added.iter().map(added_token).collect::<Result<Vec<_>>>()?,
        other => bail!(WHO, "its `added_tokens` is {}, not a list", kind(&other)),
    };
    if !model.is_object() {
        bail!(WHO, "its `model` is {}, not a map", kind(&model));
    }
    pin(&mut model, &added)?;
    for name in ["normalizer", "pre_tokenizer", "post_processor", "decoder"] {
        fields.get_mut(name).map_or(Ok(()), |part| parts::check(part, name == "normalizer"))?;
    }
    let levels = levels(&model)?;
    let (model, merges) = build_model(model)?;
    let mut engine = tokenizers::Tokenizer::new(model);
    engine.with_normalizer(part::<tokenizers::NormalizerWrapper>(fields, "normalizer")?).map_err(told)?;
    engine.with_pre_tokenizer(part::<tokenizers::PreTokenizerWrapper>(fields, "pre_tokenizer")?);
    engine.with_post_processor(part::<tokenizers::PostProcessorWrapper>(fields, "post_processor")?);
    engine.with_decoder(part::<tokenizers::DecoderWrapper>(fields, "decoder")?);
    let wanted: Vec<(u32, String)> = added.iter().map(|(id, token)| (*id, token.content.clone())).collect();
    engine.add_tokens(added.into_iter().map(|(_, token)| token)).map_err(told)?;
    let engine = Engine { running: engine, merges: merges.into(), levels };
    check_added(&engine, &wanted)?;
    Ok(engine)
}

/// An added token in the vocabulary has its id there. Any other must have the file's id.
fn check_added(engine: &Engine, wanted: &[(u32, String)]) -> Result<()> {
    for (id, content) in wanted.iter().filter(|(_, content)| !content.is_empty()) {
        if engine.token_to_id(content) != Some(*id) && engine.get_model().token_to_id(content).is_none() {
            bail!(
                WHO,
                "the added token `{content}` has the id {id}, but the vocabulary has {} entries: ids between are missing",
                engine.get_model().get_vocab_size()
            );
        }
    }
    Ok(())
}

/// The type of a value, for an error.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn levels(model: &Value) -> Result<Option<Arc<[u32]>>> {
    let Some(levels) = model.get(LEVELS) else { return Ok(None) };
    let level = |level: &Value| level.as_u64().and_then(|level| u32::try_from(level).ok());
    let levels = levels.as_array().and_then(|levels| levels.iter().map(level).collect::<Option<Vec<u32>>>());
    match levels {
        Some(levels) if levels.is_sorted() => Ok(Some(levels.into())),
        _ => bail!(WHO, "the levels of its merges are not numbers in ascending order"),
    }
}

/// The `tokenizer.json` of an engine.
pub fn describe(engine: &Engine) -> Result<Value> {
    let mut spec = serde_json::to_value(&engine.running).map_err(told)?;
    if let (Some(levels), Some(model)) = (&engine.levels, spec["model"].as_object_mut()) {
        model.insert(LEVELS.into(), json!(levels[..]));
    }
    Ok(spec)
}

fn part<T: serde::de::DeserializeOwned>(fields: &mut Map<String, Value>, name: &str) -> Result<Option<T>> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match serde_json::from_value(value) {
            Ok(part) => Ok(Some(part)),
            Err(error) => bail!(WHO, "its {} is of no known kind ({error})", name.replace('_', "-")),
        },
    }
}

fn added_token(value: &Value) -> Result<(u32, AddedToken)> {
    let (Some(id), Some(content)) = (value["id"].as_u64(), value["content"].as_str()) else {
        bail!(WHO, "an added token has no `id` or no `content`: {value}")
    };
    let Ok(id) = u32::try_from(id) else { bail!(WHO, "the added token `{content}` has the impossible id {id}") };
    let flag = |name: &str, otherwise| value[name].as_bool().unwrap_or(otherwise);
    let special = flag("special", false);
    let token = AddedToken::from(content, special)
        .single_word(flag("single_word", false))
        .lstrip(flag("lstrip", false))
        .rstrip(flag("rstrip", false))
        .normalized(flag("normalized", !special));
    Ok((id, token))
}

/// Inserts every added token into the model's vocabulary at its own id. A model that emits anything in its vocabulary would match
/// them wrongly (inside another word, or after normalization): then they are left out, if the crate assigns the same ids. BPE
/// emits nothing that no merge produces.
fn pin(model: &mut Value, added: &[(u32, AddedToken)]) -> Result<()> {
    let is_by_merges = model.get("merges").is_some() && model["ignore_merges"] != true;
    let is_found = !is_by_merges || added.iter().any(|(_, token)| token.single_word);
    if is_found && follow(&model["vocab"], added) {
        return Ok(());
    }
    match &mut model["vocab"] {
        Value::Object(vocab) => {
            let missing: Vec<_> = added.iter().filter(|(_, token)| !vocab.contains_key(&token.content)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let taken: HashMap<u64, &str> =
                vocab.iter().filter_map(|(token, id)| Some((id.as_u64()?, token.as_str()))).collect();
            if let Some((id, token)) = missing.iter().find(|(id, _)| taken.contains_key(&u64::from(*id))) {
                bail!(
                    WHO,
                    "the added token `{}` has the id {id} of the token `{}`",
                    token.content,
                    taken[&u64::from(*id)]
                );
            }
            for (id, token) in missing {
                vocab.insert(token.content.clone(), json!(id));
            }
        }
        Value::Array(scored) => {
            let known: std::collections::HashSet<_> =
                scored.iter().filter_map(|row| row[0].as_str().map(str::to_string)).collect();
            let mut missing: Vec<_> = added.iter().filter(|(_, token)| !known.contains(&token.content)).collect();
            missing.sort_by_key(|(id, _)| *id);
            for (id, token) in missing {
                // ids are positions here: only a token right after the last can be inserted
                if *id as usize == scored.len() {
                    scored.push(json!([token.content, 0.0]));
                }
            }
        }
        _ => bail!(WHO, "its model has no `vocab`"),
    }
    Ok(())
}

/// Whether the added tokens missing in a vocabulary have consecutive ids after it.
fn follow(vocab: &Value, added: &[(u32, AddedToken)]) -> bool {
    let (known, ids): (std::collections::HashSet<&str>, Vec<u64>) = match vocab {
        Value::Object(vocab) => {
            vocab.iter().map(|(token, id)| (token.as_str(), id.as_u64().unwrap_or(u64::MAX))).unzip()
        }
        Value::Array(rows) => (0..).zip(rows).map(|(id, row)| (row[0].as_str().unwrap_or_default(), id)).unzip(),
        _ => return false,
    };
    let is_dense = ids.iter().all(|id| (*id as usize) < ids.len());
    let missing = added.iter().filter(|(_, token)| !known.contains(token.content.as_str()));
    is_dense && (ids.len()..).zip(missing).all(|(next, (id, token))| *id as usize == next && !token.content.is_empty())
}

fn build_model(mut model: Value) -> Result<(ModelWrapper, Vec<MergeIds>)> {
    if let Some(vocab) = model["vocab"].as_object() {
        check_ids(vocab)?;
    }
    let bpe = model["type"] == "BPE" || (model["type"].is_null() && !model["merges"].is_null());
    if bpe {
        return build_bpe(&mut model).map(|(bpe, merges)| (ModelWrapper::BPE(bpe), merges));
    }
    let kind = model["type"].as_str().map(str::to_string);
    serde_json::from_value(model).map(|model| (model, Vec::new())).map_err(|error| match kind {
        Some(kind) if !["WordPiece", "WordLevel", "Unigram"].contains(&kind.as_str()) => {
            let kinds = ["BPE", "WordPiece", "Unigram", "WordLevel"];
            Error::new(WHO, format!("the model `{kind}` is not supported")).choose(&kind, kinds)
        }
        _ => Error::new(WHO, format!("its model cannot be read ({error})")),
    })
}

fn check_ids(vocab: &Map<String, Value>) -> Result<()> {
    let mut tokens = vec![""; vocab.len()];
    let limit = vocab.len() * 2 + 100_000;
    for (token, id) in vocab {
        let Some(id) = id.as_u64().filter(|id| (*id as usize) < limit) else {
            bail!(WHO, "the token `{token}` has the id {id}, in a vocabulary of {}", vocab.len())
        };
        let id = id as usize;
        if id >= tokens.len() {
            tokens.resize(id + 1, "");
        }
        if !tokens[id].is_empty() {
            bail!(WHO, "the tokens `{}` and `{token}` have the same id {id}", tokens[id]);
        }
        tokens[id] = token;
    }
    Ok(())
}

fn build_bpe(model: &mut Value) -> Result<(BPE, Vec<MergeIds>)> {
    let Value::Object(entries) = model["vocab"].take() else { bail!(WHO, "its vocab is not a map") };
    let vocab: Vocab = entries.into_iter().map(|(token, id)| (token, id.as_u64().unwrap_or(0) as u32)).collect();
    let Value::Array(merges) = model["merges"].take() else { bail!(WHO, "its merges are not a list") };
    let merges = merges.into_iter().map(halves).collect::<Result<Vec<_>>>()?;
    let text = |name: &str| model[name].as_str().filter(|text| !text.is_empty()).map(str::to_string);
    let flag = |name: &str| model[name].as_bool().unwrap_or(false);

    let prefix = text("continuing_subword_prefix");
    if let Some((_, right)) =
        prefix.as_ref().and_then(|prefix| merges.iter().find(|(_, right)| !right.starts_with(prefix)))
    {
        bail!(WHO, "the right half `{right}` of a merge does not begin with {:?}", prefix.unwrap_or_default());
    }
    let by_id = merges_by_id(&vocab, &merges, prefix.as_deref().unwrap_or_default())?;
    let mut builder = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .fuse_unk(flag("fuse_unk"))
        .byte_fallback(flag("byte_fallback"))
        .ignore_merges(flag("ignore_merges"));
    if let Some(unk) = text("unk_token") {
        builder = builder.unk_token(unk);
    }
    if let Some(prefix) = prefix {
        builder = builder.continuing_subword_prefix(prefix);
    }
    if let Some(suffix) = text("end_of_word_suffix") {
        builder = builder.end_of_word_suffix(suffix);
    }
    if let Some(dropout) = model["dropout"].as_f64() {
        builder = builder.dropout(dropout as f32);
    }
    Ok((builder.build().map_err(told)?, by_id))
}

fn halves(value: Value) -> Result<(String, String)> {
    let pair = match &value {
        Value::String(line) => line.split_once(' ').map(|(a, b)| (a.to_string(), b.to_string())),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(a), Value::String(b)] => Some((a.clone(), b.clone())),
            _ => None,
        },
        _ => None,
    };
    pair.ok_or_else(|| Error::new(WHO, format!("the merge {value} is not a pair of tokens")))
}

fn merges_by_id(vocab: &Vocab, merges: &[(String, String)], prefix: &str) -> Result<Vec<MergeIds>> {
    let mut whole = String::new();
    let by_id = |(rank, (a, b)): (usize, &(String, String))| {
        whole.clear();
        whole.push_str(a);
        whole.push_str(b.strip_prefix(prefix).unwrap_or(b));
        let id = |token: &str| -> Result<u32> {
            match vocab.get(token) {
                Some(id) => Ok(*id),
                None => {
                    bail!(WHO, "merge {rank} (`{a}` + `{b}`) names the token `{token}`, which is not in the vocabulary")
                }
            }
        };
        Ok(MergeIds { left: id(a)?, right: id(b)?, whole: id(&whole)? })
    };
    merges.iter().enumerate().map(by_id).collect()
}

/// All tokens in id order. A missing id is an empty token.
pub fn tokens(engine: &Engine) -> Vec<String> {
    let vocab = engine.get_vocab(true);
    let size = vocab.values().max().map_or(0, |&id| id as usize + 1);
    let mut tokens = vec![String::new(); size];
    for (token, id) in vocab {
        tokens[id as usize] = token;
    }
    tokens
}
