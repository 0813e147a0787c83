//! Words, as split by the pre-tokenizer: found, counted and stored.

mod count;
mod hash;
mod pre_tokenize;
pub mod split;
mod tasks;
mod word_counts;

pub use count::{CountedWords, Counter, count};
pub use hash::{FastBuildHasher, FastMap, FastSet};
pub use pre_tokenize::{Spans, of_text};
pub use tasks::in_tasks;
