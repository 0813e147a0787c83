//! The host: everything that knows Rhai, apart from the nouns' own `api.rs`.

mod fault;
mod host;
mod options;

pub use fault::Res;
pub use host::Host;
pub use options::{Kind, Opt, Options, opt};

/// What an `api.rs` needs: `use crate::script::prelude::*;`
pub mod prelude {
    pub use super::{Host, Kind, Opt, Options, Res, opt};
    pub use crate::{Error, bail};
    pub use rhai::plugin::*;
    pub use rhai::{Array as List, Dynamic, FLOAT, FnPtr, INT, ImmutableString, Map, NativeCallContext};
}
