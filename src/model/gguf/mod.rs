//! GGUF, the file format of llama.cpp, opened like a Hugging Face model.

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
