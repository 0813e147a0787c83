//! GGUF, the file format of llama.cpp: metadata, and tensors in the types of ggml.
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>

mod read;
mod tensor;
mod value;
mod write;

pub use read::Gguf;
pub use tensor::TensorEntry;
pub use value::Value;
pub use write::write;
