//! Memory that is used again.
//!
//! A training step frees and allocates the same large blocks again and again. Giving them back to the operating
//! system costs a page fault, and a cleared page, for every 4 KiB the next time: a third of a naive step. So large
//! blocks are kept here between uses, and lie side by side in large pages: memory is read a fifth faster through
//! them. Small ones are the system allocator's.

mod free;

use super::profile;
use crate::sync::unpoisoned;
use free::Free;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Above this size a block is kept.
const LARGE: usize = 128 << 10;
/// Sizes of blocks are multiples of this: whole pages.
const UNIT: usize = 16 << 10;
/// What is asked of the system at once, for blocks of up to a quarter of it: memory that nobody touches costs nothing.
const EXTENT: usize = 256 << 20;
/// What may be held beyond the most that was ever in use at once, and half of that: what one step gives back the next
/// one needs.
const IDLE: usize = 256 << 20;

#[global_allocator]
static ALLOCATOR: Keeper = Keeper;

struct Keeper;

struct Kept {
    free: Free,
    used: usize,
    peak: usize,
    /// What is left of the last extent: its first address, and how many bytes.
    fresh: (usize, usize),
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { free: Free::new(), used: 0, peak: 0, fresh: (0, 0) });

/// The size of the block for this many bytes.
fn block_size(bytes: usize) -> usize {
    bytes.next_multiple_of(UNIT)
}

/// Whether a block of this layout is kept here.
fn large(layout: &Layout) -> bool {
    cfg!(target_os = "linux") && layout.size() > LARGE && layout.align() <= 4096
}

impl Kept {
    /// A block of this size, and whether it is known to be zero; null where the system has none.
    fn take(&mut self, size: usize) -> (*mut u8, bool) {
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

    /// Gives unused memory back, largest ranges first, when too much lies idle.
    fn trim(&mut self) {
        while self.used + self.free.bytes() > self.peak + self.peak / 2 + IDLE
            && let Some((place, size)) = self.free.take_largest()
        {
            system::release(place as *mut u8, size);
        }
    }
}

fn kept<T>(work: impl FnOnce(&mut Kept) -> T) -> T {
    let mut kept = unpoisoned(KEPT.lock());
    work(&mut kept)
}

/// Bytes of large blocks that are in use.
pub fn used_bytes() -> usize {
    kept(|kept| kept.used)
}

/// Gives all unused memory back to the operating system: for when something large was let go for good.
pub fn give_back() {
    trim_small();
    kept(|kept| {
        while let Some((place, size)) = kept.free.take_largest() {
            system::release(place as *mut u8, size);
        }
        kept.peak = kept.used;
    });
}

/// A block for this layout, and whether it is known to be zero.
fn block(layout: &Layout) -> (*mut u8, bool) {
    let most = MOST.load(Ordering::Relaxed);
    kept(|kept| {
        if most < usize::MAX && kept.used.saturating_add(layout.size()) > most {
            end();
        }
        kept.take(block_size(layout.size()))
    })
}

// SAFETY: blocks are disjoint, of at least the size asked for, aligned to pages; whether a block is kept or
// the system's depends on its layout alone, which is the same when it is freed
unsafe impl GlobalAlloc for Keeper {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        profile::allocated(layout.size());
        if large(&layout) {
            return block(&layout).0;
        }
        // SAFETY: as promised by the caller
        unsafe { System.alloc(layout) }
    }

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
        // SAFETY: as promised by the caller
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        profile::freed(layout.size());
        if large(&layout) {
            return kept(|kept| kept.put(block, block_size(layout.size())));
        }
        // SAFETY: as promised by the caller, and not kept: it came from the system
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size is valid for this alignment
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (large(&layout), large(&new)) {
            (false, false) => {
                profile::grown(layout.size(), size);
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

#[cfg(target_os = "linux")]
mod system {
    /// A large page.
    const ALIGN: usize = 2 << 20;

    /// Fresh memory of this size, zero, in large pages where the system has them.
    pub fn reserve(size: usize) -> *mut u8 {
        let (kind, access) = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: a new mapping, of which the parts beside the aligned middle are unmapped at once
        unsafe {
            let start = libc::mmap(std::ptr::null_mut(), size + ALIGN, access, kind, -1, 0);
            if start == libc::MAP_FAILED {
                return std::ptr::null_mut();
            }
            let start = start as usize;
            let aligned = start.next_multiple_of(ALIGN);
            if aligned > start {
                libc::munmap(start as *mut _, aligned - start);
            }
            if start + ALIGN > aligned {
                libc::munmap((aligned + size) as *mut _, start + ALIGN - aligned);
            }
            libc::madvise(aligned as *mut _, size, libc::MADV_HUGEPAGE);
            aligned as *mut u8
        }
    }

    pub fn release(block: *mut u8, size: usize) {
        // SAFETY: the block is whole pages of what `reserve` gave, and nobody uses it
        unsafe { libc::munmap(block.cast(), size) };
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub fn reserve(_: usize) -> *mut u8 {
        std::ptr::null_mut()
    }

    pub fn release(_: *mut u8, _: usize) {}
}

/// Tells the system's allocator, once and early, to keep small blocks too.
pub fn tune() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes plain numbers
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 4 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 20);
        libc::mallopt(libc::M_TOP_PAD, 4 << 20);
    }
}

/// Bytes of small blocks that the system's allocator keeps, where it tells.
pub fn unused_small_bytes() -> usize {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: asks for numbers
    return unsafe { libc::mallinfo() }.fordblks as u32 as usize; // it counts in 32 bits
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    0
}

/// Has the system's allocator give back the pages that nobody uses. `malloc_trim` alone leaves the end of a thread's own
/// heap, which goes only when a larger block before it is freed.
fn trim_small() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes plain numbers, and the block is freed as it came
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 17);
        // else the compiler does neither
        libc::free(std::hint::black_box(libc::malloc(1 << 18)));
        libc::malloc_trim(0);
    }
    tune();
}

