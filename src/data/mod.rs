//! Data: rows of named fields, from files and to files, to tokens, to batches.

pub mod api;
mod arrow;
mod batch;
mod column;
mod dataset;
mod read;
mod table;
mod write;

pub use batch::Batch;
pub use column::{Cell, Column};
pub use dataset::Dataset;
pub use read::{By, Format, Packing, format_of, read};
pub use table::{Builder, Table};
pub use write::save;
