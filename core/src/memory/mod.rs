//! The memory of this process: current use, peak, and a hard limit.

mod system;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Unused bytes that our allocator keeps for reuse: held by the process, but free.
static POOLED: AtomicUsize = AtomicUsize::new(0);
/// The message printed when the process ends at its limit.
static LAST_WORDS: OnceLock<String> = OnceLock::new();

/// Records the number of unused bytes in the allocator's pool.
pub fn set_pooled(bytes: usize) {
    POOLED.store(bytes, Ordering::Relaxed);
}

/// An allocator that keeps memory for reuse.
pub trait Keeper: Sync {
    /// Bytes of large blocks that are in use.
    fn in_use(&self) -> usize;
    /// Unused bytes of small blocks.
    fn kept_small(&self) -> usize;
    /// Bytes of all memory in use, written to or not; 0 without a limit.
    fn all_in_use(&self) -> usize;
    /// Calls [`end`] from now on before the process holds more.
    fn limit(&self, bytes: usize);
    /// Returns all unused memory to the operating system.
    fn give_back(&self);
}

static KEEPER: OnceLock<&'static dyn Keeper> = OnceLock::new();

/// Registers an allocator that keeps memory.
pub fn kept_by(keeper: &'static dyn Keeper) {
    let _ = KEEPER.set(keeper);
}

/// Bytes of large blocks in use, if the program's allocator reports them.
pub fn in_use() -> usize {
    KEEPER.get().map_or(0, |keeper| keeper.in_use())
}

/// Bytes of small blocks that are kept unused.
pub fn kept_small() -> usize {
    KEEPER.get().map_or(0, |keeper| keeper.kept_small())
}

/// Returns all unused memory to the operating system: call after dropping something large for good.
pub fn give_back() {
    if let Some(keeper) = KEEPER.get() {
        keeper.give_back();
    }
}

/// Whether the system reports the memory of a process, so that a limit can be enforced.
pub fn is_told() -> bool {
    system::held().is_some_and(|held| held.now > 0)
}

/// Memory held by this process, in bytes, excluding unused pooled memory and including memory in use that is not yet written to;
/// 0 if the system does not report it.
pub fn held_bytes() -> u64 {
    let held = resident_bytes().saturating_sub(POOLED.load(Ordering::Relaxed) as u64);
    held.max(KEEPER.get().map_or(0, |keeper| keeper.all_in_use()) as u64)
}

/// Memory held by this process, in bytes; 0 if the system does not report it. Allocates nothing, so that an allocator can call
/// it.
pub fn resident_bytes() -> u64 {
    system::now().unwrap_or(0)
}

/// The memory of this machine in bytes, including swap, if the system reports it.
pub fn machine_bytes() -> Option<u64> {
    static ALL: OnceLock<Option<u64>> = OnceLock::new();
    *ALL.get_or_init(system::machine)
}

/// Peak memory of this process, in bytes; 0 if the system does not report it.
pub fn peak_bytes() -> u64 {
    system::held().map_or(0, |held| held.most)
}

/// Peak memory of this process without pages of files, whose number depends on their state in the system's cache; 0 if the system
/// does not report it.
pub fn peak_own_bytes() -> u64 {
    system::held().map_or(0, |held| held.most_own)
}

/// Ends the process, with a fault and its exit code, when it is about to hold more than a sixteenth beyond `bytes`: a sandbox's
/// last line of defense against a native verb that takes more memory than expected. Only for a process dedicated to scripts,
/// since work can't continue after an allocation is refused. Effective if [`PoolAllocator`](crate::kernel::pool::PoolAllocator)
/// is the program's allocator.
pub fn end_beyond(bytes: u64) {
    let _ = LAST_WORDS.set(format!("error: limit: more than {} of memory\n", crate::text::bytes(bytes)));
    if let Some(keeper) = KEEPER.get() {
        keeper.limit(usize::try_from(bytes.saturating_add(bytes / 16)).unwrap_or(usize::MAX));
    }
}

/// Ends the process at its limit. Allocates nothing.
#[cold]
pub fn end() -> ! {
    end_with(LAST_WORDS.get().map_or("error: limit: memory\n", String::as_str))
}

/// Ends the process at a limit with this message and its exit code; from any thread, and whatever locks are held.
pub fn end_with(words: &str) -> ! {
    #[cfg(unix)]
    // SAFETY: writes borrowed bytes and exits; nothing here allocates
    unsafe {
        libc::write(2, words.as_ptr().cast(), words.len());
        libc::_exit(2)
    }
    #[cfg(not(unix))]
    {
        let _ = words;
        std::process::abort()
    }
}
