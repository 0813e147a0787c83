//! Prefetching of packed panels.

/// Prefetches the next panel from the shared cache while a tile is computed. A line there is hundreds of cycles away, and the
/// hardware prefetcher can't predict where the next panel begins.
#[derive(Clone, Copy)]
pub struct Prefetch {
    pub from: *const u32,
    /// Numbers from one step to the next.
    pub pace: usize,
}

impl Prefetch {
    /// The share of one of `count` tiles that together prefetch the panel after `panel`.
    pub fn next_panel(panel: &[u32], steps: usize, tile: usize, count: usize) -> Prefetch {
        let pace = (panel.len() / steps).div_ceil(count);
        Prefetch { from: panel.as_ptr().wrapping_add(panel.len() + tile * steps * pace), pace }
    }

    /// Prefetches only lines that are already cached.
    pub fn none(panel: &[u32]) -> Prefetch {
        Prefetch { from: panel.as_ptr(), pace: 0 }
    }
}
