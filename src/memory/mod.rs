//! The memory of this process: how much it holds, the most it has held, and a hard limit.

mod system;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that an allocator of ours keeps for later use: held by the process, and nobody's.
static POOLED: AtomicUsize = AtomicUsize::new(0);
/// The large blocks that may be in use at once, in bytes.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Records how many bytes the allocator's pool keeps unused.
pub fn set_pooled(bytes: usize) {
    POOLED.store(bytes, Ordering::Relaxed);
}

/// An allocator that keeps memory for later use.
pub trait Keeper: Sync {
    /// Bytes of large blocks that are in use.
    fn in_use(&self) -> usize;
    /// Bytes of small blocks that nobody uses.
    fn kept_small(&self) -> usize;
    /// Gives all unused memory back to the operating system.
    fn give_back(&self);
}

static KEEPER: OnceLock<&'static dyn Keeper> = OnceLock::new();

/// Notes that an allocator keeps memory.
pub fn kept_by(keeper: &'static dyn Keeper) {
    let _ = KEEPER.set(keeper);
}

/// Bytes of large blocks that are in use, where the program's allocator knows.
pub fn in_use() -> usize {
    KEEPER.get().map_or(0, |keeper| keeper.in_use())
}

/// Bytes of small blocks that are kept and that nobody uses.
pub fn kept_small() -> usize {
    KEEPER.get().map_or(0, |keeper| keeper.kept_small())
}

/// Gives all unused memory back to the operating system: for when something large was dropped for good.
pub fn give_back() {
    if let Some(keeper) = KEEPER.get() {
        keeper.give_back();
    }
}

/// Whether the system says how much memory a process holds, so that a limit can be held against it.
pub fn is_told() -> bool {
    system::held().is_some()
}

/// Memory that this process holds, in bytes, without what is only pooled; 0 where the system does not say.
pub fn held_bytes() -> u64 {
    let held = system::held().map_or(0, |held| held.now);
    held.saturating_sub(POOLED.load(Ordering::Relaxed) as u64)
}

/// The most memory that this process has held at any time, in bytes; 0 where the system does not say.
pub fn peak_bytes() -> u64 {
    system::held().map_or(0, |held| held.most)
}

/// The most memory of its own that this process has held: without pages of files, whose number depends on how they lie in the
/// system's cache. 0 where the system does not say.
pub fn peak_own_bytes() -> u64 {
    system::held().map_or(0, |held| held.most_own)
}

/// Ends the process, with a fault and its exit code, where large blocks beyond `bytes` are asked for: the last line of
/// defense of a sandbox, against a native verb that takes more at once than anybody foresaw. Only for a process that
/// does nothing else, since work can't continue after an allocation is refused. Holds where
/// [`PoolAllocator`](crate::kernel::pool::PoolAllocator) is the program's allocator.
pub fn end_beyond(bytes: u64) {
    LIMIT.store(usize::try_from(bytes).unwrap_or(usize::MAX), Ordering::Relaxed);
}

/// Ends the process where `size` more bytes of large blocks than the `used` ones pass the limit.
#[inline]
pub fn enforce(used: usize, size: usize) {
    let limit = LIMIT.load(Ordering::Relaxed);
    if limit < usize::MAX && used.saturating_add(size) > limit {
        end();
    }
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
