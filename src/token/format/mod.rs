//! Files of tokenizers, read and written.

mod from_gguf;
mod open;
mod save;

pub use open::wordpiece;
