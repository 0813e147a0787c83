//! Model: language models that train and generate, in and out of Hugging Face folders and GGUF.

mod activation;
pub mod adapt;
pub mod api;
pub mod arch;
mod cache;
mod candle;
mod config;
mod detokenize;
mod embeddings;
mod fields;
mod folder;
mod forward;
mod generate;
mod gguf;
pub mod head;
mod init;
mod merge;
#[allow(clippy::module_inception)]
mod model;
mod new;
mod open;
mod quantize;
mod rope;
mod rows;
mod save;
mod spec;
mod tie;
mod trainable;
mod weights;

pub use activation::Activation;
pub use adapt::attach::{Bottlenecks, Lora};
pub use config::{Config, Rope};
pub use detokenize::Detokenizer;
pub use embeddings::Embeddings;
pub use generate::Sampling;
pub use gguf::GgufSaving;
pub use model::Model;
pub use rows::{Reduce, TokenRows};
pub use save::Saving;
pub use spec::Targets;
pub use trainable::{Part, parts};
pub use weights::{Weight, Weights};
