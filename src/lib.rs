//! levain: the Rhai scripting language with tensors, tokenizers, datasets, language models and training in it.
//!
//! Each noun is a folder: its mechanism in plain Rust, and one `api.rs` that shows it to scripts.

pub mod bounds;
pub mod cancel;
pub mod cli;
pub mod data;
pub mod error;
pub mod files;
pub mod keep;
pub mod kernel;
mod local;
pub mod measure;
pub mod model;
pub mod plot;
pub mod retrieve;
pub mod script;
mod sync;
pub mod tensor;
pub mod text;
pub mod token;
pub mod train;

pub use bounds::Limits;
pub use cancel::Cancel;
pub use error::{Error, Result, nearest};
/// The script language, for what a host application registers.
pub use rhai;
pub use script::{Builder, Runtime, Script, Value};
