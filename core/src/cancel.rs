//! The flag that stops long work. Every native loop longer than 50 ms polls it with [`check`].

use crate::sync::unpoisoned;
use crate::{Error, Result, limits, scoped};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A handle that requests the work under it to stop.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Default)]
struct Flag {
    requested: AtomicBool,
    holds: AtomicUsize,
    /// The end of the time limit, by [`limits::clock`]; 0 for never.
    deadline: AtomicU64,
    /// The time limit, in nanoseconds.
    time: AtomicU64,
    /// Why the results of the work are invalid, if they are.
    fault: Mutex<Option<Error>>,
    failed: AtomicBool,
}

impl Cancel {
    /// Requests a stop. Work ends at its next poll.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::Relaxed);
    }

    /// Clears an earlier request, before new work begins.
    pub fn clear(&self) {
        self.0.requested.store(false, Ordering::Relaxed);
        self.0.failed.store(false, Ordering::Relaxed);
        *unpoisoned(self.0.fault.lock()) = None;
    }

    /// Ends the work with a fault that its own verbs can't return. [`Cancel::hold`] does not defer it.
    pub fn fail(&self, fault: Error) {
        unpoisoned(self.0.fault.lock()).get_or_insert(fault);
        self.0.failed.store(true, Ordering::Relaxed);
        self.request();
    }

    /// Returns the fault that ended the work.
    pub fn fault(&self) -> Option<Error> {
        if self.0.failed.load(Ordering::Relaxed) { unpoisoned(self.0.fault.lock()).clone() } else { None }
    }

    /// Ends the work after `limit` from now; [`Cancel::hold`] does not defer it.
    pub fn end_after(&self, limit: Option<Duration>) {
        let time = limit.map_or(0, limits::nanoseconds);
        let deadline = limit.map_or(0, |_| limits::clock().saturating_add(time).max(1));
        self.0.time.store(time, Ordering::Relaxed);
        self.0.deadline.store(deadline, Ordering::Relaxed);
    }

    /// Whether work must end: a stop was requested and is not held, or the time is over.
    pub fn is_requested(&self) -> bool {
        let held = || self.0.holds.load(Ordering::Relaxed) > 0 && !self.0.failed.load(Ordering::Relaxed);
        self.0.requested.load(Ordering::Relaxed) && !held() || self.is_late()
    }

    /// The reason, if work must end.
    pub fn error(&self) -> Error {
        match (self.fault(), self.is_late()) {
            (Some(fault), _) => fault,
            (None, true) => Error::limit(limits::time_text(Duration::from_nanos(self.0.time.load(Ordering::Relaxed)))),
            (None, false) => Error::interrupted(),
        }
    }

    fn is_late(&self) -> bool {
        let deadline = self.0.deadline.load(Ordering::Relaxed);
        deadline > 0 && limits::clock() > deadline
    }

    /// Whether a stop was requested, even if it is held.
    pub fn is_asked(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }

    /// Defers a stop until the returned [`Hold`] is dropped: for work that stops at a point of its own choice, such as the end of
    /// a training step, and checks [`Hold::is_requested`] there.
    pub fn hold(&self) -> Hold {
        self.0.holds.fetch_add(1, Ordering::Relaxed);
        Hold(self.clone())
    }
}

/// Defers stops under the handle while it exists.
pub struct Hold(Cancel);

impl Hold {
    /// Whether a stop has been requested meanwhile.
    pub fn is_requested(&self) -> bool {
        self.0.0.requested.load(Ordering::Relaxed)
    }

    /// Lets a stop through while `work` runs, then defers it again.
    pub fn lift<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Lifted<'a>(&'a Hold);
        impl Drop for Lifted<'_> {
            fn drop(&mut self) {
                self.0.0.0.holds.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.0.0.holds.fetch_sub(1, Ordering::Relaxed);
        let _lifted = Lifted(self);
        work()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.holds.fetch_sub(1, Ordering::Relaxed);
    }
}

thread_local! {
    static CURRENT: RefCell<Cancel> = RefCell::default();
}

/// Runs `work` on this thread under the given handle.
pub fn under<T>(cancel: &Cancel, work: impl FnOnce() -> T) -> T {
    scoped::with(&CURRENT, cancel.clone(), work)
}

/// The handle of this thread's work: pass it on to helper threads.
pub fn current() -> Cancel {
    CURRENT.with(|current| current.borrow().clone())
}

/// Whether this thread's work must end.
pub fn is_requested() -> bool {
    CURRENT.with(|current| current.borrow().is_requested())
}

/// Returns an error if a stop was requested or the script has reached a limit.
pub fn check() -> Result<()> {
    limits::check()?;
    CURRENT.with(|current| {
        let current = current.borrow();
        if current.is_requested() { Err(current.error()) } else { Ok(()) }
    })
}

/// The panic payload of work that has no other way to end early.
struct Stopped(Error);

/// Ends this thread's work by unwinding to [`stoppable`], for code that returns no `Result`, such as the comparison of a sort.
/// Checks once in 4096 calls, so that it costs almost nothing.
#[derive(Default)]
pub struct Pace(Cell<u32>);

impl Pace {
    /// One round; ends the work if it must end.
    #[inline]
    pub fn step(&self) {
        let calls = self.0.get().wrapping_add(1);
        self.0.set(calls);
        if calls.is_multiple_of(4096)
            && let Err(error) = check()
        {
            resume_unwind(Box::new(Stopped(error)));
        }
    }
}

/// Runs work that a [`Pace`] may end.
pub fn stoppable<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| stopped(panic).unwrap_or_else(|panic| resume_unwind(panic)))
}

/// The error with which a [`Pace`] ended the caught work; otherwise the panic.
pub fn stopped(panic: Box<dyn Any + Send>) -> Result<Error, Box<dyn Any + Send>> {
    panic.downcast::<Stopped>().map(|stopped| stopped.0)
}

/// Runs work that never checks for a stop, on its own thread. When a stop is requested, the thread is abandoned and its result
/// dropped.
pub fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    const POLL: Duration = Duration::from_millis(20);
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || drop(done.send(work())));
    loop {
        match wait.recv_timeout(POLL) {
            Ok(found) => return Ok(found),
            Err(RecvTimeoutError::Timeout) => check()?,
            // it panicked before it returned a result
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => return Err(Error::new("work", "ended without a result")),
            },
        }
    }
}
