//! The threads that share native work.
//!
//! They are rayon's global pool, which belongs to the program: [`start`] sets it up only if the program has called [`own`], and
//! otherwise reports the host's pool.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum number of threads: beyond it a mistyped number would exhaust the system.
pub const MOST: usize = 1024;

/// Whether the program leaves the pool to this library.
static OWNED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static JOINS: Cell<bool> = const { Cell::new(false) };
}

/// Lets [`start`] set up the threads: for a program that uses the pool only through this library.
pub fn own() {
    OWNED.store(true, Ordering::Relaxed);
}

/// Makes the calling thread one of those that share the work, when they start. Otherwise a calling thread sleeps while its work
/// is done, and must be woken for each of the many products of a training step. For a thread that lives as long as the process
/// and submits all work: while it does something else, its share of other threads' work waits.
pub fn join() {
    JOINS.set(true);
}

/// Starts the threads, unless they have started or the program does not allow it: `count` (at most [`MOST`]), or the number in
/// the environment. Returns the number of threads.
pub fn start(count: Option<usize>) -> usize {
    if OWNED.load(Ordering::Relaxed) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count.unwrap_or(0).min(MOST));
        let pool = if JOINS.get() { pool.use_current_thread() } else { pool };
        // fails if they have started; their number is then fixed
        let _ = pool.build_global();
    }
    rayon::current_num_threads()
}
