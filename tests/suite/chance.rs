//! Random numbers for tests, equal in every run.

use levain::rng::splitmix;

/// A number that fits into an index.
pub fn next(state: &mut u64) -> usize {
    (splitmix(state) >> 1) as usize
}

/// From 0 to 1.
pub fn share(state: &mut u64) -> f64 {
    (splitmix(state) >> 11) as f64 / (1u64 << 53) as f64
}
