//! Decides when a timed case has been measured enough.

use super::{Bench, Exact, Memory, Sample, Scored, Summary, Take, Timed};
use crate::measure::statistics::{Estimate, median_interval, outliers};
use crate::{Result, cancel};
use std::time::Instant;

/// A shorter sample would measure the clock and the scheduler: short work is called several times per sample.
const SHORTEST: f64 = 0.01;

/// The number of calls per sample, found by doubling, which also warms up. Continues until `warm_up` is over.
pub fn warm_up(case: &Timed, take: &mut dyn FnMut(u64) -> Result<f64>) -> Result<u64> {
    let start = Instant::now();
    let mut calls = 1_u64;
    loop {
        cancel::check()?;
        let seconds = take(calls)?;
        if seconds * (calls as f64) < SHORTEST {
            let more = (SHORTEST / (seconds * calls as f64).max(1e-9)).clamp(2.0, 64.0);
            calls = (calls as f64 * more).ceil() as u64;
        } else if start.elapsed().as_secs_f64() >= case.warm_up {
            return Ok(calls);
        }
    }
}

/// Whether one round of a case is over: the interval is narrow, or the budget is spent.
pub struct Budget<'a> {
    case: &'a Timed,
    start: Instant,
    next_look: usize,
}

impl<'a> Budget<'a> {
    pub fn new(case: &'a Timed) -> Budget<'a> {
        Budget { case, start: Instant::now(), next_look: case.min_samples }
    }

    pub fn is_over(&mut self, samples: &[f64]) -> bool {
        let count = samples.len();
        if count < self.case.min_samples.max(1) {
            // a single call may take minutes: then three must suffice
            return count >= 3 && self.start.elapsed().as_secs_f64() > 10.0 * self.case.seconds;
        }
        if count >= self.case.max_samples || self.start.elapsed().as_secs_f64() >= self.case.seconds {
            return true;
        }
        if count < self.next_look {
            return false;
        }
        // computing intervals costs more than a sample of a quick case
        self.next_look = count + count.div_ceil(4);
        median_interval(samples).width() <= self.case.width
    }
}

/// Summarizes samples.
pub fn summary(samples: &[f64]) -> Summary {
    let (below, above) = outliers(samples);
    Summary { median: median_interval(samples), samples: samples.len(), outliers: below + above }
}

/// Measures one round of a case in a standalone run.
pub struct Alone;

impl Bench for Alone {
    fn timed(&mut self, case: &Timed, take: &mut Take) -> Result<Summary> {
        let calls = warm_up(case, &mut |calls| take(calls, false).map(|sample| sample.seconds))?;
        let mut samples = Vec::new();
        let mut budget = Budget::new(case);
        while !budget.is_over(&samples) {
            cancel::check()?;
            samples.push(take(calls, false)?.seconds);
        }
        Ok(summary(&samples))
    }

    fn exact(&mut self, _: &Exact) -> Result<()> {
        Ok(())
    }

    fn scored(&mut self, _: &Scored) -> Result<()> {
        Ok(())
    }

    fn memory(&mut self, _: &Memory) -> Result<()> {
        Ok(())
    }
}

/// A fixed amount of work on all threads: dependent arithmetic, and a walk through more memory than the near caches hold. Its
/// time measures the current speed of the machine.
pub fn yardstick() -> f64 {
    const LENGTH: usize = 1 << 18;
    thread_local! {
        static FIELD: std::cell::RefCell<Vec<u64>> = std::cell::RefCell::new(vec![1; LENGTH]);
    }
    let work = |_: rayon::BroadcastContext| {
        let mut x = 0.5_f64;
        for _ in 0..500_000 {
            x = x * 0.999 + 0.001;
        }
        std::hint::black_box(x);
        FIELD.with_borrow_mut(|field| {
            for _ in 0..10 {
                field.iter_mut().for_each(|value| *value = value.rotate_left(7) ^ 0x9e37);
                std::hint::black_box(&field);
            }
        });
    };
    let start = Instant::now();
    rayon::broadcast(work);
    start.elapsed().as_secs_f64()
}

/// The time per call of `calls` calls, preceded by the yardstick if requested.
pub fn sample(calls: u64, with_yardstick: bool, mut call: impl FnMut() -> Result<()>) -> Result<Sample> {
    let yardstick = with_yardstick.then(yardstick);
    let start = Instant::now();
    for _ in 0..calls {
        call()?;
    }
    Ok(Sample { seconds: start.elapsed().as_secs_f64() / calls as f64, yardstick })
}

/// An estimate of unknown spread.
pub fn point(value: f64) -> Estimate {
    Estimate { value, low: value, high: value }
}
