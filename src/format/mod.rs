//! File formats of numbers, each with its reading and writing halves side by side.
//!
//! - [`safetensors`]: many tensors by name, one of which can be read without the rest.
//! - [`npy`]: one array, as numpy saves it.
//! - [`pytorch`]: what `torch.save` writes, read without running any of it.
//! - [`gguf`]: the files of llama.cpp: metadata and tensors, quantized or not.
//!
//! What a file says about itself is checked against its length before anything is read: errors name the file, the
//! tensor and the field. Files are written beside and renamed.

pub mod gguf;
pub mod npy;
pub mod numbers;
pub mod pytorch;
pub mod safetensors;
mod weights;

pub use pytorch::Pytorch;
pub use safetensors::Safetensors;
pub use weights::Shard;