/// Numbers that nobody has written yet: some, but which is not said. For results that are written whole.
pub fn unwritten(count: usize) -> Vec<f32> {
    let mut values: Vec<f32> = Vec::with_capacity(count);
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: to the compiler this assembly may write anything to the memory whose address it gets, as if it
    // initialised every number; any bits are a valid f32
    unsafe {
        std::arch::asm!("/* {0} */", in(reg) values.as_mut_ptr(), options(nostack, preserves_flags));
        values.set_len(count);
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    values.resize(count, 0.0);
    values
}

/// The memory that this process holds, in bytes, without what is only kept for later use; where the system does not
/// tell, the most that it has ever held.
pub fn held_bytes() -> u64 {
    let pages = || std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<u64>().ok();
    match pages() {
        Some(pages) => (pages * page_size()).saturating_sub(kept(|kept| kept.free.bytes() as u64)),
        None => peak_bytes(),
    }
}

fn page_size() -> u64 {
    #[cfg(unix)]
    // SAFETY: asks for a number
    return u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    #[cfg(not(unix))]
    4096
}

/// The large blocks that may be in use at once, in bytes.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Ends the process, with a fault and its exit code, where large blocks beyond this are asked for: the last line of
/// defence of a sandbox, against a native verb that takes more at once than anybody foresaw. Not for a process that
/// does anything else, since an allocator can't refuse in a way from which work goes on.
pub fn end_beyond(bytes: u64) {
    MOST.store(usize::try_from(bytes).unwrap_or(usize::MAX), Ordering::Relaxed);
}

#[cold]
fn end() -> ! {
    const TEXT: &[u8] = b"error: limit: more memory than the script may hold\n";
    #[cfg(unix)]
    // SAFETY: writes a constant and ends; nothing here asks for memory
    unsafe {
        libc::write(2, TEXT.as_ptr().cast(), TEXT.len());
        libc::_exit(2)
    }
    #[cfg(not(unix))]
    {
        let _ = TEXT;
        std::process::abort()
    }
}

/// The most memory that this process has held at any time, in bytes; 0 where the system does not tell.
pub fn peak_bytes() -> u64 {
    #[cfg(unix)]
    {
        // SAFETY: getrusage fills the struct, for which zeros are valid
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &mut usage);
            usage
        };
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        usage.ru_maxrss as u64 * unit
    }
    #[cfg(not(unix))]
    0
}
