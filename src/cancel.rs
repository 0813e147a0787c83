//! The flag that stops long work. Every native loop longer than 50 ms polls it with [`check`].

use crate::{Error, Result};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handle that asks the work that runs under it to stop.
#[derive(Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks for a stop. Work ends at its next poll.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Forgets an earlier request, before new work begins.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

thread_local! {
    static CURRENT: RefCell<Cancel> = RefCell::default();
}

/// Runs `work` on this thread under the given handle.
pub fn under<T>(cancel: &Cancel, work: impl FnOnce() -> T) -> T {
    struct Restore(Cancel);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.with(|current| current.replace(self.0.clone()));
        }
    }
    let _restore = Restore(CURRENT.with(|current| current.replace(cancel.clone())));
    work()
}

/// The handle that this thread's work runs under: take it along into helper threads.
pub fn current() -> Cancel {
    CURRENT.with(|current| current.borrow().clone())
}

/// An error when a stop was asked for.
pub fn check() -> Result<()> {
    if CURRENT.with(|current| current.borrow().is_requested()) { Err(Error::interrupted()) } else { Ok(()) }
}
