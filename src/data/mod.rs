//! Data: rows of named fields, from files and to files, to tokens, to batches.

pub mod api;
mod arrow;
mod batch;
pub mod batches;
mod blocks;
mod chunk;
mod column;
mod dataset;
mod digits;
pub mod encode;
mod encoded;
mod excerpts;
pub mod labeled;
mod pack;
mod present;
mod read;
mod split;
pub mod stream;
mod strings;
mod table;
pub mod tags;
mod write;

pub use batch::Batch;
pub use batches::Batches;
pub use chunk::chunk;
pub use column::{Cell, Column};
pub use dataset::Dataset;
pub use encoded::Encoded;
pub use excerpts::{Cut, Excerpt, excerpts};
pub use read::{By, DataFormat, Packing, TextForm, format_of, read};
pub use stream::{EncodedStream, Stream, StreamBatches};
pub use table::{ColumnTable, TableBuilder};
pub use write::{save, save_in};
