//! Output for people: charts, tables, pages and progress.

pub mod api;
mod axis;
mod bar;
mod chart;
mod page;
mod png;
pub mod progress;
mod save;
mod svg;
mod table;
mod terminal;

pub use axis::Axis;
pub use chart::{Chart, Series, SeriesKind};
pub use page::{Page, Part};
pub use progress::Progress;
pub use table::Table;
