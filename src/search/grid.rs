//! Grid search: every combination, in order.

use super::space::{Domain, Space, Values};
use crate::{Error, Result};

/// Maximum size of a grid.
const MOST: usize = 100_000;

/// All combinations: every choice, every integer up to `points` of them, and `points` evenly spaced numbers in other ranges. The
/// last parameter varies fastest.
pub fn grid(space: &Space, points: usize) -> Result<Vec<Values>> {
    let mut all: Vec<Values> = vec![Vec::new()];
    for (at, param) in space.0.iter().enumerate() {
        let levels = levels(&param.domain, points.max(1));
        let more = all.into_iter().flat_map(|values| {
            let own: Vec<Option<f64>> =
                if space.is_there(at, &values) { levels.iter().copied().map(Some).collect() } else { vec![None] };
            own.into_iter().map(move |value| [values.clone(), vec![value]].concat())
        });
        all = more.take(MOST + 1).collect();
        if all.len() > MOST {
            return Err(Error::new("search", format!("the grid has more than {MOST} points"))
                .help("fewer `points`, or the method \"random\" or \"tpe\""));
        }
    }
    Ok(all)
}

fn levels(domain: &Domain, points: usize) -> Vec<f64> {
    match *domain {
        Domain::Choice { count } => (0..count).map(|choice| choice as f64).collect(),
        Domain::Number { low, high, whole: true, .. } if high - low < points as f64 => {
            (0..=(high - low) as usize).map(|step| low + step as f64).collect()
        }
        Domain::Number { low, high, .. } => {
            let (from, to) = (domain.place(low), domain.place(high));
            let place = |step: usize| {
                if points == 1 { (from + to) / 2.0 } else { from + (to - from) * step as f64 / (points - 1) as f64 }
            };
            let mut levels: Vec<f64> = (0..points).map(|step| domain.value(place(step))).collect();
            levels.dedup();
            levels
        }
    }
}
