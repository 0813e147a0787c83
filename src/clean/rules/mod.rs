//! Quality rules: each computes one number of a text and compares it with limits, adapted to every script.
//!
//! From Gopher (Rae et al. 2021, table A1), C4 (Raffel et al. 2020, 2.2) and FineWeb (Penedo et al. 2024, 3.6). In a script
//! without spaces, characters are grouped into words of average length, and count as that share of a word's letters.

mod facts;
mod lines;
mod ngrams;
mod policies;
mod signs;
mod stop_words;
mod table;

pub use facts::{Facts, letters};
pub use lines::{LINE_RULES, LineRule, LineRules};
pub use table::{RULES, Rule};

use crate::text;

/// The limits of one rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    AtLeast(f64),
    AtMost(f64),
    Between(f64, f64),
}

impl Limit {
    fn breaks(self, value: f64) -> Option<(&'static str, f64)> {
        match self {
            Limit::AtLeast(least) | Limit::Between(least, _) if value < least => Some(("below", least)),
            Limit::AtMost(most) | Limit::Between(_, most) if value > most => Some(("above", most)),
            _ => None,
        }
    }
}

/// The enabled rules in the order of evaluation, each with its limits.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    pub rules: Vec<(usize, Limit)>,
}

/// A rule that a text breaks: its name, and the number.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    pub rule: &'static str,
    pub evidence: String,
}

impl RuleSet {
    /// The first rule that a text breaks.
    pub fn first(&self, text: &str) -> Option<Broken> {
        let facts = Facts::of(text);
        self.rules.iter().find_map(|(at, limit)| broken(&RULES[*at], *limit, &facts))
    }

    /// All rules that a text breaks.
    pub fn all(&self, text: &str) -> Vec<Broken> {
        let facts = Facts::of(text);
        self.rules.iter().filter_map(|(at, limit)| broken(&RULES[*at], *limit, &facts)).collect()
    }
}

fn broken(rule: &Rule, limit: Limit, facts: &Facts) -> Option<Broken> {
    let value = (rule.measure)(facts)?;
    let (side, bound) = limit.breaks(value)?;
    let mut evidence = format!("{} {}, {side} {}", shown(value), rule.what, shown(bound));
    if let Some(part) = rule.part.and_then(|part| part(facts)) {
        evidence += &format!(": “{}”", text::cut(&part, 60));
    }
    Some(Broken { rule: rule.name, evidence })
}

/// Formats a number for display: whole, or with two significant digits.
fn shown(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        large if large >= 100.0 || value.fract() == 0.0 => text::thousands(value.round()),
        large if large >= 1.0 => format!("{value:.1}"),
        small => {
            let digits = (-small.log10().floor()) as usize + 1;
            format!("{value:.digits$}").trim_end_matches('0').to_string()
        }
    }
}
