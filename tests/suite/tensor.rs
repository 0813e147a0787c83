//! Properties of tensors that scripts cannot observe.

pub mod gradients;
mod reasons;
mod rng;
mod stop;
mod sweep;
mod tape;
