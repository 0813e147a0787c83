//! What people look at: charts, tables, progress.

pub mod api;
pub mod progress;

pub use progress::Progress;
