//! Tokenizers: open, train, extend, audit, save, and the chat template.
//!
//! The `tokenizers` crate segments text; this folder opens every form in which a tokenizer comes
//! (`open`, `gguf`, `from_gguf`), and holds what that crate has not: continued training (`count`,
//! `continued`), extension with its audit (`extend`, `audit`), and chat templates with who said what (`chat`).

pub mod api;
mod chat;
mod engine;
mod from_gguf;
pub mod gguf;
mod open;
mod special;
mod tokenizer;

pub use chat::{Chat, Span};
pub use gguf::Gguf;
pub use special::SPECIALS;
pub use tokenizer::{Encoding, Kind, Stream, Tokenizer};
