//! Decisions: current measurements compared with earlier ones.
//!
//! The rule for times separates the interval, which states the uncertainty, from the margin, the smallest effect of interest: an
//! interval above the margin is FAIL, one within it PASS, and one that contains it INCONCLUSIVE. Rounds are added until it is
//! PASS or FAIL, so the interval covers the truth less often than its nominal level; what counts for a gate is its error rate,
//! which simulations measure (docs/verdict.md). A machine may have drifted since a stored baseline: there the margin is wider,
//! the interval covers every round of both, and the times must agree both in absolute terms and relative to the yardstick that
//! ran beside them. Paired samples of two binaries need none of that. All thresholds are options of the cases, with their
//! defaults in `stdlib/bench.rhai`.

use super::decision::judged;
use super::drive::{Finding, Pass};
use super::format::{percent, seconds_text};
use super::plan::point;
use super::{Exact, Memory, Sample, Scored, Timed, scores};
use crate::measure::statistics::{Estimate, median, median_interval, outliers, ratio_interval};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use super::decision::{Decision, Judged};

/// A case as stored in a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kept {
    Exact { value: String },
    Timed { rounds: Vec<Round> },
    Scores { items: BTreeMap<String, f64> },
    Memory { rounds: Vec<f64> },
}

impl Kept {
    pub fn name(&self) -> &'static str {
        match self {
            Kept::Exact { .. } => "exact",
            Kept::Timed { .. } => "timed",
            Kept::Scores { .. } => "scores",
            Kept::Memory { .. } => "memory",
        }
    }
}

/// One round of a timed case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    pub seconds: Estimate,
    /// Relative to the yardstick beside each sample; unknown for binaries in turn.
    pub relative: Option<Estimate>,
    /// Seconds.
    pub yardstick: Option<f64>,
    pub samples: usize,
    /// Number of samples beyond Tukey's outer fences.
    pub outliers: usize,
}

impl Round {
    fn of(samples: &[Sample]) -> Option<Round> {
        let seconds: Vec<f64> = samples.iter().map(|sample| sample.seconds).collect();
        let pairs = samples.iter().filter_map(|sample| Some((sample.seconds, sample.yardstick?)));
        let (relative, yardsticks): (Vec<f64>, Vec<f64>) = pairs.map(|(took, yard)| (took / yard, yard)).unzip();
        if seconds.is_empty() {
            return None;
        }
        let known = !relative.is_empty();
        Some(Round {
            seconds: median_interval(&seconds),
            relative: known.then(|| median_interval(&relative)),
            yardstick: known.then(|| median(&yardsticks)),
            samples: seconds.len(),
            outliers: outlying(&seconds),
        })
    }
}

fn outlying(values: &[f64]) -> usize {
    let (below, above) = outliers(values);
    below + above
}

/// The results of all rounds of a script for one of its cases.
#[derive(Clone, Debug)]
pub struct Case {
    pub settings: Settings,
    pub kept: Kept,
    /// How rounds differ in values that should be equal.
    pub unlike: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Settings {
    Timed(Timed),
    Exact(Exact),
    Scored(Scored),
    Memory(Memory),
}

impl Case {
    pub fn name(&self) -> &str {
        match &self.settings {
            Settings::Timed(case) => &case.name,
            Settings::Exact(case) => &case.name,
            Settings::Scored(case) => &case.name,
            Settings::Memory(case) => &case.name,
        }
    }

