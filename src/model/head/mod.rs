//! The heads, one file each: an objective's tensors, outputs, targets and loss.
//!
//! To add a head, add a file, and its line in the architectures that support it.

pub mod causal;
pub mod classes;
mod dense;
pub mod embed;
pub mod masked;
pub mod names;
pub mod next_sentence;
pub mod pretraining;
pub mod replaced_token;
pub mod sequence;
mod targets;
pub mod token;
