//! The tokenizer as a value: cheap to copy, never changed after it was made.

use crate::token::Growth;
use crate::token::alphabet;
use crate::token::engine::{self, Engine};
use crate::token::merges::Merges;
use crate::token::quick::Quick;
use crate::token::special::{Ids, SPECIALS};
use crate::{Result, bail, cancel, text};
use rayon::prelude::*;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokenizers::models::ModelWrapper;

/// How a tokenizer finds its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BPE over the bytes of UTF-8, as GPT-2: everything can be written.
    ByteLevel,
    /// BPE over characters, with a piece for each byte as a last resort, as Llama 2.
    ByteFallback,
    /// BPE over characters alone.
    Bpe,
    /// Longest match from the left, as BERT.
    WordPiece,
    /// The likeliest segmentation, as T5.
    Unigram,
    /// Whole words only.
    WordLevel,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::ByteLevel => "byte-level BPE",
            Kind::ByteFallback => "BPE with byte fallback",
            Kind::Bpe => "BPE",
            Kind::WordPiece => "WordPiece",
            Kind::Unigram => "Unigram",
            Kind::WordLevel => "whole words",
        })
    }
}

/// Where each token lies in its text: from and to, in bytes.
pub type Offsets = Vec<(usize, usize)>;

/// What a text became: ids, the pieces they stand for, and where each lies in the text, in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoding {
    pub ids: Vec<u32>,
    pub pieces: Vec<String>,
    pub offsets: Offsets,
}

/// Text to ids and back. A value: cloning is free, and it can be used from any thread.
#[derive(Clone)]
pub struct Tokenizer(Arc<Inner>);

struct Inner {
    engine: Engine,
    kind: Kind,
    pieces: Vec<String>,
    ids: HashMap<String, u32>,
    special: Ids,
    marked: HashSet<u32>,
    template: Option<String>,
    config: Map<String, Value>,
    growth: Option<Growth>,
    merges: OnceLock<Arc<Merges>>,
    quick: OnceLock<Option<Quick>>,
}

/// Texts that one thread takes at a time, between two looks at the cancel flag.
const CHUNK: usize = 256;

impl Tokenizer {
    /// Puts a tokenizer together. `config` is `tokenizer_config.json`, `special` overrides what it says.
    pub(super) fn assemble(
        engine: Engine,
        config: Map<String, Value>,
        special: Ids,
        template: Option<String>,
    ) -> Tokenizer {
        let pieces = engine::pieces(&engine);
        let ids = pieces.iter().enumerate().filter(|(_, piece)| !piece.is_empty());
        let ids = ids.map(|(id, piece)| (piece.clone(), id as u32)).collect();
        let added = engine.get_added_tokens_decoder();
        let marked = added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect();
        let kind = kind_of(&engine);
        Tokenizer(Arc::new(Inner {
            kind,
            pieces,
            ids,
            special,
            marked,
            template,
            config,
            engine,
            growth: None,
            merges: OnceLock::new(),
            quick: OnceLock::new(),
        }))
    }

    /// The same tokenizer over an engine that has more pieces.
    pub(super) fn rebuilt(&self, engine: Engine, growth: Growth) -> Tokenizer {
        let Inner { config, special, template, .. } = &*self.0;
        Tokenizer::assemble(engine, config.clone(), *special, template.clone()).with_growth(Some(growth))
    }

