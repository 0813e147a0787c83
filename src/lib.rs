//! levain: the Rhai scripting language with tensors, tokenizers, datasets, language models and training in it.
//!
//! Each noun is a folder: its mechanism in plain Rust, and an `api/` that shows it to scripts.
//!
//! The library has the manners of a guest: it installs no allocator and no signal handler, sets up no threads and writes
//! nothing to standard output, unless the program asks for it.

pub mod cancel;
pub mod cli;
pub mod data;
pub mod error;
pub mod files;
pub mod format;
pub mod kernel;
pub mod limits;
pub mod linear;
pub mod measure;
pub mod memory;
pub mod model;
mod nouns;
mod number;
pub mod plot;
pub mod progress;
pub mod resume;
pub mod retrieve;
pub mod rng;
mod scoped;
pub mod script;
mod sync;
pub mod tensor;
pub mod text;
pub mod token;
pub mod train;

pub use cancel::Cancel;
pub use error::{Error, Result, nearest};
pub use limits::Limits;
/// The script language, for what a host application registers.
pub use rhai;
pub use script::{Builder, Runtime, Script, Value};
