//! The memory of this process: how much it holds, the most it has held, and a hard limit.

mod system;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that an allocator of ours keeps for later use: held by the process, and nobody's.
static POOLED: AtomicUsize = AtomicUsize::new(0);
/// What the process says where it ends at its limit.
static LAST_WORDS: OnceLock<String> = OnceLock::new();

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
    /// Bytes of all that is in use, written to or not; 0 without a limit.
    fn all_in_use(&self) -> usize;
    /// From now on calls [`end`] before the process holds more.
    fn limit(&self, bytes: usize);
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
    system::held().is_some_and(|held| held.now > 0)
}

/// Memory that this process holds, in bytes, without what is only pooled, and with what is in use and not yet written to; 0
/// where the system does not say.
pub fn held_bytes() -> u64 {
    let held = resident_bytes().saturating_sub(POOLED.load(Ordering::Relaxed) as u64);
    held.max(KEEPER.get().map_or(0, |keeper| keeper.all_in_use()) as u64)
}

/// Memory that this process holds, in bytes; 0 where the system does not say. Asks for none, so that an allocator can call it.
pub fn resident_bytes() -> u64 {
    system::now().unwrap_or(0)
}

/// The memory of this machine in bytes, what it can move to a disk too, where the system tells it.
pub fn machine_bytes() -> Option<u64> {
    static ALL: OnceLock<Option<u64>> = OnceLock::new();
    *ALL.get_or_init(system::machine)
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

/// Ends the process, with a fault and its exit code, where it is about to hold more than a sixteenth beyond `bytes`: the last
/// line of defense of a sandbox, against a native verb that takes more than anybody foresaw. Only for a process that
/// does nothing else, since work can't continue after an allocation is refused. Holds where
/// [`PoolAllocator`](crate::kernel::pool::PoolAllocator) is the program's allocator.
pub fn end_beyond(bytes: u64) {
    let _ = LAST_WORDS.set(format!("error: limit: more than {} of memory\n", crate::text::bytes(bytes)));
    if let Some(keeper) = KEEPER.get() {
        keeper.limit(usize::try_from(bytes.saturating_add(bytes / 16)).unwrap_or(usize::MAX));
    }
}

/// Ends the process at its limit. Asks for no memory.
#[cold]
pub fn end() -> ! {
    end_with(LAST_WORDS.get().map_or("error: limit: memory\n", String::as_str))
}

/// Ends the process at a limit with these words, and its exit code; from any thread, and whatever others hold.
pub fn end_with(words: &str) -> ! {
    #[cfg(unix)]
    // SAFETY: writes what is lent and ends; nothing here asks for memory
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
