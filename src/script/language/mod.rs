//! The language where it is levain's own: what Rhai does in silence is right here, or an error. `docs/language.md` says
//! what was decided.

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
