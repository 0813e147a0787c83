//! Filters rows by quality rules and language.

use super::language;
use super::rules::{Broken, RuleSet};
use crate::data::Dataset;
use crate::data::step::Step;
use crate::{Result, cancel, text};
use std::borrow::Cow;

/// Keeps the rows whose text breaks no rule.
pub struct Sift {
    pub field: String,
    pub rules: RuleSet,
    /// Languages to keep; `None`: all.
    pub languages: Vec<String>,
}

impl Sift {
    /// The first rule that a text breaks.
    pub fn broken(&self, text: &str) -> Option<Broken> {
        self.rules.first(text).or_else(|| self.wrong_language(text))
    }

    /// All rules that a text breaks.
    pub fn all(&self, text: &str) -> Vec<Broken> {
        self.rules.all(text).into_iter().chain(self.wrong_language(text)).collect()
    }

    fn wrong_language(&self, given: &str) -> Option<Broken> {
        if self.languages.is_empty() {
            return None;
        }
        let found = language::detect(given);
        if found.is_some_and(|found| self.languages.iter().any(|language| language == found.code)) {
            return None;
        }
        let code = found.map_or("no language", |found| found.code);
        let start: String = given.trim().chars().take(60).collect();
        let evidence = format!("{code}, not {}: “{}”", self.languages.join(" or "), text::cut(&start, 60));
        Some(Broken { rule: "language", evidence })
    }

    /// Calls `look` with the text of each row; `None` for a value that is not text.
    pub fn each(&self, rows: &Dataset, mut look: impl FnMut(usize, Option<Cow<str>>) -> Result<()>) -> Result<()> {
        let field = rows.fields().iter().position(|known| **known == *self.field);
        for at in 0..rows.len() {
            if at % 64 == 0 {
                cancel::check()?;
            }
            look(at, field.and_then(|field| rows.cell(field, at).text().ok()))?;
        }
        Ok(())
    }
}

impl Step for Sift {
    fn label(&self) -> String {
        format!("quality {}", self.field)
    }

    fn identity(&self) -> String {
        format!("{} {:?} {:?}", self.label(), self.rules, self.languages)
    }

    fn apply(&self, rows: Dataset, _: usize) -> Result<Dataset> {
        let mut kept = Vec::new();
        self.each(&rows, |at, text| {
            // a row without text can only break the rules that an empty text breaks
            if self.broken(text.as_deref().unwrap_or("")).is_none() {
                kept.push(at);
            }
            Ok(())
        })?;
        Ok(if kept.len() == rows.len() { rows } else { rows.pick(kept) })
    }
}
