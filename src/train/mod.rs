//! Training: what changes weights, and what lets a run be stopped and gone on with.

pub mod api;
pub mod checkpoint;
pub mod names;
pub mod optimizer;
pub mod record;

pub use checkpoint::Checkpoint;
pub use optimizer::{Group, Optimizer, Rule};
pub use record::{Record, Row};
