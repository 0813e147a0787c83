//! Reused buffers: packing is done many times per step. They hold old numbers, never uninitialized memory.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Numbers aligned to a cache line, which tiles read whole.
#[derive(Default)]
pub struct Buffer(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; 16]);

impl Deref for Buffer {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        // SAFETY: a line is sixteen numbers and nothing else
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 16) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u32] {
        // SAFETY: as above
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 16) }
    }
}

thread_local! {
    static POOL: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

pub fn take() -> Buffer {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_default()
}

pub fn give(buffer: Buffer) {
    POOL.with_borrow_mut(|pool| pool.push(buffer));
}

pub fn grow(buffer: &mut Buffer, size: usize) {
    if buffer.len() < size {
        buffer.0.resize(size.div_ceil(16), Line([0; 16]));
    }
}
