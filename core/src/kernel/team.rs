//! All threads on one task of many short steps: they synchronize by spinning, not by sleeping.
//!
//! A token is a few hundred products of some microseconds each. Waking a sleeping thread for each of them costs as much as the
//! product.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, TryLockError};

/// A step that the threads share: it is done when all of its parts are, whichever thread did them.
#[derive(Default)]
pub struct Phase {
    taken: AtomicUsize,
    finished: AtomicUsize,
}

/// A thread of the team.
pub struct Worker<'a> {
    count: usize,
    /// A thread panicked: the others stop waiting for it.
    broken: &'a AtomicBool,
}

/// Runs `work` on every thread at once, and returns when all are done.
pub fn run(work: impl Fn(&Worker) + Sync) {
    // two teams on the same threads would deadlock
    static ONE: Mutex<()> = Mutex::new(());
    let broken = AtomicBool::new(false);
    let alone = || work(&Worker { count: 1, broken: &broken });
    // inside a task the other threads may be busy with other tasks; the script's thread is the first of them if it has joined
    // (`threads`), and is not in a task here
    if rayon::current_thread_index().is_some_and(|at| at > 0) || rayon::current_num_threads() == 1 {
        return alone();
    }
    let one = match ONE.try_lock() {
        Err(TryLockError::WouldBlock) => return alone(),
        Ok(one) => one,
        Err(TryLockError::Poisoned(one)) => one.into_inner(),
    };
    rayon::broadcast(|context| work(&Worker { count: context.num_threads(), broken: &broken }));
    drop(one);
}

impl Worker<'_> {
    /// Runs `0..count` in parts that start at multiples of `unit`, each on one thread; returns when all are done. The first parts
    /// are large, the last small, so that all threads end at the same time. A descheduled thread is waited for only if it has
    /// taken a part, and finds the rest done when it returns: only `work` may read what phases write.
    pub fn share(&self, phase: &Phase, count: usize, unit: usize, mut work: impl FnMut(Range<usize>)) {
        const SPINS: usize = 1 << 10;
        let units = count.div_ceil(unit);
        let part = |done: usize| ((units - done) * 4 / (5 * self.count)).max(1);
        let next = |done: usize| (done < units).then(|| done + if self.count == 1 { units } else { part(done) });
        while let Ok(done) = phase.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            let end = next(done).unwrap_or(units);
            work(done * unit..count.min(end * unit));
            phase.finished.fetch_add(end - done, Ordering::Release);
        }
        let mut spins = 0;
        while phase.finished.load(Ordering::Acquire) < units {
            assert!(!self.broken.load(Ordering::Relaxed), "another thread of the team panicked");
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
            } else {
                // the other thread is not running, perhaps because this one spins
                std::thread::yield_now();
            }
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// Numbers that the threads of a team write in parts in one phase, and read whole in a later phase.
pub struct Board<'a> {
    start: *mut f32,
    len: usize,
    lent: PhantomData<&'a mut [f32]>,
}

// SAFETY: the numbers are borrowed by the board alone, and users of its parts promise to use disjoint ones
unsafe impl Sync for Board<'_> {}
unsafe impl Send for Board<'_> {}

impl<'a> Board<'a> {
    pub fn new(values: &'a mut [f32]) -> Board<'a> {
        Board { start: values.as_mut_ptr(), len: values.len(), lent: PhantomData }
    }

    /// # Safety
    /// Nothing writes to these numbers in this phase.
    pub unsafe fn read(&self, range: Range<usize>) -> &[f32] {
        assert!(range.start <= range.end && range.end <= self.len, "a part outside the board");
        // SAFETY: inside, as checked; not written in this phase, as promised
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }

    /// # Safety
    /// Nothing else uses these numbers in this phase, and this thread borrows them once.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn write(&self, range: Range<usize>) -> &mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len, "a part outside the board");
        // SAFETY: inside, as checked; not used elsewhere, as promised
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
