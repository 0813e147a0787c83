//! Data: rows of named fields, from files and to files, to tokens, to batches.

pub mod api;
mod arrow;
mod batch;
pub mod batches;
mod blocks;
pub mod cast;
mod chat_plan;
mod chat_rows;
mod chunk;
mod column;
mod dataset;
mod digits;
pub mod encode;
mod encoded;
mod excerpts;
mod fields;
pub mod grouped;
pub mod labeled;
pub mod mask;
pub mod missing;
mod order;
mod pack;
pub mod pairs;
mod present;
mod read;
pub mod shared;
mod source;
mod split;
pub mod step;
pub mod stream;
mod stream_batches;
mod stream_crew;
mod stream_parts;
mod strings;
mod table;
pub mod tags;
pub mod wire;
mod write;

pub use batch::Batch;
pub use batches::Batches;
pub use chunk::chunk;
pub use column::{Cell, Column};
pub use dataset::Dataset;
pub use encoded::Encoded;
pub use excerpts::{Cut, Excerpt, excerpts};
pub use read::{
    By, Charset, DataFormat, Found, Packing, Source, TextForm, decode_lossy, detect, detect_file, format_of,
    labeled_charset, read,
};
pub use stream::Stream;
pub use stream_batches::{EncodedStream, RowPlan, StreamBatches};
pub use table::{ColumnTable, TableBuilder};
pub use write::{SaveOptions, join_files, save, save_in, save_stream};
