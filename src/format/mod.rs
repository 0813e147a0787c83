//! File formats of numbers, with the reader and the writer of each side by side.
//!
//! - [`safetensors`]: named tensors, each readable without the rest.
//! - [`npy`]: one array, as numpy saves it.
//! - [`pytorch`]: files of `torch.save`, read without running code in them.
//! - [`gguf`]: the files of llama.cpp: metadata and tensors, quantized or not.
//!
//! The header of a file is checked against the file's length before anything is read: errors name the file, the tensor and the
//! field. Files are written beside their destination and renamed.

pub mod gguf;
pub mod npy;
pub mod numbers;
pub mod pytorch;
pub mod safetensors;
mod weights;

pub use pytorch::Pytorch;
pub use safetensors::Safetensors;
pub use weights::Shard;
