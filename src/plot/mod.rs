//! Output for people: charts, tables, pages and progress.

pub mod api;
mod axis;
mod bar;
mod chart;
mod forest;
mod page;
mod parallel;
mod png;
pub mod progress;
mod save;
mod style;
mod svg;
mod table;
mod terminal;

pub use axis::Axis;
pub use chart::{Chart, Series, SeriesKind};
pub use forest::{Decision, Effect, Forest};
pub use page::{Page, Part};
pub use parallel::{Measure, Parallel};
pub use progress::Progress;
pub use table::Table;
