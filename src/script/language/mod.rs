//! Where levain's language differs from Rhai: silently wrong behavior of Rhai is corrected or an error. `docs/language.md`
//! lists the decisions.

mod compare;
mod ints;
mod keys;
mod missing;
mod signs;
mod unequal;

pub use compare::{Pairs, advice, equal_values, order};
pub use ints::comparisons;
pub use missing::{ASSIGNED, read as missing_key};
pub use signs::name as comparison;
pub use unequal::Unequal;

use rhai::Engine;

pub fn install(engine: &mut Engine, pairs: &Pairs) {
    compare::install(engine, pairs);
    keys::install(engine);
}
