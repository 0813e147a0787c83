//! Clean: removes noise from texts, finds duplicates and low-quality rows, and reports why each row was removed.

pub mod api;
pub mod chinese;
pub mod cuts;
mod entities;
pub mod fetch;
mod html;
pub mod language;
pub mod leaks;
mod mojibake;
pub mod near;
mod normalize;
pub mod pii;
mod rewrite;
pub mod rules;
pub mod run;
pub mod score;
mod shorten;
mod sift;
mod sorted;
mod spill;
mod unique;

pub use entities::unescape;
pub use html::{Part, html_title, html_to_text};
pub use mojibake::{fix as fix_mojibake, is_bad as is_mojibake};
pub use normalize::{Form, Normalize, Space, Width, normalize};
pub use rewrite::Rewrite;
pub use shorten::{Shorten, UniqueParts};
pub use sift::Sift;
pub use unique::{Unique, near_groups, texts};
