//! Tokenizers: open, train, extend, audit, save, and the chat template.
//!
//! The `tokenizers` crate segments text (`engine`). The other modules are file formats (`format`), training, continuing and
//! id-based encoding of BPE (`bpe`), training of Unigram (`unigram`), words and their counts (`words`), audited changes of a
//! vocabulary (`extend`), term mining (`mine`), and chat templates (`chat`), which attribute text to messages because our Jinja
//! (`jinja`) tracks the sources of its text.

mod alphabet;
pub mod api;
pub mod base64;
mod bpe;
mod charsmap;
mod chat;
mod decode_stream;
pub mod digits;
mod engine;
mod extend;
mod format;
pub mod inputs;
mod jinja;
mod kind;
mod mine;
mod oniguruma;
mod parts;
mod ppmi;
pub mod script;
mod special;
mod stats;
mod token_bytes;
mod tokenizer;
mod train;
mod unigram;
pub(crate) mod words;

pub use bpe::{Dropout, Proposal};
pub use chat::{Around, Chat, ChatOptions, ChatSpan, TurnForm};
pub use decode_stream::DecodeStream;
pub use extend::{Audit, ExtendMethod, ExtensionInfo, SpelledWord, SubtokenRows, split_tokens};
pub use kind::TokenizerKind;
pub use mine::segment::Units;
pub use special::SPECIALS;
pub use stats::{Stats, StatsCounter, Tally};
pub use tokenizer::{Encoding, Tokenizer, readable};
pub use train::Training;
