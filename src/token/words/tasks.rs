//! Parallel work over texts, in parts of about a megabyte.

use crate::Result;
use crate::cancel;
use rayon::prelude::*;

/// Bytes of text per task: enough to be worth a task, few enough to be interrupted soon.
const TASK: usize = 1 << 20;

/// Runs `work` on texts in parallel, some megabytes at a time, and passes the results to `take` in text order: the same for any
/// number of threads.
pub fn in_tasks<'t, S: AsRef<str> + Sync, T: Send>(
    texts: &'t [S],
    work: impl Fn(&'t [S]) -> Result<T> + Sync,
    mut take: impl FnMut(T),
) -> Result<()> {
    let cancel = cancel::current();
    for group in tasks(texts).chunks(2 * rayon::current_num_threads().max(1)) {
        let one = |texts: &&'t [S]| if cancel.is_requested() { Err(cancel.error()) } else { work(texts) };
        let parts: Vec<Result<T>> = group.par_iter().map(one).collect();
        for part in parts {
            take(part?);
        }
    }
    Ok(())
}

fn tasks<S: AsRef<str>>(texts: &[S]) -> Vec<&[S]> {
    let mut tasks = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        bytes += text.as_ref().len();
        if bytes >= TASK {
            tasks.push(&texts[from..=at]);
            (from, bytes) = (at + 1, 0);
        }
    }
    tasks.push(&texts[from..]);
    tasks
}
