//! The threads that share native work.
//!
//! They are rayon's global pool, which belongs to the program: [`start`] sets it up only where the program has called
//! [`own`], and elsewhere reports what the host has.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

/// The most threads that may be asked for: beyond, a mistyped number would start threads until the system has no more.
pub const MOST: usize = 1024;

/// Whether the program has left the pool to this library.
static OWNED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static JOINS: Cell<bool> = const { Cell::new(false) };
}

/// Lets [`start`] set up the threads: for a program whose work is this library's alone.
pub fn own() {
    OWNED.store(true, Ordering::Relaxed);
}

/// The calling thread will be one of those that share the work, when they start. A thread that is not sleeps while its
/// work is done, and has to be woken for each of the many products of a training step. For a thread that lives as long
/// as the process and gives all the work there is: while it does other things its share of anybody else's lies still.
pub fn join() {
    JOINS.set(true);
}

/// Starts the threads, where they have not started and the program allows it: `count` (at most [`MOST`]), or as many
/// as the environment says. Returns how many there are.
pub fn start(count: Option<usize>) -> usize {
    if OWNED.load(Ordering::Relaxed) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count.unwrap_or(0).min(MOST));
        let pool = if JOINS.get() { pool.use_current_thread() } else { pool };
        // fails where they have started, and then there are as many as there are
        let _ = pool.build_global();
    }
    rayon::current_num_threads()
}
