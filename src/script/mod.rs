//! The host: everything that knows Rhai, apart from the nouns' own `api/`.

mod api;
pub mod checker;
mod compile;
mod declared;
pub mod diff;
pub mod display;
pub mod doc;
pub mod examples;
pub mod explain;
mod fault;
mod forms;
mod host;
mod hygiene;
mod input;
mod language;
mod library;
pub mod lookup;
mod modules;
mod needs;
pub mod notebook;
mod options;
mod origins;
mod output;
pub mod registry;
pub mod runtime;
mod session;
mod signatures;
mod sources;
pub mod stdlib;
pub mod suite;
mod tables;

pub use fault::{Cause, Fault, Place, Res, is_interrupted};
pub use host::{Host, Noun, note_panic};
pub use input::Input;
pub use needs::Needs;
pub use notebook::Notebook;
pub use options::{Kind, Opt, Options, opt};
pub use output::Output;
pub use runtime::{Builder, Runtime, Script, Value};
pub use sources::{plain, read_script};
pub use tables::OptionKey;

/// What an `api/mod.rs` needs: `use crate::script::prelude::*;`
pub mod prelude {
    pub use super::{Host, Kind, Opt, Options, Res, opt};
    pub use crate::{Error, bail};
    pub use rhai::plugin::*;
    pub use rhai::{Array as List, Dynamic, FLOAT, FnPtr, INT, ImmutableString, Map, NativeCallContext};
}
