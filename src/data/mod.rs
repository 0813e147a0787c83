//! Data: rows of named fields, from files and to files, to tokens, to batches.

pub mod api;
mod arrow;
mod batch;
pub mod batches;
mod chunk;
mod column;
mod dataset;
mod digits;
pub mod encode;
mod encoded;
mod excerpts;
mod fields;
mod pack;
mod read;
mod split;
pub mod step;
pub mod stream;
mod stream_batches;
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
pub use read::{By, Charset, DataFormat, Found, Packing, Source, TextForm, detect, detect_file, format_of, read};
pub use stream::Stream;
pub use stream_batches::{EncodedStream, StreamBatches};
pub use table::{ColumnTable, TableBuilder};
pub use write::{SaveOptions, save, save_stream};
