//! An axis: maps values to positions, and has round tick labels.

use crate::text::thousands;

/// The label and scale of an axis.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    pub label: String,
    pub log: bool,
}

/// The range of an axis.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    /// Spans the finite values, with a margin where they are all equal.
    pub fn over(values: impl Iterator<Item = f64>, log: bool) -> Option<Scale> {
        let ends = values.filter(|value| value.is_finite()).map(|value| if log { value.log10() } else { value });
        let (low, high) = ends.fold(None, |ends: Option<(f64, f64)>, value| {
            Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        })?;
        let (low, high) = if low < high {
            (low, high)
        } else {
            let room = if log || low == 0.0 { 0.5 } else { low.abs() * 0.05 };
            (low - room, high + room)
        };
        Some(Scale { low, high, log })
    }

    /// Widens both ends by a fraction of the length.
    pub fn widened(self, share: f64) -> Scale {
        let room = (self.high - self.low) * share;
        Scale { low: self.low - room, high: self.high + room, ..self }
    }

    /// Extends the range to include 0, for bars.
    pub fn with_zero(self) -> Scale {
        if self.log { self } else { Scale { low: self.low.min(0.0), high: self.high.max(0.0), ..self } }
    }

    /// The position of a value, from 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        (value - self.low) / (self.high - self.low)
    }

    /// The value at a position from 0 to 1.
    pub fn at(&self, place: f64) -> f64 {
        let value = self.low + place * (self.high - self.low);
        if self.log { 10f64.powf(value) } else { value }
    }

    /// About `count` round values with their labels.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let decades = self.high - self.low;
        if self.log && decades >= 1.0 {
            let apart = (decades / count.max(1) as f64).ceil().max(1.0) as i32;
            let tens = (self.low.ceil() as i32..=self.high.floor() as i32).step_by(apart as usize);
            return tens.map(|ten| 10f64.powi(ten)).map(|value| (value, short(value))).collect();
        }
        let (low, high) = (self.at(0.0), self.at(1.0));
        let apart = round_step((high - low) / count.max(1) as f64);
        let digits = (-apart.log10().floor()).max(0.0) as usize;
        // 2.5 needs one digit more than 2
        let digits = digits + usize::from((apart * 10f64.powi(digits as i32)).fract() > 1e-6);
        let first = (low / apart - 1e-9).ceil() as i64;
        let last = (high / apart + 1e-9).floor() as i64;
        (first..=last).map(|at| at as f64 * apart).map(|value| (value, fixed(value, digits))).collect()
    }
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let ten = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0].into_iter().find(|factor| factor * ten >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * ten
}

fn fixed(value: f64, digits: usize) -> String {
    let value = if value.abs() < 1e-12 { 0.0 } else { value };
    if value.abs() >= 1e9 || (digits > 6 && value != 0.0) {
        format!("{value:e}")
    } else {
        thousands(format!("{value:.digits$}"))
    }
}

/// Formats a number briefly, for powers of ten and the ends of bars.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e9).contains(&size) {
        return format!("{value:e}");
    }
    let digits = match size {
        _ if value.fract() == 0.0 => 0,
        100.0.. => 1,
        10.0.. => 2,
        _ => 3 + (-size.log10().floor()).clamp(1.0, 4.0) as usize - 1,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    thousands(text)
}
