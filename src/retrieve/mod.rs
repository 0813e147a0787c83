//! Retrieval: finds the passages of a collection that best answer a question, by words, by a model's hidden states, or by both.
//!
//! The index is in memory, and can be saved: an experiment searches some 10^5 passages for an hour. That is why BM25 is
//! implemented here instead of using a search engine: tantivy 0.26 without its features took 181 CPU seconds to compile, for
//! on-disk segments that are not needed here.

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