    /// The same tokenizer, just made, with what its last extension did.
    pub(super) fn with_growth(mut self, growth: Option<Growth>) -> Tokenizer {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.growth = growth;
        }
        self
    }

    /// What its last extension did, if it was ever extended; a saved one remembers all but what was skipped.
    pub fn growth(&self) -> Option<&Growth> {
        self.0.growth.as_ref()
    }

    /// Its merges by id, found out once.
    pub(super) fn merges(&self) -> Result<Arc<Merges>> {
        if let Some(merges) = self.0.merges.get() {
            return Ok(merges.clone());
        }
        let merges = Arc::new(Merges::of(self, "encode")?);
        Ok(self.0.merges.get_or_init(|| merges).clone())
    }

    pub(super) fn specials_by_name(&self) -> Ids {
        self.0.special
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn config(&self) -> &Map<String, Value> {
        &self.0.config
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// How many ids there are: one more than the highest. A model's table may have more rows.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.pieces.len()
    }

    /// All pieces, in id order.
    pub fn pieces(&self) -> &[String] {
        &self.0.pieces
    }

    pub fn piece(&self, id: u32) -> Option<&str> {
        self.0.pieces.get(id as usize).map(String::as_str)
    }

    pub fn id(&self, piece: &str) -> Option<u32> {
        self.0.ids.get(piece).copied()
    }

    /// Whether an id is marked as special: never part of ordinary text, and left out when decoding skips special pieces.
    pub fn is_special(&self, id: u32) -> bool {
        self.0.marked.contains(&id)
    }

    /// All ids that are marked as special, ascending.
    pub fn specials(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.0.marked.iter().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// The id of one of [`SPECIALS`]: `bos eos pad unk mask cls sep`.
    pub fn special(&self, name: &str) -> Option<u32> {
        SPECIALS.iter().position(|special| *special == name).and_then(|slot| self.0.special[slot])
    }

    /// What a text begins with where it is to begin like all others: the start piece, or else the end piece.
    pub fn start(&self) -> Option<u32> {
        self.bos().or_else(|| self.eos())
    }

    pub fn bos(&self) -> Option<u32> {
        self.special("bos")
    }

    pub fn eos(&self) -> Option<u32> {
        self.special("eos")
    }

    pub fn pad(&self) -> Option<u32> {
        self.special("pad")
    }

    pub fn unk(&self) -> Option<u32> {
        self.special("unk")
    }

    /// The chat template that came with it.
    pub fn own_template(&self) -> Option<&str> {
        self.0.template.as_deref()
    }

    /// The same tokenizer with another chat template.
    pub fn with_template(&self, template: Option<String>) -> Tokenizer {
        let Inner { engine, config, special, growth, .. } = &*self.0;
        Tokenizer::assemble(engine.clone(), config.clone(), *special, template).with_growth(growth.clone())
    }

    /// Text to ids, pieces and byte offsets. `special` adds what the tokenizer puts around a text (BERT's
    /// `[CLS]` and `[SEP]`, Llama's `<s>`); special pieces written in the text are always taken as such.
    pub fn encode(&self, text: &str, special: bool) -> Result<Encoding> {
        let encoding = self.0.engine.encode(text, special).map_err(|error| engine::told(error).told_by("encode"))?;
        Ok(Encoding {
            ids: encoding.get_ids().to_vec(),
            pieces: encoding.get_tokens().to_vec(),
            offsets: encoding.get_offsets().to_vec(),
        })
    }

    /// Ids and where each lies in the text, in bytes, without the pieces themselves.
    pub fn ids_and_offsets(&self, text: &str, special: bool) -> Result<(Vec<u32>, Offsets)> {
        let encoding = self.0.engine.encode(text, special).map_err(|error| engine::told(error).told_by("encode"))?;
        Ok((encoding.get_ids().to_vec(), encoding.get_offsets().to_vec()))
    }

    /// The ids alone, which is faster.
    pub fn ids(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let quick = self.0.quick.get_or_init(|| Quick::of(self)).as_ref();
        if let Some(ids) = quick.and_then(|quick| quick.ids(text, special)) {
            return Ok(ids);
        }
        let encoding =
            self.0.engine.encode_fast(text, special).map_err(|error| engine::told(error).told_by("encode"))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Many texts at once, in parallel; the same ids as one by one. Can be interrupted.
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, texts: &[S], special: bool) -> Result<Vec<Vec<u32>>> {
        self.batch(texts, |text| self.ids(text, special))
    }

    /// Does `work` for each text, in parallel, in order, between looks at the cancel flag.
    pub(super) fn batch<S: AsRef<str> + Sync, T: Send>(
        &self,
        texts: &[S],
        work: impl Fn(&str) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let mut all = Vec::with_capacity(texts.len());
        for chunk in texts.chunks(CHUNK * rayon::current_num_threads().max(1)) {
            cancel::check()?;
            let part: Result<Vec<T>> = chunk.par_iter().map(|text| work(text.as_ref())).collect();
            all.extend(part?);
        }
        Ok(all)
    }

    /// Ids to text. `skip_special` leaves special pieces out. An id beyond the pieces is an error.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.len()) {
            bail!("decode", "id {id} is outside the {} pieces of the tokenizer", self.len());
        }
        self.0.engine.decode(ids, skip_special).map_err(|error| engine::told(error).told_by("decode"))
    }

    /// Decodes as ids come, for text that is shown while it is written.
    pub fn stream(&self, skip_special: bool) -> Stream {
        Stream { tokenizer: self.clone(), skip_special, ids: Vec::new(), shown: 0, read: 0 }
    }
}

