//! What everything in levain stands on: errors, limits, interruption, random numbers, and the kernels.
//!
//! A crate of its own, since kernels have to be compiled in one piece to be fast, and the rest compiles in half the time
//! where it does not have to be. `levain` shows all of it under its own name, and promises nothing for this one.
#![warn(missing_docs)]

pub mod cancel;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod kernel;
pub mod limits;
#[doc(hidden)]
pub mod memory;
#[doc(hidden)]
pub mod number;
#[doc(hidden)]
pub mod progress;
#[doc(hidden)]
pub mod rng;
#[doc(hidden)]
pub mod scoped;
#[doc(hidden)]
pub mod sync;
#[doc(hidden)]
pub mod text;
#[doc(hidden)]
pub mod thrown;

pub use error::{Error, Result};
