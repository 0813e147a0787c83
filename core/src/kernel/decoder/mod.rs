//! The next token of a Llama-style decoder as one operation, every weight read once: RMS norms, rotary positions, grouped heads,
//! SwiGLU, with the biases and head norms of related architectures, and LoRA adapters.
//!
//! The same mathematics as the model's blocks, operation by operation. Those decode by a few hundred small operations per token,
//! whose threads, memory and names cost more than their computation.

mod attend;
mod step;
mod weights;

pub use attend::{KvCache, attend_heads};
pub use weights::{Decoder, FrozenWeight, Layer, Linear};
