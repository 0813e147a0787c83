//! Training: optimizers, checkpoints, records, and claims on runs.

pub mod api;
pub mod checkpoint;
pub mod claim;
mod events;
pub mod optimizer;
pub mod record;

pub use checkpoint::Checkpoint;
pub use claim::Claim;
pub use optimizer::{Group, Optimizer, Rule};
pub use record::{Record, Row};
