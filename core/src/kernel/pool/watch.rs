//! A hard limit on the memory of the process, held block by block: a native verb that fills memory with small blocks looks at
//! nothing else meanwhile. Without a limit a block costs one relaxed load.

use crate::memory;
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

/// The bytes that the process may hold.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// What it held when the limit was set, without the large blocks that were in use then.
static BASE: AtomicUsize = AtomicUsize::new(0);
/// Bytes of small blocks that came into use since then, but for the last few of each thread.
static SMALL: AtomicIsize = AtomicIsize::new(0);

/// A thread tells the others of so many bytes at once.
const TOLD: isize = 64 << 10;
/// After so many bytes of new small blocks a thread looks at what the process holds.
const LOOK: usize = 256 << 10;

thread_local! {
    /// Bytes that the others do not know of yet.
    static UNTOLD: Cell<isize> = const { Cell::new(0) };
    /// Bytes of new blocks since this thread looked last.
    static UNSEEN: Cell<usize> = const { Cell::new(0) };
}

/// Limits the process to so many bytes; `large` bytes of large blocks are in use.
pub fn limit(bytes: usize, large: usize) {
    BASE.store(usize::try_from(memory::resident_bytes()).unwrap_or(0).saturating_sub(large), Relaxed);
    LIMIT.store(bytes, Relaxed);
}

#[inline]
pub fn is_on() -> bool {
    LIMIT.load(Relaxed) != usize::MAX
}

/// Bytes of all that is in use, written to or not, with so many in large blocks; 0 without a limit.
pub fn in_use(large: usize) -> usize {
    if !is_on() {
        return 0;
    }
    (BASE.load(Relaxed) + large).saturating_add_signed(SMALL.load(Relaxed))
}

/// Whether all that is in use, with `large` bytes in large blocks, is beyond the limit.
pub fn is_in_use_beyond(large: usize) -> bool {
    in_use(large) > LIMIT.load(Relaxed)
}

/// Whether what the process holds is beyond the limit, with `more` bytes that it is about to hold.
pub fn is_held_beyond(more: usize) -> bool {
    usize::try_from(memory::resident_bytes()).unwrap_or(usize::MAX).saturating_add(more) > LIMIT.load(Relaxed)
}

/// What the system's allocator takes for a small block.
fn block(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}

/// Small blocks of `from` bytes were freed, and others of `to` bytes allocated, 0 for none; whether it is time to look at what
/// the process holds.
#[inline]
pub fn small(from: usize, to: usize) -> bool {
    is_on() && count(from, to)
}

#[cold]
fn count(from: usize, to: usize) -> bool {
    let size = |bytes: usize| if bytes == 0 { 0 } else { block(bytes) };
    let untold = UNTOLD.get() + size(to) as isize - size(from) as isize;
    if untold.abs() < TOLD {
        UNTOLD.set(untold);
    } else {
        SMALL.fetch_add(untold, Relaxed);
        UNTOLD.set(0);
    }
    let unseen = UNSEEN.get() + size(to).saturating_sub(size(from));
    UNSEEN.set(unseen);
    unseen >= LOOK
}

/// This thread has looked.
pub fn seen() {
    UNSEEN.set(0);
}
