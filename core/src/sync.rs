//! Locks that outlive a panic: what they guard is whole after every single change, so the next one may go on.

use std::sync::{LockResult, PoisonError};

/// The guard of a lock, also where a thread panicked while it held the lock.
pub fn unpoisoned<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}
