//! The tokenizer as a value: cheap to clone, immutable.

use crate::token::ExtensionInfo;
use crate::token::TokenizerKind;
use crate::token::alphabet;
use crate::token::bpe::{FastEncode, Merges, tied};
use crate::token::engine::{self, Engine};
use crate::token::jinja::Template;
use crate::token::special::{SPECIALS, SpecialIds};
use crate::{Result, bail, cancel, text};
use rayon::prelude::*;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokenizers::OffsetType;

/// The position of each token in its text: start and end, in bytes.
pub type Offsets = Vec<(usize, usize)>;

/// An encoded text: ids, tokens, and the position of each in the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoding {
    pub ids: Vec<u32>,
    pub tokens: Vec<String>,
    pub offsets: Offsets,
}

/// Converts text to ids and back. Cloning is free, and any thread can use it.
#[derive(Clone)]
pub struct Tokenizer(Arc<TokenizerInner>);

struct TokenizerInner {
    engine: Engine,
    kind: TokenizerKind,
    tokens: Vec<String>,
    special: SpecialIds,
    marked: HashSet<u32>,
    template: Option<String>,
    /// The parsed template, and the one for tools.
    parsed: [OnceLock<Arc<Template>>; 2],
    /// The same tokenizer with special tokens that no message can contain.
    plain: OnceLock<Arc<Tokenizer>>,
    config: Map<String, Value>,
    extension: Option<ExtensionInfo>,
    unused: Vec<String>,
    merges: OnceLock<Arc<Merges>>,
    fast_encode: OnceLock<Option<FastEncode>>,
}

/// Texts per thread between two checks of the cancel flag.
const CHUNK: usize = 256;

impl Tokenizer {
    /// Assembles a tokenizer. `config` is `tokenizer_config.json`, `special` overrides it.
    pub(super) fn assemble(
        mut engine: Engine,
        config: Map<String, Value>,
        special: SpecialIds,
        template: Option<String>,
    ) -> Tokenizer {
        let tokens = engine::tokens(&engine);
        let added = engine.get_added_tokens_decoder();
        let marked = added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect();
        let kind = TokenizerKind::of(&engine);
        engine.split_special(config.get("split_special_tokens") == Some(&Value::Bool(true)));
        Tokenizer(Arc::new(TokenizerInner {
            kind,
            tokens,
            special,
            marked,
            template,
            parsed: Default::default(),
            plain: OnceLock::new(),
            config,
            engine,
            extension: None,
            unused: Vec::new(),
            merges: OnceLock::new(),
            fast_encode: OnceLock::new(),
        }))
    }

    /// The same tokenizer over an engine with more tokens.
    pub(super) fn rebuilt(&self, engine: Engine, extension: ExtensionInfo) -> Tokenizer {
        let TokenizerInner { config, special, template, .. } = &*self.0;
        Tokenizer::assemble(engine, config.clone(), *special, template.clone()).with_extension(Some(extension))
    }

