//! The threads that share native work.

use std::cell::Cell;

thread_local! {
    static JOINS: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread will be one of those that share the work, when they start. A thread that is not sleeps while its
/// work is done, and has to be woken for each of the many products of a training step. For a thread that lives as long
/// as the process and gives all the work there is: while it does other things its share of anybody else's lies still.
pub fn join() {
    JOINS.set(true);
}

/// Starts the threads, where they have not started: `count`, or as many as the environment says. Gives how many there are.
pub fn start(count: Option<usize>) -> usize {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count.unwrap_or(0));
    let pool = if JOINS.get() { pool.use_current_thread() } else { pool };
    // fails where they have started, and then there are as many as there are
    let _ = pool.build_global();
    rayon::current_num_threads()
}
