//! Training: what changes weights, and what lets a run be stopped and gone on with.

pub mod api;
pub mod names;
pub mod optimizer;
pub mod update;

pub use optimizer::{Group, Optimizer, Rule};
