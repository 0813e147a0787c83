//! The Rhai scripting language with tensors, tokenizers, datasets, language models and training in it, inside a Rust program.
//!
//! A [`Runtime`] runs scripts, within [`Limits`], with the program's own functions, and returns values:
//!
//! ```no_run
//! use levain::{Limits, Runtime};
//!
//! let runtime = Runtime::builder()
//!     .limits(Limits { operations: Some(1_000_000), ..Limits::strict() })
//!     .allow("data")                                            // files below it, and nowhere else
//!     .print(|line| println!("script: {line}"))
//!     .natives(|engine| {
//!         engine.register_fn("discount", |item: &str| if item == "bread" { 0.5 } else { 0.0 });
//!     })
//!     .build()?;
//! let mut script = runtime.load("scale", "fn scale(x, by) { x * by }")?;
//! let scaled: f64 = script.call("scale", (1.5, 2.0))?.to()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Builder`] configures what a script may use: files, memory, operations, modules and native functions of the program; the
//!   destinations of `print`, progress and `input`; and a handle that stops it from another thread ([`Cancel`]).
//! - [`Script`] is a script that has run: read its variables with [`Script::get`], call its functions with [`Script::call`].
//! - [`Value`] converts from and to Rust types by serde. Tensors are not copied: [`Value::tensor`] returns a [`Tensor`], whose
//!   numbers [`Tensor::with_numbers`] reads in place. A tensor is made from an array on a device:
//!
//! ```no_run
//! use levain::{Array, Device, Runtime, Tensor, Value};
//!
//! let runtime = Runtime::default();
//! let mut script = runtime.load("sums", "fn sums(x) { x.sum(1) }")?;
//! let x = Tensor::from(Array::from_vec(vec![1f32, 2.0, 3.0, 4.0], (2, 2), &Device::Cpu)?);
//! let sums = script.call_values("sums", vec![Value::from(x)])?.tensor().ok_or("no tensor")?;
//! sums.with_numbers(|numbers: &[f32]| assert_eq!(numbers, [3.0, 7.0]))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Fault`] is an error with its [`Place`] in the script and its [`Cause`]: the script, a limit, an interruption,
//!   `exit(code)`, or a panic in one of the program's functions.
//!
//! # What is stable
//!
//! The items on this page: [`Runtime`], [`Builder`], [`Script`], [`Value`], [`Limits`], [`Cancel`], [`Fault`], [`Cause`],
//! [`Place`], [`Natives`], [`Error`], [`Tensor`] with [`Array`], [`Device`] and [`DType`], [`PoolAllocator`], and [`rhai`], whose
//! version is covered too. Hidden modules implement the scripts' verbs: they are public for this crate's tests, and change
//! without notice.
//!
//! # Effects on the host process
//!
//! Unless the program asks for it, the library installs no allocator, signal handler or panic hook, configures no threads, and
//! writes nothing to standard output. Native work runs on rayon's global pool, which belongs to the program: a script can't
//! change it. [`PoolAllocator`] makes training faster; the program may install it.
//!
//! # Features
//!
//! - `jupyter` (default): the command line's notebook kernel; 48 crates, which `default-features = false` leaves out.
//! - `serve` (default): models behind HTTP; 31 crates.
//! - `candle-models`: more architectures for generation and measuring.
//! - `cuda`, `metal`: candle's devices, tested only without hardware.
#![warn(missing_docs)]

#[doc(hidden)]
pub mod clean;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod data;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod format;
#[doc(hidden)]
pub mod hub;
#[doc(hidden)]
pub mod linear;
#[doc(hidden)]
pub mod measure;
#[doc(hidden)]
pub mod model;
mod nouns;
#[doc(hidden)]
pub mod plot;
#[doc(hidden)]
pub mod ranks;
mod regular;
#[doc(hidden)]
pub mod resume;
#[doc(hidden)]
pub mod retrieve;
pub mod script;
#[doc(hidden)]
pub mod search;
#[cfg(feature = "serve")]
#[doc(hidden)]
pub mod serve;
#[doc(hidden)]
pub mod tasks;
#[doc(hidden)]
pub mod tensor;
#[doc(hidden)]
pub mod token;
#[doc(hidden)]
pub mod train;

#[doc(hidden)]
pub use levain_core::{bail, error, kernel, memory, progress, rng, text};
#[doc(inline)]
pub use levain_core::{cancel, limits};
use levain_core::{number, scoped, sync, thrown};

#[doc(inline)]
pub use cancel::Cancel;
#[doc(hidden)]
pub use error::nearest;
pub use error::{Error, Result};
pub use kernel::pool::PoolAllocator;
pub use kernel::{Array, DType, Device};
pub use limits::Limits;
/// The script language, for functions that a host application registers.
pub use rhai;
pub use script::{Builder, Cause, Fault, Natives, Place, Runtime, Script, Value};
pub use tensor::Tensor;
