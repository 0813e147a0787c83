//! Prefetching of packed panels.

/// Prefetching of the next panel from the cache that all cores share, while a tile is made. There a line is hundreds of
/// cycles away, and the processor does not foresee where the next panel begins.
#[derive(Clone, Copy)]
pub struct Prefetch {
    pub from: *const u32,
    /// Numbers from one step to the next.
    pub pace: usize,
}

impl Prefetch {
    /// The part that falls to one of `count` tiles when they fetch the panel after `panel` between them.
    pub fn next_panel(panel: &[u32], steps: usize, tile: usize, count: usize) -> Prefetch {
        let pace = (panel.len() / steps).div_ceil(count);
        Prefetch { from: panel.as_ptr().wrapping_add(panel.len() + tile * steps * pace), pace }
    }

    /// Only lines that are there already.
    pub fn none(panel: &[u32]) -> Prefetch {
        Prefetch { from: panel.as_ptr(), pace: 0 }
    }
}
