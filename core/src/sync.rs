//! Locks that ignore poisoning: the guarded data is consistent after every single change, so the next thread may continue.

use std::sync::{LockResult, PoisonError};

/// The guard of a lock, even if a thread panicked while holding it.
pub fn unpoisoned<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}
