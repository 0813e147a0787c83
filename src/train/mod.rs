//! Training: optimizers, checkpoints, records, and claims on runs.

pub mod api;
pub mod checkpoint;
pub mod claim;
mod events;
mod heartbeat;
pub mod optimizer;
pub mod over_ranks;
mod owner;
pub mod record;
mod shards;
mod status;

pub use checkpoint::Checkpoint;
pub use claim::Claim;
pub use optimizer::{Group, Optimizer, Rule};
pub use record::{Record, Row};
pub use status::Status;
