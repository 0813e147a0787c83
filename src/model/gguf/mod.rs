//! GGUF, the files of llama.cpp, as a Hugging Face model would be.

mod blocks;
mod check;
mod imatrix;
mod lora;
mod modelfile;
pub mod names;
mod read;
pub mod rope;
mod write;

pub use read::open;
pub use write::GgufSaving;
