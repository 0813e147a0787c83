//! Counts of a run: rows and bytes by rule, with examples, and the remaining rows.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Examples of removed rows kept per rule.
const EXAMPLES: usize = 3;
/// Length classes: each spans texts of up to twice as many characters as the previous one.
const CLASSES: usize = 24;

/// Counts of all rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Input rows, and bytes of their text.
    pub rows: u64,
    pub bytes: u64,
    pub kept_rows: u64,
    pub kept_bytes: u64,
    pub steps: Vec<StepTally>,
    /// Number of texts of up to 1, 2, 4, 8 … characters, in the input and in the output.
    pub lengths_before: Vec<u64>,
    pub lengths_after: Vec<u64>,
    /// Kept rows, by language and by script.
    pub languages: BTreeMap<String, u64>,
    pub scripts: BTreeMap<String, u64>,
}

/// Counts of one step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StepTally {
    pub step: String,
    /// Rows that reached it, and bytes of their text.
    pub rows: u64,
    pub bytes: u64,
    pub changed: u64,
    /// Masked data, by kind.
    pub masked: BTreeMap<String, u64>,
    /// Removed rows, by the rule that they broke.
    pub removed: BTreeMap<String, Removed>,
    /// Parts cut out of kept rows, by the rule that they broke.
    pub shortened: BTreeMap<String, Removed>,
}

/// Removals by one rule: rows, or parts of rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Removed {
    pub rows: u64,
    pub bytes: u64,
    pub examples: Vec<Example>,
}

/// A removed row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Example {
    pub row: u64,
    pub evidence: String,
    /// The beginning of its text.
    pub text: String,
}

/// The class of a text by its length.
fn class(chars: usize) -> usize {
    (chars.max(1).next_power_of_two().trailing_zeros() as usize).min(CLASSES - 1)
}

pub fn count_length(classes: &mut Vec<u64>, text: &str) {
    classes.resize(CLASSES, 0);
    classes[class(text.chars().count())] += 1;
}

fn add_each(to: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    for (name, count) in more {
        *to.entry(name.clone()).or_default() += count;
    }
}

fn add_lengths(to: &mut Vec<u64>, more: &[u64]) {
    to.resize(CLASSES, 0);
    to.iter_mut().zip(more).for_each(|(to, more)| *to += more);
}

impl Removed {
    fn merge(&mut self, more: &Removed) {
        self.rows += more.rows;
        self.bytes += more.bytes;
        self.examples.extend(more.examples.iter().cloned());
        self.examples.truncate(EXAMPLES);
    }

    pub fn add(&mut self, bytes: usize, example: impl FnOnce() -> Example) {
        self.rows += 1;
        self.bytes += bytes as u64;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }
}

impl StepTally {
    fn merge(&mut self, more: &StepTally) {
        self.step.clone_from(&more.step);
        self.rows += more.rows;
        self.bytes += more.bytes;
        self.changed += more.changed;
        add_each(&mut self.masked, &more.masked);
        let all = [(&mut self.removed, &more.removed), (&mut self.shortened, &more.shortened)];
        for (own, more) in all {
            more.iter().for_each(|(rule, removed)| own.entry(rule.clone()).or_default().merge(removed));
        }
    }

    /// Number of removed rows.
    pub fn gone(&self) -> u64 {
        self.removed.values().map(|removed| removed.rows).sum()
    }
}

impl Tally {
    /// Adds the counts of later rows.
    pub fn merge(&mut self, more: &Tally) {
        self.rows += more.rows;
        self.bytes += more.bytes;
        self.kept_rows += more.kept_rows;
        self.kept_bytes += more.kept_bytes;
        self.steps.resize(self.steps.len().max(more.steps.len()), StepTally::default());
        self.steps.iter_mut().zip(&more.steps).for_each(|(own, more)| own.merge(more));
        add_lengths(&mut self.lengths_before, &more.lengths_before);
        add_lengths(&mut self.lengths_after, &more.lengths_after);
        add_each(&mut self.languages, &more.languages);
        add_each(&mut self.scripts, &more.scripts);
    }

    /// Adds the counts of a later phase on the rows that an earlier one kept.
    pub fn follow(&mut self, later: Tally) {
        self.steps.extend(later.steps);
        (self.kept_rows, self.kept_bytes) = (later.kept_rows, later.kept_bytes);
        self.lengths_after = later.lengths_after;
        self.languages = later.languages;
        self.scripts = later.scripts;
    }
}
