//! Looks up a word: verbs, options and modules by their names here and in other libraries.

mod catalog;

pub use catalog::{Catalog, OptionHit, made_by, option_of, plain};

use super::{Host, registry};

impl Catalog {
    /// The catalog of a host.
    pub fn of(host: &Host) -> Catalog {
        let functions = registry::functions(host, false);
        let shown = functions.iter().filter(|function| !function.is_inner);
        let options = shown
            .map(|function| (function.name.clone(), host.option_keys(&function.name)))
            .filter(|(_, keys)| !keys.is_empty())
            .collect();
        Catalog::new(functions, options)
    }
}
