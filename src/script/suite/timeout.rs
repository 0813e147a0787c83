//! Per-test timeout: cancel the test, then abort the process.

use super::lock;
use crate::cancel::Cancel;
use crate::script::output;
use crate::sync::unpoisoned;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// Time after the limit in which a test can end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// A running test.
struct Running {
    name: String,
    since: Instant,
    cancel: Cancel,
    late: bool,
}

pub struct Timeouts {
    limit: Duration,
    /// The running test of each thread.
    seats: Vec<Mutex<Option<Running>>>,
    over: Mutex<bool>,
    bell: Condvar,
}

/// The slot of one thread.
#[derive(Clone, Copy)]
pub struct Seat<'a> {
    watch: &'a Timeouts,
    index: usize,
}

impl Timeouts {
    pub fn new(seats: usize, limit: Duration) -> Timeouts {
        let seats = (0..seats).map(|_| Mutex::new(None)).collect();
        Timeouts { limit, seats, over: Mutex::new(false), bell: Condvar::new() }
    }

    pub fn seat(&self, index: usize) -> Seat<'_> {
        Seat { watch: self, index }
    }

    /// Watches until the suite ends.
    pub fn guard(&self) {
        let pause = Duration::from_millis(50).min(self.limit.max(Duration::from_millis(1)));
        let mut over = lock(&self.over);
        while !*over {
            over = unpoisoned(self.bell.wait_timeout(over, pause)).0;
            self.seats.iter().for_each(|seat| self.look(seat));
        }
    }

    fn look(&self, seat: &Mutex<Option<Running>>) {
        let mut seat = lock(seat);
        let Some(running) = seat.as_mut() else { return };
        let time = running.since.elapsed();
        if time > self.limit && !running.late {
            running.late = true;
            running.cancel.request();
        }
        if time > self.limit + GRACE {
            // a native loop that never checks for cancellation can't be stopped from here
            let limit = self.limit.as_secs_f64();
            let name = &running.name;
            output::show(&format!(
                "FAILED {name}\n  error: test: takes longer than {limit} s, and does not stop\n\nthe other results are lost\n"
            ));
            std::process::exit(1);
        }
    }

    /// Stops the watch.
    pub fn end(&self) {
        *lock(&self.over) = true;
        self.bell.notify_all();
    }
}

impl Seat<'_> {
    pub fn begin(&self, name: &str, cancel: &Cancel) {
        let running = Running { name: name.to_string(), since: Instant::now(), cancel: cancel.clone(), late: false };
        lock(&self.watch.seats[self.index]).replace(running);
    }

    /// Duration of the test, and whether it was asked to stop.
    pub fn end(&self) -> (Duration, bool) {
        let running = lock(&self.watch.seats[self.index]).take();
        running.map_or((Duration::ZERO, false), |running| (running.since.elapsed(), running.late))
    }

    pub fn limit(&self) -> Duration {
        self.watch.limit
    }
}
