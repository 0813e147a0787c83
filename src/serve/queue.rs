//! The queue of waiting requests: bounded, and serves clients in turn.

use super::job::Work;
use crate::sync::unpoisoned;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

pub struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    most: usize,
}

#[derive(Default)]
struct Waiting {
    works: VecDeque<Work>,
    closed: bool,
}

/// The reason for refusing a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refusal {
    Full,
    Closed,
}

impl Queue {
    pub fn new(most: usize) -> Queue {
        Queue { waiting: Mutex::default(), changed: Condvar::new(), most }
    }

    pub fn push(&self, work: Work) -> Result<(), Refusal> {
        let mut waiting = unpoisoned(self.waiting.lock());
        waiting.works.retain(|work| !work.is_left());
        if waiting.closed {
            return Err(Refusal::Closed);
        }
        if waiting.works.len() >= self.most {
            return Err(Refusal::Full);
        }
        waiting.works.push_back(work);
        self.changed.notify_one();
        Ok(())
    }

    /// The next request that fits into `room` lines: the oldest of the client with the fewest running lines.
    pub fn take(&self, room: usize, running: &BTreeMap<String, usize>) -> Option<Work> {
        let mut waiting = unpoisoned(self.waiting.lock());
        waiting.works.retain(|work| !work.is_left());
        let mut clients: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, work) in waiting.works.iter().enumerate() {
            clients.entry(work.client()).or_insert(at);
        }
        let load = |client: &str| running.get(client).copied().unwrap_or(0);
        let (_, &at) = clients.iter().min_by_key(|(client, at)| (load(client), **at))?;
        // a request for many lines waits for them, so that single-line requests can't overtake it forever
        (waiting.works[at].lines() <= room).then(|| waiting.works.remove(at))?
    }

    /// Waits for a request, at most this long.
    pub fn wait(&self, limit: Duration) {
        let waiting = unpoisoned(self.waiting.lock());
        if waiting.works.is_empty() && !waiting.closed {
            drop(unpoisoned(self.changed.wait_timeout(waiting, limit)));
        }
    }

    pub fn len(&self) -> usize {
        unpoisoned(self.waiting.lock()).works.len()
    }

    /// Accepts no more requests, and returns the waiting ones.
    pub fn close(&self) -> Vec<Work> {
        let mut waiting = unpoisoned(self.waiting.lock());
        waiting.closed = true;
        self.changed.notify_all();
        waiting.works.drain(..).collect()
    }
}
