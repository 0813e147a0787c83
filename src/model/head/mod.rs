//! The heads, one file each: an objective's tensors, outputs, targets and loss.
//!
//! To add one is to add a file, and its line in the architectures that have it.

pub mod causal;
pub mod masked;
