//! A hard limit on the memory of the process, enforced block by block: a native verb that fills memory with small blocks makes no
//! other checks meanwhile. Without a limit a block costs one relaxed load.

use crate::memory;
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

/// Maximum bytes of the process.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Memory held when the limit was set, without the large blocks in use then.
static BASE: AtomicUsize = AtomicUsize::new(0);
/// Bytes of small blocks allocated since then, except the last few of each thread.
static SMALL: AtomicIsize = AtomicIsize::new(0);

/// A thread publishes its count in steps of this many bytes.
const TOLD: isize = 64 << 10;
/// A thread checks the memory of the process after this many bytes of new small blocks.
const LOOK: usize = 256 << 10;

thread_local! {
    /// Bytes not yet published.
    static UNTOLD: Cell<isize> = const { Cell::new(0) };
    /// Bytes of new blocks since this thread's last check.
    static UNSEEN: Cell<usize> = const { Cell::new(0) };
}

/// Limits the process to `bytes`; `large` bytes of large blocks are in use.
pub fn limit(bytes: usize, large: usize) {
    BASE.store(usize::try_from(memory::resident_bytes()).unwrap_or(0).saturating_sub(large), Relaxed);
    LIMIT.store(bytes, Relaxed);
}

#[inline]
pub fn is_on() -> bool {
    LIMIT.load(Relaxed) != usize::MAX
}

/// Bytes of all memory in use, written to or not, with `large` bytes in large blocks; 0 without a limit.
pub fn in_use(large: usize) -> usize {
    if !is_on() {
        return 0;
    }
    (BASE.load(Relaxed) + large).saturating_add_signed(SMALL.load(Relaxed))
}

/// Whether all memory in use, with `large` bytes in large blocks, exceeds the limit.
pub fn is_in_use_beyond(large: usize) -> bool {
    in_use(large) > LIMIT.load(Relaxed)
}

/// Whether the memory held by the process, with `more` bytes about to be allocated, exceeds the limit.
pub fn is_held_beyond(more: usize) -> bool {
    usize::try_from(memory::resident_bytes()).unwrap_or(usize::MAX).saturating_add(more) > LIMIT.load(Relaxed)
}

/// Bytes that the system allocator uses for a small block.
fn block(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}

/// Records that small blocks of `from` bytes were freed and others of `to` bytes allocated, 0 for none; returns whether it is
/// time to check the memory of the process.
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

/// Records a check by this thread.
pub fn seen() {
    UNSEEN.set(0);
}
