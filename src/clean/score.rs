//! Filters rows by a model's score of their text: between two limits, or the best share of all rows or of each language. The
//! score is a language model's likelihood (Wenzek et al. 2020, CCNet) or a classifier's (Penedo et al. 2024, FineWeb-Edu).

use super::language;
use super::unique::texts;
use crate::data::step::Step;
use crate::data::stream::{InOrder, Walk};
use crate::data::{Cell, Column, Dataset, Stream};
use crate::{Result, bail, cancel, tasks};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names of a kind of score, and which end of it is good.
#[derive(Debug, PartialEq, Eq)]
pub struct ScoreKind {
    /// The function of scripts.
    pub who: &'static str,
    /// The rule of a run, and its step that scores.
    pub rule: &'static str,
    pub step: &'static str,
    /// Suffix of a number.
    pub unit: &'static str,
    /// The option with the minimum and the maximum.
    pub option: &'static str,
    pub is_high_best: bool,
}

pub const PERPLEXITY: ScoreKind = ScoreKind {
    who: "clean::perplexity",
    rule: "perplexity",
    step: "bits_per_byte",
    unit: " bits per byte",
    option: "bits_per_byte",
    is_high_best: false,
};

pub const CLASSIFIER: ScoreKind = ScoreKind {
    who: "clean::classifier",
    rule: "classifier",
    step: "classifier_score",
    unit: "",
    option: "score",
    is_high_best: true,
};

/// Computes a score of a text.
pub trait TextScorer: Send + Sync {
    /// Its identity.
    fn identity(&self) -> String;

    /// `None` for a text that cannot be scored.
    fn score(&self, text: &str) -> Result<Option<f64>>;

    /// Whether it uses all threads for one text, as a neural network does.
    fn is_wide(&self) -> bool {
        true
    }
}

/// Writes the score of each text into a field.
pub struct Score {
    pub kind: &'static ScoreKind,
    pub field: String,
    pub into: String,
    pub scorer: Arc<dyn TextScorer>,
}

impl Step for Score {
    fn label(&self) -> String {
        format!("{} of {}", self.kind.step, self.field)
    }

    fn identity(&self) -> String {
        format!("{} {} {}", self.label(), self.into, self.scorer.identity())
    }

    fn apply(&self, rows: Dataset, first: usize) -> Result<Dataset> {
        let mut column = Column::default();
        for text in texts(self.kind.who, &rows, &self.field, first)? {
            cancel::check()?;
            let score = text.as_deref().map_or(Ok(None), |text| self.scorer.score(text))?;
            column.push(score.map_or(Cell::Null, Cell::Float));
        }
        Ok(rows.with_columns(vec![(self.into.clone(), column)]))
    }

    /// One part after the other where a model uses all threads itself.
    fn apply_all(&self, parts: Vec<(usize, Dataset)>) -> Vec<Result<Dataset>> {
        match self.scorer.is_wide() {
            true => parts.into_iter().map(|(first, rows)| self.apply(rows, first)).collect(),
            false => tasks::map(parts, &|_, (first, rows)| self.apply(rows, first)),
        }
    }
}

/// Which scores stay.
#[derive(Clone, Debug, PartialEq)]
pub struct ChoosePlan {
    pub kind: &'static ScoreKind,
    pub between: Option<(f64, f64)>,
    /// The share of rows to keep, best scores first.
    pub keep: Option<f64>,
    /// Whether that share applies to each language.
    pub by_language: bool,
}

/// Filters rows by their score in the field `score`.
pub struct Choose {
    /// The field with the text.
    pub field: String,
    pub score: String,
    /// Whether the field with the score is removed after filtering.
    pub drops: bool,
    pub plan: ChoosePlan,
}

/// The cutoff score of each language.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LastKept(BTreeMap<String, f64>);

impl ChoosePlan {
    pub fn check(&self) -> Result<()> {
        let ScoreKind { who, option, .. } = self.kind;
        match (self.between, self.keep) {
            (None, None) => {
                bail!(*who, "neither `{option}`, the least and the most, nor `keep`, the share that stays, is given")
            }
            (Some((least, most)), _) if least.is_nan() || most.is_nan() || least > most => {
                bail!(*who, "`{option}` is [{least}, {most}], not the least and the most")
            }
            (_, Some(keep)) if !(keep > 0.0 && keep <= 1.0) => {
                bail!(*who, "`keep` is {keep}, not a share above 0 and up to 1")
            }
            (_, None) if self.by_language => bail!(*who, "`by: \"language\"` is for `keep`"),
            _ => Ok(()),
        }
    }
}