fn kind_of(engine: &Engine) -> Kind {
    match engine.get_model() {
        ModelWrapper::BPE(_) if is_byte_level(engine) => Kind::ByteLevel,
        ModelWrapper::BPE(bpe) if bpe.byte_fallback => Kind::ByteFallback,
        ModelWrapper::BPE(_) => Kind::Bpe,
        ModelWrapper::WordPiece(_) => Kind::WordPiece,
        ModelWrapper::Unigram(_) => Kind::Unigram,
        ModelWrapper::WordLevel(_) => Kind::WordLevel,
    }
}

/// Whether text is turned into the byte alphabet, by the pre-tokenizer or (as Moses-like pipelines do) the normalizer.
fn is_byte_level(engine: &Engine) -> bool {
    let names = |part: Option<String>| part.is_some_and(|json| json.contains("\"ByteLevel\""));
    names(engine.get_pre_tokenizer().and_then(|part| serde_json::to_string(part).ok()))
        || names(engine.get_normalizer().and_then(|part| serde_json::to_string(part).ok()))
}

/// Decodes a growing list of ids: a character that is not whole yet waits for its last byte.
pub struct Stream {
    tokenizer: Tokenizer,
    skip_special: bool,
    ids: Vec<u32>,
    /// Up to which id the text was given out.
    read: usize,
    /// From which id decoding begins again: an earlier id decides how the next one is spaced.
    shown: usize,
}

impl Stream {
    /// Takes one more id and gives the text that is now certain (it may be empty).
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.ids.push(id);
        let before = self.tokenizer.decode(&self.ids[self.shown..self.read], self.skip_special)?;
        let now = self.tokenizer.decode(&self.ids[self.shown..], self.skip_special)?;
        if now.len() <= before.len() || now.ends_with('\u{fffd}') {
            return Ok(String::new());
        }
        self.shown = self.read;
        self.read = self.ids.len();
        Ok(now.get(before.len()..).unwrap_or_default().to_string())
    }

    /// What is left when no more ids come: bytes of an unfinished character show as `�`.
    pub fn finish(&mut self) -> Result<String> {
        let before = self.tokenizer.decode(&self.ids[self.shown..self.read], self.skip_special)?;
        let now = self.tokenizer.decode(&self.ids[self.shown..], self.skip_special)?;
        self.read = self.ids.len();
        Ok(now.get(before.len()..).unwrap_or_default().to_string())
    }
}

impl fmt::Display for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tokenizer, {}, {} pieces, {} special", self.kind(), text::thousands(self.len()), self.0.marked.len())
    }
}

impl IntoIterator for Tokenizer {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    /// The pieces in id order.
    fn into_iter(self) -> Self::IntoIter {
        self.0.pieces.clone().into_iter()
    }
}

/// A piece as a person reads it: byte letters as the text that they stand for.
pub fn readable(piece: &str) -> String {
    match alphabet::bytes(piece) {
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        None => piece.replace('▁', " "),
    }
}
