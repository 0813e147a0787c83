//! A thread that ends the process when ranks wait for a missing one: MPI itself would wait forever.

use crate::memory;
use crate::sync::unpoisoned;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Time between checks.
const LOOK: Duration = Duration::from_millis(100);

/// The wait in progress.
struct Wait {
    what: String,
    step: u64,
    /// The ranks that have not answered.
    missing: Vec<usize>,
    /// Time of the last answer.
    since: Instant,
    limit: Duration,
}

/// A handle: clones watch the same wait.
#[derive(Clone)]
pub struct Watchdog {
    wait: Arc<Mutex<Option<Wait>>>,
    rank: usize,
}

impl Watchdog {
    /// Starts the thread of `rank`.
    pub fn start(rank: usize) -> Watchdog {
        let dog = Watchdog { wait: Arc::default(), rank };
        let own = dog.clone();
        // without it a stopped rank is waited for, as in MPI
        drop(thread::Builder::new().name("ranks".into()).stack_size(1 << 17).spawn(move || {
            loop {
                thread::sleep(LOOK);
                if let Some(words) = own.overdue() {
                    memory::end_with(&words);
                }
            }
        }));
        dog
    }

    /// Begins a wait for `missing`, which may last `limit` without an answer.
    pub fn begin(&self, what: &str, step: u64, missing: Vec<usize>, limit: Option<Duration>) {
        let Some(limit) = limit else { return };
        *unpoisoned(self.wait.lock()) =
            Some(Wait { what: what.to_string(), step, missing, since: Instant::now(), limit });
    }

    /// Records an answer.
    pub fn answered(&self, rank: usize) {
        if let Some(wait) = &mut *unpoisoned(self.wait.lock()) {
            if let Some(at) = wait.missing.iter().position(|other| *other == rank) {
                wait.missing.remove(at);
            }
            wait.since = Instant::now();
        }
    }

    pub fn end(&self) {
        *unpoisoned(self.wait.lock()) = None;
    }

    /// The final message of a rank whose wait has timed out.
    fn overdue(&self) -> Option<String> {
        let wait = unpoisoned(self.wait.lock());
        let wait = wait.as_ref()?;
        // rank 0 reports first: it knows best which rank is missing
        let grace = if self.rank == 0 { Duration::ZERO } else { Duration::from_secs(2) };
        if wait.since.elapsed() < wait.limit + grace {
            return None;
        }
        let mut missing = wait.missing.clone();
        missing.dedup();
        let who = match missing.as_slice() {
            [] => "the others".to_string(),
            [one] => format!("rank {one}"),
            many => format!("ranks {}", many.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
        };
        let step = if wait.step > 0 { format!(" at step {}", wait.step) } else { String::new() };
        Some(format!(
            "error: ranks: rank {}{step} has waited {} for {who} ({})\n\
             help: look at that process and its machine, then give the same command again: it resumes from the last checkpoint; \
             LEVAIN_RANKS_TIMEOUT=SECONDS sets how long ranks wait, 0 for ever\n",
            self.rank,
            time(wait.limit),
            wait.what
        ))
    }
}

fn time(limit: Duration) -> String {
    match limit.as_secs_f64() {
        seconds if seconds < 120.0 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60.0),
    }
}
