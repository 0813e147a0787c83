//! The program's allocator: a pool of large blocks over the system's.
//!
//! A training step frees and allocates the same large blocks again and again. Giving them back to the operating
//! system costs a page fault, and a cleared page, for every 4 KiB the next time: a third of a naive step. So large
//! blocks are kept here between uses, side by side in large pages: memory is read a fifth faster through
//! them. Small ones are the system allocator's.
//!
//! The library installs nothing: `main.rs` makes [`PoolAllocator`] the global allocator, and another host may too.

mod free;
mod system;
mod watch;

use super::profile;
use crate::memory::{self, Keeper};
use crate::sync::unpoisoned;
use free::Free;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Above this size a block is kept.
const LARGE: usize = 128 << 10;
/// Sizes of blocks are multiples of this: whole pages.
const UNIT: usize = 16 << 10;
/// What is asked of the system at once, for blocks of up to a quarter of it: memory that nobody touches costs nothing.
const EXTENT: usize = 256 << 20;
/// What may be held beyond the most that was ever in use at once, and half of that: what one step gives back the next
/// one needs.
const IDLE: usize = 256 << 20;

/// The small blocks that the system's allocator keeps at the end of its memory.
const SMALL_IDLE: usize = 256 << 20;

/// An allocator that keeps large blocks for the next use.
///
/// ```ignore
/// #[global_allocator]
/// static ALLOCATOR: levain::kernel::pool::PoolAllocator = levain::kernel::pool::PoolAllocator;
/// ```
pub struct PoolAllocator;

/// Whether the program has the system's allocator keep small blocks.
static TUNED: AtomicBool = AtomicBool::new(false);

struct Pool {
    free: Free,
    used: usize,
    peak: usize,
    /// What is left of the last extent: its first address, and how many bytes.
    fresh: (usize, usize),
}

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Free::new(), used: 0, peak: 0, fresh: (0, 0) });

/// The size of the block for this many bytes.
fn block_size(bytes: usize) -> usize {
    bytes.next_multiple_of(UNIT)
}

/// Whether a block of this layout is kept here.
fn large(layout: &Layout) -> bool {
    cfg!(target_os = "linux") && layout.size() > LARGE && layout.align() <= 4096
}

impl Pool {
    /// A block of this size, and whether it is known to be zero; null where the system has none.
    fn take(&mut self, size: usize) -> (*mut u8, bool) {
        if watch::is_on() {
            self.make_room(size);
        }
        let (place, zero) = match self.free.take(size) {
            Some(place) => (place, false),
            None => (self.fresh(size), true),
        };
        if place != 0 {
            self.used += size;
            self.peak = self.peak.max(self.used);
            if zero {
                self.trim();
            }
        }
        (place as *mut u8, zero)
    }

    /// The address of a block that nobody has used yet; 0 where the system has none.
    fn fresh(&mut self, size: usize) -> usize {
        memory::kept_by(&PoolAllocator);
        if size > EXTENT / 4 {
            return system::reserve(size) as usize;
        }
        if self.fresh.1 < size {
            // no memory lies behind the rest of the last one: it was never touched
            let extent = system::reserve(EXTENT) as usize;
            if extent == 0 {
                return system::reserve(size) as usize;
            }
            self.fresh = (extent, EXTENT);
        }
        let place = self.fresh.0;
        self.fresh = (place + size, self.fresh.1 - size);
        place
    }

    fn put(&mut self, block: *mut u8, size: usize) {
        self.free.put(block as usize, size);
        self.used -= size;
    }

    /// Ends the process where a block of this size is beyond its limit; before that gives back what lies idle.
    #[cold]
    fn make_room(&mut self, size: usize) {
        if watch::is_in_use_beyond(self.used + size) {
            memory::end();
        }
        // a range that is used again is held already
        let more = if self.free.has(size) { 0 } else { size };
        while watch::is_held_beyond(more)
            && let Some((place, size)) = self.free.take_largest()
        {
            system::release(place as *mut u8, size);
        }
        if watch::is_held_beyond(more) {
            system::trim_small();
            if watch::is_held_beyond(more) {
                memory::end();
            }
        }
    }

