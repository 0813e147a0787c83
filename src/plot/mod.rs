//! What people look at: charts, tables, pages of them, progress.

pub mod api;
mod axis;
mod chart;
mod page;
pub mod progress;
mod png;
mod svg;
mod table;
mod terminal;

pub use axis::Axis;
pub use chart::{Chart, Kind, Series};
pub use page::{Page, Part};
pub use progress::Progress;
pub use table::Table;
