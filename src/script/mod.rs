//! Scripts: the runtime that runs them inside a program ([`Runtime`]), and their errors ([`Fault`]).
//!
//! The host: everything that depends on Rhai, except the nouns' own `api/`.

mod abroad;
mod api;
#[doc(hidden)]
pub mod checker;
mod compile;
#[doc(hidden)]
pub mod current;
mod declared;
#[doc(hidden)]
pub mod diff;
#[doc(hidden)]
pub mod display;
#[doc(hidden)]
pub mod doc;
#[doc(hidden)]
pub mod examples;
#[doc(hidden)]
pub mod explain;
mod fault;
mod forms;
mod host;
mod hygiene;
mod input;
mod language;
mod library;
#[doc(hidden)]
pub mod lookup;
mod modules;
mod natives;
mod needs;
#[doc(hidden)]
pub mod notebook;
mod options;
mod origins;
#[doc(hidden)]
pub mod output;
mod own_names;
mod purity;
#[doc(hidden)]
pub mod registry;
mod runtime;
mod session;
mod signatures;
mod sources;
#[doc(hidden)]
pub mod stdlib;
#[doc(hidden)]
pub mod suite;
mod tables;
mod value;

pub use fault::{Cause, Fault, Place};
#[doc(hidden)]
pub use fault::{Res, carried, is_interrupted};
#[doc(hidden)]
pub use host::{Host, Noun, fix_hashes, note_panic};
#[doc(hidden)]
pub use input::Input;
#[doc(hidden)]
pub use language::Unequal;
pub use natives::Natives;
#[doc(hidden)]
pub use needs::Needs;
#[doc(hidden)]
pub use notebook::Notebook;
#[doc(hidden)]
pub use options::{Kind, Opt, Options, opt};
#[doc(hidden)]
pub use output::Output;
#[doc(hidden)]
pub use purity::{Purity, is_pure, purity};
pub use runtime::{Builder, Runtime, Script};
#[doc(hidden)]
pub use sources::{plain, read_script};
#[doc(hidden)]
pub use tables::OptionKey;
pub use value::Value;

/// The imports of every `api/mod.rs`: `use crate::script::prelude::*;`
#[doc(hidden)]
pub mod prelude {
    pub use super::explain::{as_number, type_in_words};
    pub use super::{Host, Kind, Opt, Options, Res, opt};
    pub use crate::{Error, bail};
    pub use rhai::plugin::*;
    pub use rhai::{Array as List, Dynamic, FLOAT, FnPtr, INT, ImmutableString, Map, NativeCallContext};
}
