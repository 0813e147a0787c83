//! Work shared among all threads, with results in input order.

use crate::{cancel, limits, progress};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Applies `work(index, item)` to every item, on all threads, on behalf of this thread's script: within its bounds, interrupted
/// with it, and with its warnings. The results are in item order.
pub fn map<T: Send, R: Send>(items: Vec<T>, work: &(dyn Fn(usize, T) -> R + Sync)) -> Vec<R> {
    if items.len() < 2 || rayon::current_num_threads() < 2 {
        return items.into_iter().enumerate().map(|(at, item)| work(at, item)).collect();
    }
    let (cancel, bounds, sink) = (cancel::current(), limits::current(), progress::sink());
    let within = |at: usize, item: T| {
        cancel::under(&cancel, || limits::within(&bounds, || progress::shown_by(&sink, || work(at, item))))
    };
    items.into_par_iter().enumerate().map(|(at, item)| within(at, item)).collect()
}

/// [`map`] of fallible work: all results, or the first error in item order.
pub fn try_map<T: Send, R: Send, E: Send>(
    items: Vec<T>,
    work: &(dyn Fn(usize, T) -> Result<R, E> + Sync),
) -> Result<Vec<R>, E> {
    let failed = AtomicUsize::new(usize::MAX);
    let done = map(items, &|at, item| {
        // items after an error are skipped
        if failed.load(Ordering::Relaxed) < at {
            return None;
        }
        let result = work(at, item);
        if result.is_err() {
            failed.fetch_min(at, Ordering::Relaxed);
        }
        Some(result)
    });
    done.into_iter().flatten().collect()
}

/// The ranges that `0..length` is split into for [`map`]: of at most `most` items, and the same on any number of threads.
pub fn ranges(length: usize, most: usize) -> Vec<std::ops::Range<usize>> {
    (0..length).step_by(most.max(1)).map(|start| start..length.min(start + most.max(1))).collect()
}
