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

/// A handle that asks the work that runs under it to stop.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Default)]
struct Flag {
    requested: AtomicBool,
    holds: AtomicUsize,
    /// When all time is taken, by [`limits::clock`]; 0 for never.
    deadline: AtomicU64,
    /// How much that was, in nanoseconds.
    time: AtomicU64,
    /// Why the work means nothing any more, and whether it does.
    fault: Mutex<Option<Error>>,
    failed: AtomicBool,
}

impl Cancel {
    /// Asks for a stop. Work ends at its next poll.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::Relaxed);
    }

    /// Forgets an earlier request, before new work begins.
    pub fn clear(&self) {
        self.0.requested.store(false, Ordering::Relaxed);
        self.0.failed.store(false, Ordering::Relaxed);
        *unpoisoned(self.0.fault.lock()) = None;
    }

    /// Ends the work with a fault that its own verbs have no way to return. Nobody holds that back.
    pub fn fail(&self, fault: Error) {
        unpoisoned(self.0.fault.lock()).get_or_insert(fault);
        self.0.failed.store(true, Ordering::Relaxed);
        self.request();
    }

    /// The fault that ended the work.
    pub fn fault(&self) -> Option<Error> {
        if self.0.failed.load(Ordering::Relaxed) { unpoisoned(self.0.fault.lock()).clone() } else { None }
    }

    /// Work ends `limit` from now; nobody holds that back.
    pub fn end_after(&self, limit: Option<Duration>) {
        let time = limit.map_or(0, limits::nanoseconds);
        let deadline = limit.map_or(0, |_| limits::clock().saturating_add(time).max(1));
        self.0.time.store(time, Ordering::Relaxed);
        self.0.deadline.store(deadline, Ordering::Relaxed);
    }

    /// Whether work has to end: a stop was asked for, and nobody holds it back, or its time is over.
    pub fn is_requested(&self) -> bool {
        let held = || self.0.holds.load(Ordering::Relaxed) > 0 && !self.0.failed.load(Ordering::Relaxed);
        self.0.requested.load(Ordering::Relaxed) && !held() || self.is_late()
    }

    /// Why work ends, where it has to.
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

    /// Whether a stop was asked for, even if somebody holds it back.
    pub fn is_asked(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }

    /// Holds a stop back until the result is dropped: for work that stops at a place of its own choice, such as
    /// the end of a training step, and asks [`Hold::is_requested`] there.
    pub fn hold(&self) -> Hold {
        self.0.holds.fetch_add(1, Ordering::Relaxed);
        Hold(self.clone())
    }
}

/// As long as this lives, nothing under the handle is stopped.
pub struct Hold(Cancel);

impl Hold {
    /// Whether a stop was asked for meanwhile.
    pub fn is_requested(&self) -> bool {
        self.0.0.requested.load(Ordering::Relaxed)
    }

    /// Lets a stop through while `work` runs, and holds it back again after it.
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

/// The handle that this thread's work runs under: take it along into helper threads.
pub fn current() -> Cancel {
    CURRENT.with(|current| current.borrow().clone())
}

/// Whether this thread's work has to end.
pub fn is_requested() -> bool {
    CURRENT.with(|current| current.borrow().is_requested())
}

/// An error when a stop was asked for, or when the script has taken all that it may.
pub fn check() -> Result<()> {
    limits::check()?;
    CURRENT.with(|current| {
        let current = current.borrow();
        if current.is_requested() { Err(current.error()) } else { Ok(()) }
    })
}

/// What unwinds the stack of work that has no other way to end early.
struct Stopped(Error);

/// Ends this thread's work where it has to end, by unwinding to [`stoppable`]: for what gives no `Result`, such as the comparison
/// of a sort. Looks once in 4096 calls, so that it costs next to nothing.
#[derive(Default)]
pub struct Pace(Cell<u32>);

impl Pace {
    /// One round; ends the work where it has to end.
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

/// Why a [`Pace`] ended what was caught; else the panic.
pub fn stopped(panic: Box<dyn Any + Send>) -> Result<Error, Box<dyn Any + Send>> {
    panic.downcast::<Stopped>().map(|stopped| stopped.0)
}

/// Runs work that never asks whether it has to stop, on a thread of its own. When a stop is asked for, it is left to itself
/// and what comes of it is dropped.
pub fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    const POLL: Duration = Duration::from_millis(20);
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || drop(done.send(work())));
    loop {
        match wait.recv_timeout(POLL) {
            Ok(found) => return Ok(found),
            Err(RecvTimeoutError::Timeout) => check()?,
            // it panicked before it had anything
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => return Err(Error::new("work", "ended without a result")),
            },
        }
    }
}