    pub fn margin(&self) -> f64 {
        match &self.settings {
            Settings::Timed(case) => case.margin,
            Settings::Exact(_) => 0.0,
            Settings::Scored(case) => case.margin,
            Settings::Memory(case) => case.margin,
        }
    }
}

/// The cases of a script, in order, from all of its rounds.
pub fn cases(rounds: &[Pass]) -> Vec<Case> {
    let mut first: Vec<&Finding> = Vec::new();
    for finding in rounds.iter().flat_map(|pass| &pass.findings) {
        if !first.iter().any(|known| known.name() == finding.name()) {
            first.push(finding);
        }
    }
    let all = |name: &str| rounds.iter().filter_map(|pass| pass.finding(name)).cloned().collect::<Vec<_>>();
    let of_all = |finding: &&Finding| {
        let found = all(finding.name());
        let mut case = case(finding, &found);
        if found.len() < rounds.len() {
            case.unlike.get_or_insert(format!("a case of {} of {} rounds", found.len(), rounds.len()));
        }
        case
    };
    first.iter().map(of_all).collect()
}

fn case(first: &Finding, all: &[Finding]) -> Case {
    let (settings, kept, unlike) = match first {
        Finding::Timed(case, _) => {
            let samples = all.iter().filter_map(|finding| match finding {
                Finding::Timed(_, samples) => Round::of(samples),
                _ => None,
            });
            (Settings::Timed(case.clone()), Kept::Timed { rounds: samples.collect() }, None)
        }
        Finding::Exact(case) => {
            let other = all.iter().find_map(|finding| match finding {
                Finding::Exact(other) => {
                    let judged = exact(&other.value, &case.value, case.digits, Origin::Binary);
                    (judged.decision != Decision::Pass)
                        .then(|| format!("not the same twice: {}, then {}", case.value, other.value))
                }
                _ => None,
            });
            (Settings::Exact(case.clone()), Kept::Exact { value: case.value.clone() }, other)
        }
        Finding::Scored(case) => {
            let other = all.iter().find_map(|finding| match finding {
                Finding::Scored(other) if other.items != case.items => {
                    Some("not the same twice: scores, then other scores".to_string())
                }
                _ => None,
            });
            let items = case.items.iter().cloned().collect();
            (Settings::Scored(case.clone()), Kept::Scores { items }, other)
        }
        Finding::Memory(case) => {
            let rounds = all.iter().filter_map(|finding| match finding {
                Finding::Memory(case) => Some(case.bytes),
                _ => None,
            });
            (Settings::Memory(case.clone()), Kept::Memory { rounds: rounds.collect() }, None)
        }
    };
    Case { settings, kept, unlike }
}

/// Source of the numbers to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A stored baseline of this class of machine.
    Stored,
    /// A stored baseline of another class.
    OtherMachine,
    /// Another binary, measured at the same time.
    Binary,
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Origin::Binary => "other binary",
            _ => "baseline",
        }
    }
}

/// Compares a case with its stored values. Times of two binaries are judged by [`ratio`] instead.
pub fn judge(case: &Case, kept: Option<&Kept>, origin: Origin) -> Judged {
    if let Some(unlike) = &case.unlike {
        return judged(Decision::Fail, unlike.as_str());
    }
    let Some(kept) = kept else {
        return judged(Decision::Inconclusive, format!("not in the {}", origin.name()));
    };
    match (&case.settings, &case.kept, kept) {
        (Settings::Exact(settings), Kept::Exact { value }, Kept::Exact { value: before }) => {
            exact(value, before, settings.digits, origin)
        }
        (Settings::Scored(settings), Kept::Scores { .. }, Kept::Scores { items }) => {
            scores::judge(settings, items, origin == Origin::OtherMachine)
        }
        (_, Kept::Timed { .. } | Kept::Memory { .. }, Kept::Timed { .. } | Kept::Memory { .. })
            if origin == Origin::OtherMachine =>
        {
            judged(Decision::Inconclusive, "the baseline is of another machine, see --against")
        }
        (Settings::Timed(settings), Kept::Timed { rounds }, Kept::Timed { rounds: before }) => {
            times(rounds, before, settings)
        }
        (Settings::Memory(settings), Kept::Memory { rounds }, Kept::Memory { rounds: before }) => {
            let hull = |bytes: &[f64]| Estimate::hull(&bytes.iter().map(|value| point(*value)).collect::<Vec<_>>());
            match (hull(rounds), hull(before)) {
                (Some(new), Some(old)) => within(new.over(&old), settings.margin, "more"),
                _ => judged(Decision::Inconclusive, "nothing was measured"),
            }
        }
        _ => judged(Decision::Inconclusive, format!("the {} has another kind of case by this name", origin.name())),
    }
}

fn exact(value: &str, before: &str, digits: Option<usize>, origin: Origin) -> Judged {
    if value == before {
        return judged(Decision::Pass, "equal");
    }
    let number = |text: &str| text.parse::<f64>().ok();
    let float = |text: &str| text.parse::<i64>().is_err() && number(text).is_some();
    if let (Some(digits), Some(a), Some(b)) = (digits, number(value), number(before)) {
        let (a, b) = (format!("{a:.digits$}"), format!("{b:.digits$}"));
        return if a == b {
            judged(Decision::Pass, format!("equal to {digits} digits"))
        } else {
            judged(Decision::Fail, format!("was {b}, is {a}, to {digits} digits"))
        };
    }
    let reason = format!("was {before}, is {value}");
    if origin == Origin::OtherMachine && float(value) && float(before) {
        return judged(Decision::Inconclusive, format!("{reason}; the baseline's machine may round otherwise"));
    }
    judged(Decision::Fail, reason)
}

