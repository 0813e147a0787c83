//! The decision rule of a case, stored with its measurements, so that two saved results can be compared without a run.

use super::judge::{Case, Kept, Settings};
use super::{Exact, Memory, Scored, Timed};
use serde::{Deserialize, Serialize};

/// The thresholds of a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digits: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower_is_better: Option<bool>,
}

/// A case as stored in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    #[serde(flatten)]
    pub kept: Kept,
    #[serde(default)]
    pub rule: Rule,
}

impl Stored {
    pub fn of(case: &Case) -> Stored {
        let rule = match &case.settings {
            Settings::Exact(case) => Rule { digits: case.digits, ..Rule::default() },
            Settings::Timed(case) => Rule {
                margin: Some(case.margin),
                stored: Some(case.stored),
                drift: Some(case.drift),
                ..Rule::default()
            },
            Settings::Scored(case) => Rule {
                margin: Some(case.margin),
                alpha: Some(case.alpha),
                lower_is_better: Some(case.lower_is_better),
                ..Rule::default()
            },
            Settings::Memory(case) => Rule { margin: Some(case.margin), ..Rule::default() },
        };
        Stored { kept: case.kept.clone(), rule }
    }

    /// The case. Thresholds missing in the file are the defaults of `stdlib/bench.rhai`.
    pub fn case(&self, name: &str) -> Case {
        let (name, rule) = (name.to_string(), &self.rule);
        let settings = match &self.kept {
            Kept::Exact { value } => Settings::Exact(Exact { name, value: value.clone(), digits: rule.digits }),
            Kept::Scores { items } => Settings::Scored(Scored {
                name,
                items: items.iter().map(|(item, score)| (item.clone(), *score)).collect(),
                margin: rule.margin.unwrap_or(0.01),
                alpha: rule.alpha.unwrap_or(0.05),
                lower_is_better: rule.lower_is_better.unwrap_or(false),
            }),
            Kept::Memory { .. } => Settings::Memory(Memory { name, bytes: 0.0, margin: rule.margin.unwrap_or(0.05) }),
            Kept::Timed { .. } => Settings::Timed(Timed {
                name,
                work: None,
                unit: String::new(),
                margin: rule.margin.unwrap_or(0.05),
                stored: rule.stored.unwrap_or(2.0),
                drift: rule.drift.unwrap_or(1.5),
                warm_up: 0.0,
                seconds: 0.0,
                min_samples: 0,
                max_samples: 0,
                width: 0.0,
            }),
        };
        Case { settings, kept: self.kept.clone(), unlike: None }
    }
}
