//! Retrieval: the passages of a collection that answer a question best, by their words, by a model's states, or by both.
//!
//! The index lives in memory, and can be saved: an experiment searches some 10^5 passages for an hour and is done. That is why BM25 is
//! written here and not taken from a search engine: tantivy 0.26 without its features took 181 CPU seconds to compile, for
//! segments on disk that nothing here wants.

pub mod api;
mod bm25;
mod dense;
mod file;
mod index;
mod terms;

pub use bm25::Bm25;
pub use dense::{Dense, PassageEncoder};
pub use index::{Hit, Index, SearchMethod};
pub use terms::terms;
