//! Tokenizer files: reading and writing.

mod added;
mod around;
mod assemble;
mod class;
mod config;
mod flags;
mod gguf;
mod open;
mod pipeline;
mod ranks;
mod save;
mod sentencepiece;
mod tekken;
mod tiktoken;
mod wordpiece;

pub use wordpiece::wordpiece;
