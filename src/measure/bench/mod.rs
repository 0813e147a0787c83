//! Benchmarks: scripts define cases, a bench measures them, and the judge compares the results with a baseline.
//!
//! `levain bench` runs each script several times in a separate process ([`drive`]), and requests one sample after the other, so
//! that two binaries can take turns, and every decision is made in one place ([`plan`]).

pub mod decision;
pub mod drive;
pub mod format;
pub mod history;
pub mod judge;
pub mod plan;
pub mod report;
pub mod rule;
pub mod scores;
pub mod wire;

use crate::Result;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// A timed case as declared by a script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    pub name: String,
    /// The amount of work per call, in the part of `unit` before the `/s`.
    pub work: Option<f64>,
    pub unit: String,
    /// The smallest slowdown of interest, as a share.
    pub margin: f64,
    /// Factor of the margin against a stored baseline.
    pub stored: f64,
    /// If the machine is slower or faster than the baseline's by this much, nothing is decided.
    pub drift: f64,
    /// Seconds before the first sample counts.
    pub warm_up: f64,
    /// Maximum seconds of samples per round.
    pub seconds: f64,
    pub min_samples: usize,
    pub max_samples: usize,
    /// Width of the interval that ends a round, as a share of the median.
    pub width: f64,
}

/// A number that must be reproduced exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exact {
    pub name: String,
    /// As text, which preserves every bit of a float.
    pub value: String,
    /// Compared to this many decimal digits.
    pub digits: Option<usize>,
}

/// One score per item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    pub name: String,
    pub items: Vec<(String, f64)>,
    /// The smallest mean loss of interest.
    pub margin: f64,
    /// The probability of a FAIL, and of a PASS, if the true loss equals the margin.
    pub alpha: f64,
    pub lower_is_better: bool,
}

/// Memory, in bytes: the peak of the process so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pub name: String,
    pub bytes: f64,
    /// The smallest growth of interest, as a share.
    pub margin: f64,
}

/// One sample: the time of one call, and of the yardstick if requested.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub seconds: f64,
    pub yardstick: Option<f64>,
}

/// The summary of a timed case returned to the script.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub median: super::statistics::Estimate,
    pub samples: usize,
    pub outliers: usize,
}

/// Takes one sample of this many calls, with or without the yardstick.
pub type Take<'a> = dyn FnMut(u64, bool) -> Result<Sample> + 'a;

/// The receiver of a running script's cases: the script's own process, or a parent at the other end of a pipe.
pub trait Bench {
    fn timed(&mut self, case: &Timed, take: &mut Take) -> Result<Summary>;
    fn exact(&mut self, case: &Exact) -> Result<()>;
    fn scored(&mut self, case: &Scored) -> Result<()>;
    fn memory(&mut self, case: &Memory) -> Result<()>;
}

thread_local! {
    static BENCH: RefCell<Option<Box<dyn Bench>>> = const { RefCell::new(None) };
}

/// Sends the cases of scripts on this thread to `bench`.
pub fn attach(bench: impl Bench + 'static) {
    BENCH.with(|slot| slot.replace(Some(Box::new(bench))));
}

/// Whether the script runs standalone, under `levain run` or at the prompt.
pub fn alone() -> bool {
    BENCH.with(|slot| slot.borrow().is_none())
}

/// Passes a case to this thread's bench, which is detached meanwhile: a nested case is measured by itself.
pub fn with<T>(work: impl FnOnce(&mut dyn Bench) -> T) -> T {
    match BENCH.with(|slot| slot.take()) {
        Some(mut bench) => {
            let result = work(bench.as_mut());
            BENCH.with(|slot| slot.replace(Some(bench)));
            result
        }
        None => work(&mut plan::Alone),
    }
}
