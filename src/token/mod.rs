//! Tokenizers: open, train, extend, audit, save, and the chat template.
//!
//! The `tokenizers` crate segments text; this folder opens every form in which a tokenizer comes
//! (`open`, `gguf`, `from_gguf`), and holds what that crate has not: continued training (`words`,
//! `continued`), mining of terms (`units`, `mine`, `marginal`), extension with its audit (`extend`, `audit`), and chat templates with who said what (`chat`).

mod alphabet;
pub mod api;
mod audit;
mod bpe;
mod chat;
mod continued;
mod dropout;
mod embed;
mod engine;
mod extend;
mod from_gguf;
pub mod gguf;
mod grow;
mod growth;
mod lexicon;
mod longest;
mod marginal;
mod merges;
mod mine;
mod open;
mod places;
mod quick;
mod save;
pub mod script;
mod special;
mod split;
mod survey;
mod tokenizer;
mod train;
mod trim;
mod units;
mod words;

pub use audit::Audit;
pub use chat::{Chat, Span};
pub use dropout::Dropout;
pub use extend::How;
pub use gguf::Gguf;
pub use grow::Proposal;
pub use growth::Growth;
pub use special::SPECIALS;
pub use survey::{Survey, Surveying, Tally};
pub use tokenizer::{Encoding, Kind, Stream, Tokenizer, readable};
pub use train::Training;
