//! Tensors: what a script cannot see.

mod file;
mod gradients;
mod rng;
mod tape;