    /// Gives unused memory back, largest ranges first, when too much lies idle.
    fn trim(&mut self) {
        while self.used + self.free.bytes() > self.peak + self.peak / 2 + IDLE
            && let Some((place, size)) = self.free.take_largest()
        {
            system::release(place as *mut u8, size);
        }
    }
}

fn pool<T>(work: impl FnOnce(&mut Pool) -> T) -> T {
    let mut pool = unpoisoned(POOL.lock());
    let done = work(&mut pool);
    memory::set_pooled(pool.free.bytes());
    done
}

/// Has the system's allocator keep small blocks too: for the start of a program with this allocator.
pub fn tune() {
    TUNED.store(true, Ordering::Relaxed);
    system::keep_small(SMALL_IDLE);
    memory::kept_by(&PoolAllocator);
}

impl Keeper for PoolAllocator {
    fn in_use(&self) -> usize {
        pool(|pool| pool.used)
    }

    fn kept_small(&self) -> usize {
        system::unused_small_bytes()
    }

    fn all_in_use(&self) -> usize {
        watch::in_use(self.in_use())
    }

    fn limit(&self, bytes: usize) {
        // a script fills as much again between two looks, and what it frees goes back sooner
        system::keep_small(bytes / 32);
        watch::limit(bytes, self.in_use());
    }

    fn give_back(&self) {
        // the settings of a host's allocator are the host's
        if TUNED.load(Ordering::Relaxed) {
            system::trim_small();
        }
        pool(|pool| {
            while let Some((place, size)) = pool.free.take_largest() {
                system::release(place as *mut u8, size);
            }
            pool.peak = pool.used;
        });
    }
}

/// A block for this layout, and whether it is known to be zero.
fn block(layout: &Layout) -> (*mut u8, bool) {
    pool(|pool| pool.take(block_size(layout.size())))
}

/// Small blocks of `from` bytes became ones of `to` bytes, 0 for none.
#[inline]
fn small(from: usize, to: usize) {
    if watch::small(from, to) {
        look();
    }
}

/// Ends the process where it holds more than its limit.
#[cold]
fn look() {
    if !watch::is_held_beyond(0) {
        watch::seen();
    } else if let Ok(mut pool) = POOL.try_lock() {
        // else a block of the pool's own: whoever has the lock looks, or the next block does
        pool.make_room(0);
        memory::set_pooled(pool.free.bytes());
        watch::seen();
    }
}

// SAFETY: blocks are disjoint, of at least the size asked for, aligned to pages; whether a block is pooled or
// the system's depends on its layout alone, which is the same when it is freed
unsafe impl GlobalAlloc for PoolAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        profile::allocated(layout.size());
        if large(&layout) {
            return block(&layout).0;
        }
        small(0, layout.size());
        // SAFETY: as promised by the caller
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        profile::allocated(layout.size());
        if large(&layout) {
            let (block, zero) = block(&layout);
            if !block.is_null() && !zero {
                // SAFETY: the block has this size
                unsafe { block.write_bytes(0, layout.size()) };
            }
            return block;
        }
        small(0, layout.size());
        // SAFETY: as promised by the caller
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        profile::freed(layout.size());
        if large(&layout) {
            return pool(|pool| pool.put(block, block_size(layout.size())));
        }
        small(layout.size(), 0);
        // SAFETY: as promised by the caller, and not kept: it came from the system
        unsafe { System.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is valid for this alignment
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (large(&layout), large(&new)) {
            (false, false) => {
                profile::grown(layout.size(), size);
                small(layout.size(), size);
                // SAFETY: as promised by the caller
                unsafe { System.realloc(block, layout, size) }
            }
            (true, true) if block_size(layout.size()) == block_size(size) => {
                profile::grown(layout.size(), size);
                block
            }
            // SAFETY: both blocks hold at least the smaller size, and are different
            _ => unsafe {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    moved.copy_from_nonoverlapping(block, layout.size().min(size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}
