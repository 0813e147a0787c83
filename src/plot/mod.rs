//! What people look at: charts, tables, progress.

pub mod api;
mod axis;
mod chart;
pub mod progress;
mod svg;
mod table;
mod terminal;

pub use axis::Axis;
pub use chart::{Chart, Kind, Series};
pub use progress::Progress;
pub use table::Table;
