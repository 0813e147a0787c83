//! Benchmarks: scripts name cases, a bench takes their measurements, and the judge compares them with a baseline.
//!
//! `levain bench` runs each script in a process of its own, several times over ([`drive`]), and asks it for one
//! sample after the other; so two binaries can take turns, and every decision is made in one place ([`plan`]).

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

/// What a script says of a timed case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    pub name: String,
    /// How much one call does, in the part of `unit` before the `/s`.
    pub work: Option<f64>,
    pub unit: String,
    /// The smallest slowdown of interest, as a share.
    pub margin: f64,
    /// Times the margin, against a stored baseline.
    pub stored: f64,
    /// A machine this much slower or faster than the baseline's decides nothing.
    pub drift: f64,
    /// Seconds before the first sample counts.
    pub warm_up: f64,
    /// Seconds of samples in one round, at most.
    pub seconds: f64,
    pub min_samples: usize,
    pub max_samples: usize,
    /// Width of the interval that ends a round, as a share of the median.
    pub width: f64,
}

/// A number that has to come out the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exact {
    pub name: String,
    /// As text, which keeps every bit of a float.
    pub value: String,
    /// Compared to so many digits after the point.
    pub digits: Option<usize>,
}

/// One score for each item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    pub name: String,
    pub items: Vec<(String, f64)>,
    /// The smallest mean loss of interest.
    pub margin: f64,
    /// The chance of a FAIL, and of a PASS, where the true loss is the margin.
    pub alpha: f64,
    pub lower_is_better: bool,
}

/// Memory, in bytes: the most that the process held until here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pub name: String,
    pub bytes: f64,
    /// The smallest growth of interest, as a share.
    pub margin: f64,
}

/// One sample: the time of one call, and of the yardstick beside it where that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub seconds: f64,
    pub yardstick: Option<f64>,
}

/// What the script gets back of a timed case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub median: super::statistics::Estimate,
    pub samples: usize,
    pub outliers: usize,
}

/// Takes one sample of so many calls, with a look at the yardstick or without.
pub type Take<'a> = dyn FnMut(u64, bool) -> Result<Sample> + 'a;

/// Who receives the cases of a script that runs: it alone, or a parent at the other end of a pipe.
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

/// Whether the script runs by itself, under `levain run` or at the prompt.
pub fn alone() -> bool {
    BENCH.with(|slot| slot.borrow().is_none())
}

/// Hands a case to the bench of this thread. It is away meanwhile: a case within a case is measured by itself.
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
