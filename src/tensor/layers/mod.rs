//! Layers of networks written in scripts.

mod channel_norm;
mod conv;
mod crf;
mod pool;
mod recurrent;
mod segments;

pub use channel_norm::{batch_norm, batch_norm_by, group_norm};
pub use conv::{ConvWindow, Padding, conv1d, conv2d};
pub use crf::{Allowed, Crf, CrfReduction, crf, decode};
pub use pool::{Pool, SegmentPool, Windows, adaptive_windows, pool, segment_pool, windows};
pub use recurrent::{Cell, Direction, Recurrent, States};
