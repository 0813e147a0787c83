//! What a word means here: verbs, options and modules by their names, and by those that other libraries give them.

mod catalog;

pub use catalog::{Catalog, OptionHit, made_by, option_of, plain};

use super::{Host, registry};

impl Catalog {
    /// What a host has.
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
