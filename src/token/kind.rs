//! The kinds of tokenizers.

use crate::token::engine::Engine;
use std::fmt;
use tokenizers::models::ModelWrapper;

/// The algorithm of a tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenizerKind {
    /// BPE over UTF-8 bytes, as in GPT-2: any text can be encoded.
    ByteLevel,
    /// BPE over characters, with a token for each byte as fallback, as in Llama 2.
    ByteFallback,
    /// BPE over characters only.
    Bpe,
    /// Longest match from the left, as in BERT.
    WordPiece,
    /// The most likely segmentation, as in T5.
    Unigram,
    /// Whole words only.
    WordLevel,
}

impl fmt::Display for TokenizerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenizerKind::ByteLevel => "byte-level BPE",
            TokenizerKind::ByteFallback => "BPE with byte fallback",
            TokenizerKind::Bpe => "BPE",
            TokenizerKind::WordPiece => "WordPiece",
            TokenizerKind::Unigram => "Unigram",
            TokenizerKind::WordLevel => "whole words",
        })
    }
}

impl TokenizerKind {
    pub fn of(engine: &Engine) -> TokenizerKind {
        match engine.get_model() {
            ModelWrapper::BPE(_) if is_byte_level(engine) => TokenizerKind::ByteLevel,
            ModelWrapper::BPE(bpe) if bpe.byte_fallback => TokenizerKind::ByteFallback,
            ModelWrapper::BPE(_) => TokenizerKind::Bpe,
            ModelWrapper::WordPiece(_) => TokenizerKind::WordPiece,
            ModelWrapper::Unigram(_) => TokenizerKind::Unigram,
            ModelWrapper::WordLevel(_) => TokenizerKind::WordLevel,
        }
    }
}

/// Whether text is converted to the byte alphabet, by the pre-tokenizer or (as in Moses-like pipelines) the normalizer.
fn is_byte_level(engine: &Engine) -> bool {
    let names = |part: Option<String>| part.is_some_and(|json| json.contains("\"ByteLevel\""));
    names(engine.get_pre_tokenizer().and_then(|part| serde_json::to_string(part).ok()))
        || names(engine.get_normalizer().and_then(|part| serde_json::to_string(part).ok()))
}
