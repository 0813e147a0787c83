//! Tensors: what a script cannot see.

mod file;
pub mod gradients;
mod rng;
mod stop;
mod tape;
