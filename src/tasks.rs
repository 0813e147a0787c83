//! Work shared among all threads, whose results keep the order of what they were made of.

use crate::{cancel, limits, progress};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `work(index, item)` of every item, on all threads, which work for the script of this one: within its bounds, stopped
/// with it, and warning where it does. The results have the order of the items.
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

/// [`map`] of work that can fail: all results, or the first error in the order of the items.
pub fn try_map<T: Send, R: Send, E: Send>(
    items: Vec<T>,
    work: &(dyn Fn(usize, T) -> Result<R, E> + Sync),
) -> Result<Vec<R>, E> {
    let failed = AtomicUsize::new(usize::MAX);
    let done = map(items, &|at, item| {
        // what comes after an error is not asked for
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

/// The ranges `0..length` is cut into for [`map`]: of `most` places at most, and the same on any number of threads.
pub fn ranges(length: usize, most: usize) -> Vec<std::ops::Range<usize>> {
    (0..length).step_by(most.max(1)).map(|start| start..length.min(start + most.max(1))).collect()
}
