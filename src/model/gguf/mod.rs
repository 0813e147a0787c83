//! GGUF, the files of llama.cpp, as a Hugging Face model would be.

mod blocks;
pub mod names;
mod read;
pub mod rope;

pub use read::open;
