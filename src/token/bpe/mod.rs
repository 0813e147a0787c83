//! Byte-pair encoding: training, continued training, and encoding on ids.

pub mod backtracking_bpe;
pub mod bpe_train;
mod byte_bpe;
mod continue_bpe;
mod dropout;
pub mod fast_encode;
pub mod merges;
pub mod pair_index;
mod symbols;
pub mod tied;

pub use byte_bpe::{BpeScratch, ByteBpe};
pub use continue_bpe::Proposal;
pub use dropout::Dropout;
pub use fast_encode::FastEncode;
pub use merges::Merges;
