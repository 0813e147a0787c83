//! Tensors: values that record their computation if it involves a parameter ([`Tensor`]).

#[doc(hidden)]
pub mod api;
mod disentangled;
mod flow;
mod grads;
#[doc(hidden)]
pub mod layers;
#[doc(hidden)]
pub mod nn;
#[doc(hidden)]
pub mod ops;
mod rotary;
#[doc(hidden)]
pub mod show;
mod tape;
mod timing;
#[doc(hidden)]
pub mod values;

pub use crate::kernel::{Array, DType, Device};
#[doc(hidden)]
pub use crate::rng::{self, Rng};
#[doc(hidden)]
pub use flow::Flow;
pub use grads::Grads;
pub use tape::Tensor;
#[doc(hidden)]
pub use tape::{Param, is_recording, no_grad};
