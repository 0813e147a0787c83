//! Tensors: what a script cannot see.

pub mod gradients;
mod rng;
mod stop;
mod tape;
