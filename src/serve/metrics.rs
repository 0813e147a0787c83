//! Counters and histograms in Prometheus' text format.

use crate::sync::unpoisoned;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of a histogram's buckets, in seconds.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

#[derive(Default)]
struct Histogram {
    counts: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    fn add(&self, time: Duration) {
        for (bound, count) in BUCKETS.iter().zip(&self.counts) {
            if time.as_secs_f64() <= *bound {
                count.fetch_add(1, Relaxed);
            }
        }
        self.count.fetch_add(1, Relaxed);
        self.micros.fetch_add(time.as_micros() as u64, Relaxed);
    }

    fn write(&self, name: &str, help: &str, out: &mut String) {
        let count = self.count.load(Relaxed);
        let mut text = format!("# HELP {name} {help}\n# TYPE {name} histogram\n");
        for (bound, held) in BUCKETS.iter().zip(&self.counts) {
            text += &format!("{name}_bucket{{le=\"{bound}\"}} {}\n", held.load(Relaxed));
        }
        text += &format!("{name}_bucket{{le=\"+Inf\"}} {count}\n");
        text += &format!("{name}_sum {}\n{name}_count {count}\n", self.micros.load(Relaxed) as f64 / 1e6);
        out.push_str(&text);
    }
}

/// The metrics of a server.
#[derive(Default)]
pub struct Metrics {
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    generated_tokens: AtomicU64,
    dropped: AtomicU64,
    waiting: AtomicU64,
    running: AtomicU64,
    connections: AtomicU64,
    first_token: Histogram,
    steps: Histogram,
    requests: Mutex<BTreeMap<(String, u16), u64>>,
}

impl Metrics {
    pub fn prompt(&self, tokens: usize, cached: usize) {
        self.prompt_tokens.fetch_add(tokens as u64, Relaxed);
        self.cached_tokens.fetch_add(cached as u64, Relaxed);
    }

    /// Records the time of an answer's `new`-th token since its request was admitted.
    pub fn token(&self, new: usize, since: Duration) {
        self.generated_tokens.fetch_add(1, Relaxed);
        if new == 1 {
            self.first_token.add(since);
        }
    }

    pub fn step(&self, running: usize, time: Duration) {
        self.running.store(running as u64, Relaxed);
        self.steps.add(time);
    }

    pub fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub fn waiting(&self, count: usize) {
        self.waiting.store(count as u64, Relaxed);
    }

    pub fn request(&self, path: &str, status: u16) {
        *unpoisoned(self.requests.lock()).entry((path.to_string(), status)).or_default() += 1;
    }

    pub fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub fn disconnected(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    /// All metrics in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let numbers = [
            ("levain_prompt_tokens_total", "counter", "Tokens of prompts.", &self.prompt_tokens),
            (
                "levain_cached_tokens_total",
                "counter",
                "Tokens of prompts that were known already.",
                &self.cached_tokens,
            ),
            ("levain_generated_tokens_total", "counter", "Tokens that were generated.", &self.generated_tokens),
            ("levain_dropped_answers_total", "counter", "Answers whose client left.", &self.dropped),
            ("levain_requests_waiting", "gauge", "Requests in the queue.", &self.waiting),
            ("levain_answers_running", "gauge", "Answers that are being written.", &self.running),
            ("levain_connections", "gauge", "Open connections.", &self.connections),
        ];
        for (name, kind, help, value) in numbers {
            // writing to a string does not fail
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {}\n", value.load(Relaxed));
        }
        self.first_token.write("levain_first_token_seconds", "Time to the first token of an answer.", &mut out);
        self.steps.write("levain_step_seconds", "Time of one token of all running answers.", &mut out);
        out.push_str(
            "# HELP levain_requests_total Requests by path and status.\n# TYPE levain_requests_total counter\n",
        );
        for ((path, status), count) in unpoisoned(self.requests.lock()).iter() {
            let _ = writeln!(out, "levain_requests_total{{path=\"{path}\",status=\"{status}\"}} {count}");
        }
        out
    }
}