/// Judges a ratio of times or bytes: above the margin, below it, or undecided.
fn within(ratio: Estimate, margin: f64, word: &str) -> Judged {
    let limit = 1.0 + margin;
    let shown = percent(&ratio);
    let (decision, reason) = if ratio.low > limit {
        (Decision::Fail, format!("{shown}: {word} by over {}", share(margin)))
    } else if ratio.high < limit {
        (Decision::Pass, shown)
    } else {
        (Decision::Inconclusive, format!("{shown}: the interval contains {}", share(margin)))
    };
    Judged { decision, reason, change: Some(ratio) }
}

fn share(part: f64) -> String {
    format!("{} %", (part * 1000.0).round() / 10.0)
}

/// Judges paired samples of two binaries, a list of ratios per round.
pub fn ratio(rounds: &[Vec<f64>], margin: f64) -> Judged {
    match ratio_interval(rounds) {
        Some(ratio) => within(ratio, margin, "slower"),
        None => judged(Decision::Inconclusive, "no pair was measured"),
    }
}

/// Judges rounds of times against rounds of a stored baseline.
fn times(rounds: &[Round], before: &[Round], case: &Timed) -> Judged {
    let hull = |rounds: &[Round], part: fn(&Round) -> Option<Estimate>| {
        Estimate::hull(&rounds.iter().filter_map(part).collect::<Vec<_>>())
    };
    let over = |part: fn(&Round) -> Option<Estimate>| Some(hull(rounds, part)?.over(&hull(before, part)?));
    let (Some(raw), Some(relative)) = (over(|round| Some(round.seconds)), over(|round| round.relative)) else {
        return judged(Decision::Inconclusive, "nothing was measured");
    };
    let yard = |rounds: &[Round]| median(&rounds.iter().filter_map(|round| round.yardstick).collect::<Vec<_>>());
    let drift = yard(rounds) / yard(before);
    let margin = case.stored * case.margin;
    let limit = 1.0 + margin;
    let sure = |decision, reason: String| Judged { decision, reason, change: Some(raw) };
    if !(1.0 / case.drift..=case.drift).contains(&drift) {
        let reason = format!("the machine itself takes {drift:.2} times as long as for the baseline");
        return sure(Decision::Inconclusive, reason);
    }
    if raw.low > limit && relative.low > limit {
        return sure(Decision::Fail, format!("{}: slower by over {}", percent(&raw), share(margin)));
    }
    // other load on the machine may blur one of the two, not both
    if raw.high.min(relative.high) < limit && raw.value.max(relative.value) < limit {
        return sure(Decision::Pass, percent(&raw));
    }
    let blur = (raw.high - raw.low).min(relative.high - relative.low);
    let reason = if blur > margin {
        "the machine is too noisy".to_string()
    } else if (drift - 1.0).abs() > case.margin {
        format!("the machine itself takes {drift:.2} times as long")
    } else {
        format!("the interval contains {}", share(margin))
    };
    sure(Decision::Inconclusive, format!("{}: {reason}", percent(&raw)))
}

/// The measurements of a case, in readable form.
pub fn shown(case: &Case) -> String {
    match (&case.settings, &case.kept) {
        (Settings::Timed(settings), Kept::Timed { rounds }) => {
            let Some(hull) = Estimate::hull(&rounds.iter().map(|round| round.seconds).collect::<Vec<_>>()) else {
                return String::new();
            };
            let mut text = format!("{} ±{:.1} %", seconds_text(hull.value), 50.0 * hull.width());
            if let Some(work) = settings.work {
                text += &format!(", {}", super::format::rate_text(work / hull.value, &settings.unit));
            }
            let (samples, outlying) =
                rounds.iter().fold((0, 0), |(all, out), round| (all + round.samples, out + round.outliers));
            if outlying > 0 {
                text += &format!(", {outlying} outlier{} of {samples}", super::format::plural(outlying));
            }
            text
        }
        (Settings::Scored(settings), _) => {
            let count = settings.items.len();
            let mean = settings.items.iter().map(|(_, score)| score).sum::<f64>() / count.max(1) as f64;
            format!("{mean:.4} over {count}")
        }
        (_, Kept::Memory { rounds }) => format!("{:.1} MiB", median(rounds) / (1 << 20) as f64),
        (_, Kept::Exact { value }) => value.clone(),
        _ => String::new(),
    }
}