    /// Attaches the record of the last extension to a new tokenizer.
    pub(super) fn with_extension(mut self, extension: Option<ExtensionInfo>) -> Tokenizer {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.extension = extension;
        }
        self
    }

    /// Attaches the unused settings of its files to a new tokenizer.
    pub(super) fn with_unused(mut self, unused: Vec<String>) -> Tokenizer {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.unused = unused;
        }
        self
    }

    /// Unused settings of the files that it was opened from, a line each.
    pub fn unused(&self) -> &[String] {
        &self.0.unused
    }

    /// The record of its last extension; a saved tokenizer remembers all but the skipped words.
    pub fn extension(&self) -> Option<&ExtensionInfo> {
        self.0.extension.as_ref()
    }

    /// Its merges by id, computed once.
    pub(super) fn merges(&self) -> Result<Arc<Merges>> {
        if let Some(merges) = self.0.merges.get() {
            return Ok(merges.clone());
        }
        let merges = Arc::new(Merges::of(self.engine(), "encode")?);
        Ok(self.0.merges.get_or_init(|| merges).clone())
    }

    pub(super) fn specials_by_name(&self) -> SpecialIds {
        self.0.special
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn config(&self) -> &Map<String, Value> {
        &self.0.config
    }

    pub fn kind(&self) -> TokenizerKind {
        self.0.kind
    }

    /// Vocabulary size: the highest id plus one. A model's embeddings may have more rows.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.tokens.len()
    }

    /// All tokens, in id order.
    pub fn tokens(&self) -> &[String] {
        &self.0.tokens
    }

    pub fn token(&self, id: u32) -> Option<&str> {
        self.0.tokens.get(id as usize).map(String::as_str)
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        Some(token).filter(|token| !token.is_empty()).and_then(|token| self.0.engine.token_to_id(token))
    }

    /// Whether an id is marked as special: never part of ordinary text, and omitted when decoding skips special tokens.
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

    /// The id to prepend to a text: BOS, or EOS if there is no BOS.
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

    /// The other chat templates that came with it, by name.
    pub(super) fn named_templates(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.0.config.get("chat_template").and_then(Value::as_array);
        let named = named.into_iter().flatten();
        let named = named.filter_map(|entry| Some((entry["name"].as_str()?, entry["template"].as_str()?)));
        named.filter(|(name, _)| *name != "default")
    }

    /// The cache of a parsed template: the usual one, or the one for tools.
    pub(super) fn parsed(&self, tools: bool) -> &OnceLock<Arc<Template>> {
        &self.0.parsed[usize::from(tools)]
    }

    /// The cache of that tokenizer.
    pub(super) fn plain(&self) -> &OnceLock<Arc<Tokenizer>> {
        &self.0.plain
    }

    /// The same tokenizer with another chat template, and without named ones.
    pub fn with_chat_template(&self, template: Option<String>) -> Tokenizer {
        let TokenizerInner { engine, config, special, extension, .. } = &*self.0;
        let mut config = config.clone();
        config.remove("chat_template");
        Tokenizer::assemble(engine.clone(), config, *special, template).with_extension(extension.clone())
    }

    /// Encodes a text to ids, tokens and byte offsets. `special` adds the special tokens around a text (BERT's `[CLS]` and
    /// `[SEP]`, Llama's `<s>`); special tokens in the text are always recognized. No second BOS is added to a text that begins
    /// with BOS, as chat templates produce.
    pub fn encode(&self, text: &str, special: bool) -> Result<Encoding> {
        let encoding = self.encoded(text, special, OffsetType::Byte)?;
        let from = self.second_bos(text, encoding.get_ids());
        Ok(Encoding {
            ids: encoding.get_ids()[from..].to_vec(),
            tokens: encoding.get_tokens()[from..].to_vec(),
            offsets: encoding.get_offsets()[from..].to_vec(),
        })
    }

    /// Number of tokens before the text's own BOS: 1 if the tokenizer added another, otherwise 0.
    pub(super) fn second_bos(&self, text: &str, ids: &[u32]) -> usize {
        let Some(bos) = self.bos().filter(|bos| ids.starts_with(&[*bos, *bos])) else { return 0 };
        let Some(token) = self.token(bos).filter(|token| !token.is_empty()) else { return 0 };
        let (mut rest, mut written) = (text, 0);
        while let Some(after) = rest.strip_prefix(token) {
            (rest, written) = (after, written + 1);
        }
        let found = ids.iter().take_while(|id| **id == bos).count();
        usize::from(written > 0 && found > written)
    }

    /// Encodes a text to ids and byte offsets, without the tokens themselves.
    pub fn ids_and_offsets(&self, text: &str, special: bool) -> Result<(Vec<u32>, Offsets)> {
        let encoding = self.encoded(text, special, OffsetType::Byte)?;
        let from = self.second_bos(text, encoding.get_ids());
        Ok((encoding.get_ids()[from..].to_vec(), encoding.get_offsets()[from..].to_vec()))
    }

    /// Encodes a text to ids only, which is faster.
    pub fn ids(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        cancel::stoppable(|| self.ids_of(text, special)).flatten()
    }

    fn ids_of(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let fast = self.0.fast_encode.get_or_init(|| FastEncode::of(self.engine(), self.merges().ok()?)).as_ref();
        if let Some(ids) = fast.and_then(|fast| fast.ids(text, special)) {
            return Ok(ids);
        }
        let encoding = self.encoded(text, special, OffsetType::None)?;
        Ok(encoding.get_ids()[self.second_bos(text, encoding.get_ids())..].to_vec())
    }

    /// Encodes by the engine, or by our own merging if its merges tie.
    pub(super) fn encoded(&self, text: &str, special: bool, offsets: OffsetType) -> Result<tokenizers::Encoding> {
        let encoding = match (self.0.engine.levels(), offsets) {
            (Some(levels), _) => {
                let merges = self.merges()?;
                return self.encode_symbols(text, special, offsets, |word| tied::merge(&merges, levels, word));
            }
            (None, OffsetType::None) => self.0.engine.encode_fast(text, special),
            (None, _) => self.0.engine.encode(text, special),
        };
        encoding.map_err(|error| engine::told(error).attributed_to("encode"))
    }

    /// Encodes many texts in parallel, to the same ids as one by one. Can be interrupted.
    pub fn encode_batch<S: AsRef<str> + Sync>(&self, texts: &[S], special: bool) -> Result<Vec<Vec<u32>>> {
        self.batch(texts, |text| self.ids(text, special))
    }

    /// Runs `work` on each text in parallel, in order, and checks the cancel flag between parts.
    pub(super) fn batch<S: AsRef<str> + Sync, T: Send>(
        &self,
        texts: &[S],
        work: impl Fn(&str) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let mut all = Vec::with_capacity(texts.len());
        let current = cancel::current();
        for chunk in texts.chunks(CHUNK * rayon::current_num_threads().max(1)) {
            cancel::check()?;
            let one = |text: &S| cancel::under(&current, || work(text.as_ref()));
            let part: Result<Vec<T>> = chunk.par_iter().map(one).collect();
            all.extend(part?);
        }
        Ok(all)
    }

    /// Decodes ids to text. `skip_special` omits special tokens. An id outside the vocabulary is an error.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.len()) {
            bail!("decode", "id {id} is outside the {} tokens of the tokenizer", self.len());
        }
        let text =
            self.0.engine.decode(ids, skip_special).map_err(|error| engine::told(error).attributed_to("decode"))?;
        Ok(if self.cleans_up() { clean_up(text) } else { text })
    }

    /// `clean_up_tokenization_spaces`, which transformers ignores for BPE: spaces belong to its tokens.
    fn cleans_up(&self) -> bool {
        let asked = self.0.config.get("clean_up_tokenization_spaces") == Some(&Value::Bool(true));
        asked && !matches!(self.kind(), TokenizerKind::ByteLevel | TokenizerKind::ByteFallback | TokenizerKind::Bpe)
    }
}

impl fmt::Display for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tokenizer, {}, {} tokens, {} special", self.kind(), text::thousands(self.len()), self.0.marked.len())
    }
}

impl IntoIterator for Tokenizer {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    /// The tokens in id order.
    fn into_iter(self) -> Self::IntoIter {
        self.0.tokens.clone().into_iter()
    }
}

/// Removes spaces that English does not have before punctuation and contractions, as in transformers.
fn clean_up(text: String) -> String {
    let pairs = [" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"];
    pairs.into_iter().fold(text, |text, spaced| text.replace(spaced, spaced.trim()))
}

/// A token as readable text: byte letters as the text they encode.
pub fn readable(token: &str) -> String {
    match alphabet::bytes(token) {
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        None => token.replace('▁', " "),
    }
}
