//! Search spaces: parameters with their ranges.

use crate::rng::Rng;
use crate::{Error, Result, bail};

/// The domain of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// From `low` to `high`, both included; logarithmic if `log`, only integers if `whole`.
    Number { low: f64, high: f64, log: bool, whole: bool },
    /// One of `count` choices.
    Choice { count: usize },
}

/// A named parameter.
#[derive(Clone, Debug)]
pub struct Param {
    pub name: String,
    pub domain: Domain,
    /// The parameter exists only if the choice at this index in the space has this value.
    pub when: Option<(usize, usize)>,
}

/// All parameters. A choice precedes its dependents.
#[derive(Clone, Debug)]
pub struct Space(pub Vec<Param>);

/// A value for each parameter, the index for a choice; `None` for absent parameters.
pub type Values = Vec<Option<f64>>;

impl Domain {
    pub fn check(&self, name: &str) -> Result<()> {
        let Domain::Number { low, high, log, .. } = *self else { return Ok(()) };
        if !(low.is_finite() && high.is_finite() && low < high) {
            let error = format!("`{name}` goes from {low} to {high}, and it needs a range of finite numbers");
            return Err(Error::new("search", error).help("what is always the same is no parameter of the search"));
        }
        if log && low <= 0.0 {
            bail!("search", "`{name}` goes from {low}, and by ratios it has to begin above 0");
        }
        Ok(())
    }

    /// The searched range: extended by half a step on each side for integers, and logarithmic if `log`.
    pub fn range(&self) -> (f64, f64) {
        match *self {
            Domain::Number { low, high, log, whole } => {
                let more = if whole { 0.5 } else { 0.0 };
                let at = |x: f64| if log { x.ln() } else { x };
                (at(low - more), at(high + more))
            }
            Domain::Choice { count } => (0.0, count as f64),
        }
    }

    /// The position of a value in [`Domain::range`].
    pub fn place(&self, value: f64) -> f64 {
        match self {
            Domain::Number { log: true, .. } => value.ln(),
            _ => value,
        }
    }

    /// The value at a position. Rounded to six digits, so that another machine's logarithm makes the same trial.
    pub fn value(&self, place: f64) -> f64 {
        match *self {
            Domain::Number { low, high, log, whole } => {
                let value = if log { place.exp() } else { place };
                let value = if whole { value.round() } else { six_digits(value) };
                value.clamp(low, high)
            }
            Domain::Choice { count } => place.floor().clamp(0.0, count as f64 - 1.0),
        }
    }
}

fn six_digits(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

impl Space {
    /// Whether the parameter at `at` exists given the values before it.
    pub fn is_there(&self, at: usize, values: &[Option<f64>]) -> bool {
        match self.0[at].when {
            None => true,
            Some((of, choice)) => values.get(of).copied().flatten() == Some(choice as f64),
        }
    }

    /// Draws each parameter uniformly from its range.
    pub fn random(&self, rng: &mut Rng) -> Values {
        let mut values = Vec::new();
        for (at, param) in self.0.iter().enumerate() {
            let (low, high) = param.domain.range();
            // every parameter draws, so that its value does not depend on the others
            let place = low + rng.uniform() * (high - low);
            values.push(self.is_there(at, &values).then(|| param.domain.value(place)));
        }
        values
    }
}
