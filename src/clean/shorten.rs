//! Shortened texts: parts are cut out of them, and rows that become empty are removed.

use super::cuts::{Cut, CutPlan, Cuts, without};
use super::rules::LineRules;
use crate::data::step::Step;
use crate::data::stream::{InOrder, Walk};
use crate::data::{Cell, Column, Dataset, Stream};
use crate::{Result, cancel};
use std::sync::Arc;

/// Cuts lines that break a rule.
pub struct Shorten {
    pub field: String,
    pub rules: LineRules,
}

/// Cuts text that earlier rows also have.
pub struct UniqueParts {
    pub field: String,
    pub plan: CutPlan,
}

/// The result for some rows.
pub struct Shortened {
    /// All rows, their texts without the cuts.
    pub rows: Dataset,
    /// The shortened rows.
    pub cut: Vec<CutRow>,
}

/// A shortened row.
pub struct CutRow {
    pub at: usize,
    /// The original row.
    pub text: String,
    pub cuts: Vec<Cut>,
    /// Whether it became empty.
    pub is_gone: bool,
}

impl Shortened {
    /// Cuts the parts that `cuts` names out of each text of a field.
    pub fn of(rows: &Dataset, field: &str, mut cuts: impl FnMut(usize, &str) -> Result<Vec<Cut>>) -> Result<Shortened> {
        let Some(place) = rows.fields().iter().position(|known| **known == *field) else {
            return Ok(Shortened { rows: rows.clone(), cut: Vec::new() });
        };
        let (mut column, mut cut) = (Column::default(), Vec::new());
        for at in 0..rows.len() {
            if at % 64 == 0 {
                cancel::check()?;
            }
            let cell = rows.cell(place, at);
            let text = match cell {
                Cell::Null => None,
                cell => cell.text().ok(),
            };
            let found = text.as_deref().map_or_else(|| Ok(Vec::new()), |text| cuts(at, text))?;
            let Some(text) = text.filter(|_| !found.is_empty()) else {
                column.push(cell);
                continue;
            };
            let left = without(&text, &found);
            column.push(Cell::Text(left.as_deref().unwrap_or_default()));
            cut.push(CutRow { at, text: text.into_owned(), cuts: found, is_gone: left.is_none() });
        }
        if cut.is_empty() {
            return Ok(Shortened { rows: rows.clone(), cut });
        }
        let made = rows.with_columns(vec![(field.to_string(), column)]);
        let rows = if rows.is_bare() { made.into_bare() } else { made };
        Ok(Shortened { rows, cut })
    }

    /// The rows that are not empty.
    pub fn left(self) -> Dataset {
        let mut gone = self.cut.iter().filter(|row| row.is_gone).map(|row| row.at).peekable();
        if gone.peek().is_none() {
            return self.rows;
        }
        let kept: Vec<usize> = (0..self.rows.len()).filter(|at| gone.next_if_eq(at).is_none()).collect();
        self.rows.pick(kept)
    }
}

impl Step for Shorten {
    fn label(&self) -> String {
        format!("quality_lines {}", self.field)
    }

    fn identity(&self) -> String {
        format!("{} {:?}", self.label(), self.rules)
    }

    fn apply(&self, rows: Dataset, _: usize) -> Result<Dataset> {
        Ok(Shortened::of(&rows, &self.field, |_, text| Ok(self.rules.cuts(text)))?.left())
    }
}

impl UniqueParts {
    /// The remaining rows of a dataset.
    pub fn of(&self, data: &Dataset) -> Result<Dataset> {
        let who = self.plan.rule();
        data.field(who, &self.field)?;
        let mut cuts = self.plan.find(who, std::iter::once(Ok(data.clone())), &self.field)?;
        Ok(self.shortened(data, 0, &mut cuts)?.left())
    }

    /// Rows without text that earlier ones have; `first` is the number of the first of them.
    fn shortened(&self, rows: &Dataset, first: usize, cuts: &mut Cuts) -> Result<Shortened> {
        Shortened::of(rows, &self.field, |at, text| {
            let places = cuts.of_row((first + at) as u32)?;
            Ok(self.plan.cuts(text, &places, u64::from))
        })
    }
}

impl InOrder for UniqueParts {
    fn label(&self) -> String {
        format!("{} {}", self.plan.rule(), self.field)
    }

    fn identity(&self) -> String {
        format!("{} {:?}", self.label(), self.plan)
    }

    fn begin(self: Arc<Self>, upstream: &Stream) -> Result<Walk> {
        let mut cuts = self.plan.find(self.plan.rule(), upstream.blocks()?, &self.field)?;
        let mut seen = 0;
        Ok(Box::new(move |rows: Dataset| {
            let first = seen;
            seen += rows.len();
            Ok(self.shortened(&rows, first, &mut cuts)?.left())
        }))
    }
}
