//! Large blocks from the operating system, and the settings of its allocator for small ones.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[cfg(target_os = "linux")]
mod pages {
    /// Size of a large page.
    const ALIGN: usize = 2 << 20;

    /// Fresh zeroed memory of this size, in large pages if the system supports them.
    pub fn reserve(size: usize) -> *mut u8 {
        let (kind, access) = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: a new mapping, whose parts outside the aligned middle are unmapped at once
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
        // SAFETY: the block is whole pages from `reserve`, and unused
        unsafe { libc::munmap(block.cast(), size) };
    }
}

#[cfg(not(target_os = "linux"))]
mod pages {
    pub fn reserve(_: usize) -> *mut u8 {
        std::ptr::null_mut()
    }

    pub fn release(_: *mut u8, _: usize) {}
}

pub use pages::{release, reserve};

/// Bytes of small blocks that the system allocator keeps.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// Lets the system allocator keep this many bytes of small blocks.
pub fn keep_small(bytes: usize) {
    KEPT.store(bytes, Relaxed);
    let bytes = bytes.min(1 << 30);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes plain numbers
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 4 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, bytes as libc::c_int);
        libc::mallopt(libc::M_TOP_PAD, bytes.min(4 << 20) as libc::c_int);
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = bytes;
}

/// Bytes of small blocks that the system allocator keeps, if it reports them.
pub fn unused_small_bytes() -> usize {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: reads numbers
    return unsafe { libc::mallinfo() }.fordblks as u32 as usize; // it counts in 32 bits
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    0
}

/// Makes the system allocator release unused pages. `malloc_trim` alone leaves the end of a thread's own heap, which is released
/// only when a larger block before it is freed.
pub fn trim_small() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes plain numbers, and the block is freed unchanged
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 17);
        // otherwise the compiler removes both
        libc::free(std::hint::black_box(libc::malloc(1 << 18)));
        libc::malloc_trim(0);
    }
    keep_small(KEPT.load(Relaxed));
}
