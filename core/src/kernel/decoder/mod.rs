//! The next token of a Llama-style decoder as one operation, every weight read once: RMS norms, rotary positions,
//! grouped heads, SwiGLU, with the biases and head norms of its relatives, and LoRA adapters.
//!
//! The same mathematics as the model's blocks, operation by operation. There, decoding is a few hundred small
//! operations a token, and their threads, memory and names cost more than what they compute.

mod attend;
mod step;
mod weights;

pub use attend::{KvCache, attend_heads};
pub use weights::{Decoder, FrozenWeight, Layer, Linear};
