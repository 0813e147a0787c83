//! Tensors: values that record how they were computed where a parameter takes part.

pub mod api;
mod disentangled;
mod flow;
mod grads;
pub mod layers;
pub mod nn;
pub mod ops;
mod rotary;
pub mod show;
mod tape;
mod timing;
pub mod values;

pub use crate::kernel::{Array, DType, Device};
pub use crate::rng::{self, Rng};
pub use flow::Flow;
pub use grads::Grads;
pub use tape::{Param, Tensor, is_recording, no_grad};
