//! Tensors: what a script cannot see.

pub mod gradients;
mod reasons;
mod rng;
mod stop;
mod sweep;
mod tape;
