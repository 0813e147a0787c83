//! A result that several tasks write, each a part of its own.

/// A result of which every task writes a part of its own. Every part is checked to lie in it.
#[derive(Clone, Copy)]
pub(super) struct SharedOutput {
    start: *mut f32,
    count: usize,
}
// SAFETY: tasks write disjoint parts, as whoever asks for one promises
unsafe impl Send for SharedOutput {}
unsafe impl Sync for SharedOutput {}

impl SharedOutput {
    pub fn of(result: &mut [f32]) -> SharedOutput {
        SharedOutput { start: result.as_mut_ptr(), count: result.len() }
    }

    /// Where a matrix of `rows` rows of `width` numbers, `stride` apart, begins.
    pub fn at(self, offset: usize, [rows, width]: [usize; 2], stride: usize) -> *mut f32 {
        assert!(offset + rows.saturating_sub(1) * stride + width <= self.count, "a part beyond its result");
        // SAFETY: as asserted
        unsafe { self.start.add(offset) }
    }

    /// # Safety
    /// Nobody else uses this part.
    pub unsafe fn part<'a>(self, offset: usize, count: usize) -> &'a mut [f32] {
        let start = self.at(offset, [1, count], count);
        // SAFETY: it lies in the result, and is the caller's alone, as promised
        unsafe { std::slice::from_raw_parts_mut(start, count) }
    }
}
