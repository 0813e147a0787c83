//! Option tables: the keys that a verb accepts, native or written in Rhai. The checker, Tab and help read them here.
//!
//! The table of a function written in Rhai is read from its syntax tree, without running it: it is the argument before the
//! parameter in `options("who", DEFAULTS, given)`, with constants of this module and of others looked up.

mod key;
mod reader;
mod source;
mod tree;
mod uses;

pub use key::OptionKey;
pub use reader::{Known, Reader};
pub use source::{Entry, Source};
pub use tree::{Link, READS, choice, defaults, laid_over, links, method, race, root};
pub use uses::Uses;
