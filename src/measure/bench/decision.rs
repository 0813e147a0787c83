//! PASS, FAIL or INCONCLUSIVE, with the reason.

use crate::measure::statistics::Estimate;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Decision {
    Pass,
    Fail,
    Inconclusive,
}

impl Decision {
    pub fn name(self) -> &'static str {
        match self {
            Decision::Pass => "PASS",
            Decision::Fail => "FAIL",
            Decision::Inconclusive => "INCONCLUSIVE",
        }
    }
}

/// A decision and its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub decision: Decision,
    pub reason: String,
    /// New divided by old, or new minus old for scores.
    pub change: Option<Estimate>,
}

pub fn judged(decision: Decision, reason: impl Into<String>) -> Judged {
    Judged { decision, reason: reason.into(), change: None }
}
