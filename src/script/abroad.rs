//! The host function that a run is currently in. Threads that wait for the run check it, since the function may wait for them.

use super::Fault;
use crate::sync::unpoisoned;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

/// The host function call that a run is in, if any, and its start.
#[derive(Clone, Default)]
pub struct Abroad(Arc<Mutex<Option<(String, Instant)>>>);

thread_local! {
    /// For the run that this thread works for.
    static ABROAD: RefCell<Option<Abroad>> = const { RefCell::new(None) };
}

impl Abroad {
    /// Runs `work`, and tracks its calls of host functions here.
    pub fn followed<T>(&self, work: impl FnOnce() -> T) -> T {
        crate::scoped::with(&ABROAD, Some(self.clone()), work)
    }

    /// The host function that the run is in, and for how long.
    fn call(&self) -> Option<(String, Duration)> {
        unpoisoned(self.0.lock()).as_ref().map(|(name, since)| (name.clone(), since.elapsed()))
    }

    /// Tracks a call until the returned guard is dropped.
    pub fn enter(name: &str) -> Option<Inside> {
        let abroad = ABROAD.with_borrow(Clone::clone)?;
        let outer = unpoisoned(abroad.0.lock()).replace((name.to_string(), Instant::now()));
        Some(Inside { abroad, outer })
    }

    /// Waits for `work`, unless its holder has been in one host function for longer than `patience`: that function may wait for
    /// this very thread.
    pub fn turn<'w, T>(&self, work: &'w Mutex<T>, patience: Duration) -> Result<MutexGuard<'w, T>, Fault> {
        const LOOK: Duration = Duration::from_millis(2);
        let begun = Instant::now();
        loop {
            match work.try_lock() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(guard)) => return Ok(guard.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
            if let Some((name, time)) = self.call().filter(|(_, time)| (*time).min(begun.elapsed()) > patience) {
                let time = time.as_secs_f64();
                let mut fault =
                    Fault::plain(format!("runtime: it is at work: its script is in `{name}` for {time:.1} s"));
                let help =
                    "a function that waits for a thread that waits for its runtime never ends; `patience` allows more";
                fault.help = Some(help.to_string());
                return Err(fault);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A call that has not returned.
pub struct Inside {
    abroad: Abroad,
    outer: Option<(String, Instant)>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        *unpoisoned(self.abroad.0.lock()) = self.outer.take();
    }
}
