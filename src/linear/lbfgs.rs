//! L-BFGS (Liu and Nocedal 1989) with a line search for the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and
//! 3.6): minimizes a smooth function of many variables.

use crate::kernel::parallel;
use crate::{Result, bail, cancel};
use std::collections::VecDeque;

/// Stopping criteria.
#[derive(Clone, Copy, Debug)]
pub struct Stopping {
    pub max_iter: usize,
    /// The largest gradient component that counts as zero.
    pub tol: f64,
    /// Minimum relative decrease of the value over ten steps; 0 disables the criterion.
    pub gain: f64,
}

/// Result of the search.
#[derive(Clone, Debug)]
pub struct Minimum {
    pub x: Vec<f64>,
    pub value: f64,
    pub iterations: usize,
    /// The gradient was within the tolerance, or no step decreased the value.
    pub converged: bool,
}

/// Number of steps whose curvature is stored.
const MEMORY: usize = 10;
/// The constants of sufficient decrease and of curvature.
const DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;

struct Step {
    moved: Vec<f64>,
    turned: Vec<f64>,
    inverse: f64,
}

/// A function of many variables that also writes its gradient.
pub type Function<'f> = dyn FnMut(&[f64], &mut [f64]) -> Result<f64> + 'f;

/// Minimizes from `x` on. `value(x, gradient)` writes the gradient and returns the value.
pub fn minimize(who: &str, x: Vec<f64>, stopping: Stopping, value: &mut Function) -> Result<Minimum> {
    let mut gradient = vec![0.0; x.len()];
    let mut at = Minimum { value: value(&x, &mut gradient)?, x, iterations: 0, converged: false };
    if !at.value.is_finite() {
        bail!(who, "the loss is {} at its start", at.value);
    }
    let mut steps: VecDeque<Step> = VecDeque::new();
    let mut values = vec![at.value];
    while at.iterations < stopping.max_iter {
        cancel::check()?;
        let largest = gradient.iter().fold(0f64, |most, part| most.max(part.abs()));
        if largest <= stopping.tol {
            at.converged = true;
            break;
        }
        let mut direction = direction(&gradient, &steps);
        if dot(&direction, &gradient) >= 0.0 {
            steps.clear();
            direction = gradient.iter().map(|part| -part).collect();
        }
        let first = if steps.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let Some(found) = search(&at, &gradient, &direction, first, value)? else {
            if steps.is_empty() {
                // not even steepest descent decreases the value: the limit of precision
                at.converged = true;
                break;
            }
            steps.clear();
            continue;
        };
        let moved: Vec<f64> = direction.iter().map(|part| part * found.length).collect();
        let turned: Vec<f64> = found.gradient.iter().zip(&gradient).map(|(after, before)| after - before).collect();
        let along = dot(&moved, &turned);
        if along > f64::EPSILON * dot(&turned, &turned) {
            if steps.len() == MEMORY {
                steps.pop_front();
            }
            steps.push_back(Step { moved, turned, inverse: 1.0 / along });
        }
        (at.x, at.value, gradient) = (found.x, found.value, found.gradient);
        at.iterations += 1;
        values.push(at.value);
        if let Some(before) = values.len().checked_sub(11).map(|place| values[place])
            && before - at.value < stopping.gain * at.value.abs()
        {
            at.converged = true;
            break;
        }
    }
    Ok(at)
}

/// The search direction: the negative gradient times the inverse curvature estimated from the last steps.
fn direction(gradient: &[f64], steps: &VecDeque<Step>) -> Vec<f64> {
    let mut way: Vec<f64> = gradient.iter().map(|part| -part).collect();
    let mut shares = Vec::with_capacity(steps.len());
    for step in steps.iter().rev() {
        let share = step.inverse * dot(&step.moved, &way);
        add(&mut way, -share, &step.turned);
        shares.push(share);
    }
    if let Some(last) = steps.back() {
        let scale = 1.0 / (last.inverse * dot(&last.turned, &last.turned));
        way.iter_mut().for_each(|part| *part *= scale);
    }
    for (step, share) in steps.iter().zip(shares.into_iter().rev()) {
        let back = step.inverse * dot(&step.turned, &way);
        add(&mut way, share - back, &step.moved);
    }
    way
}

