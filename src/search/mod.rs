//! Searching for hyper-parameters: what to try next, and what to stop early.
//!
//! What is suggested is a function of the seed, of the trial's number and of the results that it may see, and of nothing else: any number of
//! processes, killed and resumed or not, make the same trials.

pub mod api;
mod forest;
mod goals;
mod grid;
mod halving;
mod importance;
mod ladder;
mod parzen;
mod space;
mod tpe;

pub use grid::grid;
pub use halving::Rung;
pub use importance::importance;
pub use ladder::{Ladder, Leg, Next, Rule};
pub use space::{Domain, Param, Space};
pub use tpe::{Past, suggest};
