//! A result that several tasks write, each its own part.

/// A result of which each task writes its own part. Every part is checked to be inside it.
#[derive(Clone, Copy)]
pub(super) struct SharedOutput {
    start: *mut f32,
    count: usize,
}
// SAFETY: tasks write disjoint parts, as the callers promise
unsafe impl Send for SharedOutput {}
unsafe impl Sync for SharedOutput {}

impl SharedOutput {
    pub fn of(result: &mut [f32]) -> SharedOutput {
        SharedOutput { start: result.as_mut_ptr(), count: result.len() }
    }

    /// The start of a matrix of `rows` rows of `width` numbers, `stride` apart.
    pub fn at(self, offset: usize, [rows, width]: [usize; 2], stride: usize) -> *mut f32 {
        assert!(offset + rows.saturating_sub(1) * stride + width <= self.count, "a part beyond its result");
        // SAFETY: as asserted
        unsafe { self.start.add(offset) }
    }

    /// # Safety
    /// Nothing else uses this part.
    pub unsafe fn part<'a>(self, offset: usize, count: usize) -> &'a mut [f32] {
        let start = self.at(offset, [1, count], count);
        // SAFETY: it is inside the result, and used by the caller alone, as promised
        unsafe { std::slice::from_raw_parts_mut(start, count) }
    }
}