/// A point on a line.
struct Point {
    length: f64,
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    slope: f64,
}

/// A point that satisfies both conditions, or `None` where precision is too low to find one.
fn search(
    from: &Minimum,
    gradient: &[f64],
    direction: &[f64],
    first: f64,
    value: &mut Function,
) -> Result<Option<Point>> {
    let slope = dot(gradient, direction);
    let mut at = |length: f64| -> Result<Point> {
        let mut x = from.x.clone();
        add(&mut x, length, direction);
        let mut gradient = vec![0.0; x.len()];
        let value = value(&x, &mut gradient)?;
        let slope = dot(&gradient, direction);
        Ok(Point { length, x, value, gradient, slope })
    };
    let enough = |point: &Point| point.value <= from.value + DECREASE * point.length * slope;
    let flat = |point: &Point| point.slope.abs() <= -CURVATURE * slope;
    // ends of an interval that contains such a point: the lower value, and the other end
    let mut low = (0.0, from.value, slope);
    let mut high = None;
    let mut length = first;
    for _ in 0..20 {
        let point = at(length)?;
        let here = (point.length, point.value, point.slope);
        if !point.value.is_finite() || !enough(&point) || point.value >= low.1 && low.0 > 0.0 {
            high = Some(here);
            break;
        }
        if flat(&point) {
            return Ok(Some(point));
        }
        if point.slope >= 0.0 {
            (high, low) = (Some(low), here);
            break;
        }
        low = here;
        length *= 2.0;
    }
    let Some(mut high) = high else { return Ok(None) };
    for _ in 0..40 {
        if (high.0 - low.0).abs() <= 1e-14 * low.0.abs().max(1e-14) {
            break;
        }
        let point = at(between(low, high))?;
        let here = (point.length, point.value, point.slope);
        if !point.value.is_finite() || !enough(&point) || point.value >= low.1 {
            high = here;
            continue;
        }
        if flat(&point) {
            return Ok(Some(point));
        }
        if point.slope * (high.0 - low.0) >= 0.0 {
            high = low;
        }
        low = here;
    }
    // a lower point is accepted, although it is not flat
    if low.0 > 0.0 && low.1 < from.value { at(low.0).map(Some) } else { Ok(None) }
}

/// The minimum of the cubic through two ends, kept away from both.
fn between(low: (f64, f64, f64), high: (f64, f64, f64)) -> f64 {
    let ((a, value_a, slope_a), (b, value_b, slope_b)) = (low, high);
    let middle = 0.5 * (a + b);
    let inner = slope_a + slope_b - 3.0 * (value_a - value_b) / (a - b);
    let root = (inner * inner - slope_a * slope_b).sqrt() * (b - a).signum();
    let best = b - (b - a) * (slope_b + root - inner) / (slope_b - slope_a + 2.0 * root);
    let margin = 0.1 * (b - a).abs();
    let (least, most) = (a.min(b) + margin, a.max(b) - margin);
    if best.is_finite() { best.clamp(least, most) } else { middle }
}

/// A sum over chunks of fixed length, so that it does not depend on threads.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const PIECE: usize = 1 << 14;
    let mut sums: Vec<f64> = Vec::new();
    parallel::extend(&mut sums, 0..a.len().div_ceil(PIECE), 4, |pieces| {
        pieces.map(|piece| {
            let span = piece * PIECE..((piece + 1) * PIECE).min(a.len());
            a[span.clone()].iter().zip(&b[span]).map(|(a, b)| a * b).sum()
        })
    });
    sums.iter().sum()
}

/// to += by · from
fn add(to: &mut [f64], by: f64, from: &[f64]) {
    parallel::pieces(to, 1 << 16, &|first, to: &mut [f64]| {
        to.iter_mut().zip(&from[first..]).for_each(|(to, from)| *to += by * from);
    });
}
