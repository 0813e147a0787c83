//! What people look at: charts, tables, pages of them, progress.

pub mod api;
mod axis;
mod bar;
mod chart;
mod page;
mod png;
pub mod progress;
mod svg;
mod table;
mod terminal;

pub use axis::Axis;
pub use chart::{Chart, Kind, Series};
pub use page::{Page, Part};
pub use progress::Progress;
pub use table::Table;
