//! The foundation of levain: errors, limits, interruption, random numbers, and the kernels.
//!
//! A separate crate, because kernels must be compiled in one piece to be fast, and the rest compiles in half the time if it need
//! not be. `levain` re-exports all of it, and promises no stability for this crate.
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