impl Choose {
    fn group(&self, text: &str) -> String {
        match self.plan.by_language {
            true => language::detect(text).map_or("no language", |found| found.code).to_string(),
            false => String::new(),
        }
    }

    /// The score of each row with its group.
    fn scores(&self, rows: &Dataset, first: usize) -> Result<Vec<Option<(f64, String)>>> {
        let place = rows.fields().iter().position(|name| **name == *self.score);
        let score = |at| match place.map(|place| rows.cell(place, at)) {
            Some(Cell::Float(score)) => Some(score),
            Some(Cell::Int(score)) => Some(score as f64),
            _ => None,
        };
        let texts = texts(self.plan.kind.who, rows, &self.field, first)?;
        let each = texts.iter().enumerate();
        Ok(each.map(|(at, text)| Some((score(at)?, self.group(text.as_deref().unwrap_or_default())))).collect())
    }

    /// The cutoff scores, from rows that arrive in parts.
    pub fn last_kept(&self, parts: impl Iterator<Item = Result<Dataset>>) -> Result<LastKept> {
        let Some(keep) = self.plan.keep else { return Ok(LastKept::default()) };
        let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut first = 0;
        for part in parts {
            let part = part?;
            cancel::check()?;
            for (score, group) in self.scores(&part, first)?.into_iter().flatten() {
                groups.entry(group).or_default().push(score);
            }
            first += part.len();
        }
        let last = groups.into_iter().map(|(group, mut scores)| {
            scores.sort_unstable_by(f64::total_cmp);
            if self.plan.kind.is_high_best {
                scores.reverse();
            }
            let place = ((keep * scores.len() as f64).ceil() as usize).clamp(1, scores.len()) - 1;
            (group, scores[place])
        });
        Ok(LastKept(last.collect()))
    }

    /// The reason for each row's removal; `None` where it stays.
    pub fn reasons(&self, rows: &Dataset, first: usize, last: &LastKept) -> Result<Vec<Option<String>>> {
        let scores = self.scores(rows, first)?;
        Ok(scores.into_iter().map(|score| self.reason(score, last)).collect())
    }

    fn reason(&self, score: Option<(f64, String)>, last: &LastKept) -> Option<String> {
        let Some((score, group)) = score else { return Some("nothing for the model to read".into()) };
        let ScoreKind { unit, is_high_best, .. } = *self.plan.kind;
        if let Some((least, most)) = self.plan.between {
            let told = |side: &str, bound: f64| Some(format!("{score:.3}{unit}, {side} {bound}"));
            match () {
                _ if score < least => return told("below", least),
                _ if score > most => return told("above", most),
                _ => {}
            }
        }
        let last = last.0.get(&group).filter(|last| if is_high_best { score < **last } else { score > **last })?;
        let share = self.plan.keep.unwrap_or(1.0) * 100.0;
        let of = if group.is_empty() { String::new() } else { format!(" of {group}") };
        let side = if is_high_best { "below" } else { "above" };
        Some(format!("{score:.3}{unit}, {side} {last:.3} of the best {share:.1} %{of}"))
    }

    /// The rows that stay.
    pub fn kept(&self, rows: Dataset, first: usize, last: &LastKept) -> Result<Dataset> {
        let reasons = self.reasons(&rows, first, last)?;
        let kept = rows.pick((0..rows.len()).filter(|at| reasons[*at].is_none()));
        self.without_score(kept)
    }

    pub fn without_score(&self, rows: Dataset) -> Result<Dataset> {
        let has = rows.fields().iter().any(|name| **name == *self.score);
        if self.drops && has { rows.drop_fields(&[&self.score]) } else { Ok(rows) }
    }

    pub fn text(&self) -> String {
        format!("{} of {} {:?}", self.plan.kind.rule, self.field, self.plan)
    }
}

impl InOrder for Choose {
    fn label(&self) -> String {
        format!("{} of {}", self.plan.kind.rule, self.field)
    }

    fn identity(&self) -> String {
        self.text()
    }

    fn begin(self: Arc<Self>, upstream: &Stream) -> Result<Walk> {
        let last = match self.plan.keep {
            Some(_) => self.last_kept(upstream.blocks()?)?,
            None => LastKept::default(),
        };
        let mut seen = 0;
        Ok(Box::new(move |rows: Dataset| {
            let first = seen;
            seen += rows.len();
            self.kept(rows, first, &last)
        }))
    }
}
