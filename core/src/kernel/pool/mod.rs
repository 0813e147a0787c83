//! The program's allocator: a pool of large blocks on top of the system allocator.
//!
//! A training step frees and allocates the same large blocks again and again. Returning them to the operating system costs a page
//! fault, and a cleared page, for every 4 KiB the next time: a third of a naive step. So the pool keeps large blocks between
//! uses, contiguous in large pages, which make reading a fifth faster. Small blocks go to the system allocator.
//!
//! The library installs nothing: `main.rs` makes [`PoolAllocator`] the global allocator, and another host may do so too.

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

/// Minimum size of pooled blocks.
const LARGE: usize = 128 << 10;
/// Block sizes are multiples of this: whole pages.
const UNIT: usize = 16 << 10;
/// Size of a request to the system, for blocks of up to a quarter of it: untouched memory costs nothing.
const EXTENT: usize = 256 << 20;
/// Idle memory allowed beyond the peak in use, and half of the peak: what one step frees the next one needs.
const IDLE: usize = 256 << 20;

/// Small blocks that the system allocator may keep at the end of its memory.
const SMALL_IDLE: usize = 256 << 20;

/// An allocator that keeps large blocks for the next use.
///
/// ```ignore
/// #[global_allocator]
/// static ALLOCATOR: levain::kernel::pool::PoolAllocator = levain::kernel::pool::PoolAllocator;
/// ```
pub struct PoolAllocator;

/// Whether the program lets the system allocator keep small blocks.
static TUNED: AtomicBool = AtomicBool::new(false);

struct Pool {
    free: Free,
    used: usize,
    peak: usize,
    /// The rest of the last extent: its first address, and its bytes.
    fresh: (usize, usize),
}

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Free::new(), used: 0, peak: 0, fresh: (0, 0) });

/// The block size for this many bytes.
fn block_size(bytes: usize) -> usize {
    bytes.next_multiple_of(UNIT)
}

/// Whether blocks of this layout are pooled.
fn large(layout: &Layout) -> bool {
    cfg!(target_os = "linux") && layout.size() > LARGE && layout.align() <= 4096
}

impl Pool {
    /// Returns a block of this size, and whether it is known to be zero; null if the system has no memory.
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

    /// The address of an unused block; 0 if the system has no memory.
    fn fresh(&mut self, size: usize) -> usize {
        memory::kept_by(&PoolAllocator);
        if size > EXTENT / 4 {
            return system::reserve(size) as usize;
        }
        if self.fresh.1 < size {
            // the rest of the last extent has no memory behind it: it was never touched
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

    /// Ends the process if a block of this size exceeds its limit, after releasing idle memory.
    #[cold]
    fn make_room(&mut self, size: usize) {
        if watch::is_in_use_beyond(self.used + size) {
            memory::end();
        }
        // a reused range is already counted as held
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

    /// Releases unused memory, largest ranges first, if too much is idle.
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

/// Lets the system allocator keep small blocks too: call at the start of a program with this allocator.
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
        // a script may fill as much again between two checks; and freed memory is returned sooner
        system::keep_small(bytes / 32);
        watch::limit(bytes, self.in_use());
    }

    fn give_back(&self) {
        // a host's allocator settings belong to the host
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

/// Records that small blocks of `from` bytes became blocks of `to` bytes; 0 for none.
#[inline]
fn small(from: usize, to: usize) {
    if watch::small(from, to) {
        look();
    }
}

/// Ends the process if it exceeds its limit.
#[cold]
fn look() {
    if !watch::is_held_beyond(0) {
        watch::seen();
    } else if let Ok(mut pool) = POOL.try_lock() {
        // otherwise the lock is held for a pooled block: its holder checks, or the next block does
        pool.make_room(0);
        memory::set_pooled(pool.free.bytes());
        watch::seen();
    }
}

// SAFETY: blocks are disjoint, at least as large as requested, and page-aligned; whether a block is pooled or from the system
// depends on its layout alone, which is the same when it is freed
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
        // SAFETY: as promised by the caller, and not pooled: it came from the system
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
