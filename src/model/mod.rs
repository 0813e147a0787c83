//! Model: decoders that train and write, in and out of Hugging Face folders and GGUF.

pub mod api;
pub mod arch;
mod bottleneck;
mod cache;
mod config;
mod delta;
mod folder;
mod fresh;
mod generate;
mod gguf;
mod handle;
mod learn;
mod lora;
mod pass;
mod peft;
mod save;
mod tables;
mod weights;
mod wire;
mod writer;

pub use bottleneck::{Activation, Bottlenecks};
pub use config::{Config, Rope};
pub use fresh::Shape;
pub use generate::Sampling;
pub use handle::{Model, Reduce};
pub use learn::{Part, parts};
pub use lora::Lora;
pub use save::Saving;
pub use tables::Table;
pub use weights::{Weight, Weights};
pub use writer::Writer;

/// A batch of token rows, borrowed. Segments and positions are those of packing: segment 0 is padding, and
/// positions start at 0 in each segment. What is not given is one segment that starts at 0.
#[derive(Clone, Copy, Default)]
pub struct Rows<'a> {
    pub rows: usize,
    pub length: usize,
    pub ids: &'a [u32],
    /// Aligned with the ids, as in Hugging Face: the id where it is learned, else -100.
    pub labels: Option<&'a [i64]>,
    pub segments: Option<&'a [u32]>,
    pub positions: Option<&'a [u32]>,
    /// Which step of a run this is: it chooses what dropout drops, so that a resumed run drops the same.
    pub step: u64,
}
