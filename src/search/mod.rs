//! Hyperparameter search: suggests trials, and stops them early.
//!
//! A suggestion is a function only of the seed, the trial's number and the results visible to it: any number of processes, killed
//! and resumed or not, run the same trials.

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
