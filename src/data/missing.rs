//! Missing values: absent values and placeholders for them; filling them, or dropping their rows.

use super::step::Step;
use super::stream::{InOrder, Walk};
use super::{Cell, Column, Dataset, Stream};
use crate::{Result, bail, cancel};
use std::collections::HashMap;
use std::sync::Arc;

const WHO: &str = "fill";

/// Why a value is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The row has no such field, or null.
    Null,
    /// An empty or blank text.
    Empty,
    /// A placeholder word: `N/A`, `null`, 未知.
    Word,
    /// NaN.
    Nan,
}

/// The values that count as missing, besides absent ones and NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Empty texts, and placeholder words.
    pub words: bool,
}

/// Placeholder words: those of pandas, and of Chinese tables.
const WORDS: &[&str] = &[
    "n/a",
    "#n/a",
    "#n/a n/a",
    "#na",
    "na",
    "<na>",
    "nan",
    "-nan",
    "1.#ind",
    "-1.#ind",
    "1.#qnan",
    "-1.#qnan",
    "null",
    "none",
    "nil",
    "-",
    "--",
    "---",
    "—",
    "——",
    "?",
    "n.a.",
    "not available",
    "unknown",
    "missing",
    "不详",
    "未知",
    "暂无",
    "缺失",
    "无数据",
    "未填",
];

/// Why a value is missing; `None` if it is present.
pub fn gap(cell: Cell) -> Option<Gap> {
    match cell {
        Cell::Null => Some(Gap::Null),
        Cell::Float(value) if value.is_nan() => Some(Gap::Nan),
        Cell::Text(text) => match text.trim() {
            "" => Some(Gap::Empty),
            // the longest word has 13 bytes
            word if word.len() <= 16 && WORDS.contains(&word.to_lowercase().as_str()) => Some(Gap::Word),
            _ => None,
        },
        // a text among values of other types
        Cell::Json(json) if json.starts_with('"') => gap(Cell::Text(&cell.text().ok()?)),
        _ => None,
    }
}

impl Gaps {
    pub fn has(self, cell: Cell) -> bool {
        match gap(cell) {
            None => false,
            Some(Gap::Null | Gap::Nan) => true,
            Some(Gap::Empty | Gap::Word) => self.words,
        }
    }
}

/// Counts of a field.
#[derive(Clone, Debug, Default)]
pub struct MissingCount {
    pub rows: usize,
    pub null: usize,
    pub empty: usize,
    pub word: usize,
    pub nan: usize,
    /// Placeholder words with their counts.
    pub words: HashMap<String, usize>,
    pub kind: &'static str,
}

/// Adds the missing values of some rows to the counts of their fields, in the order in which fields first appear.
pub fn count(rows: &Dataset, counts: &mut Vec<(String, MissingCount)>, before: usize) -> Result<()> {
    for (field, name) in rows.fields().iter().enumerate() {
        let at = counts.iter().position(|(known, _)| **known == **name).unwrap_or_else(|| {
            // a field that appears late was missing before
            counts.push((
                name.to_string(),
                MissingCount { rows: before, null: before, kind: "nothing", ..Default::default() },
            ));
            counts.len() - 1
        });
        let count = &mut counts[at].1;
        for row in 0..rows.len() {
            if row % 65_536 == 0 {
                cancel::check()?;
            }
            let cell = rows.cell(field, row);
            match gap(cell) {
                None => {}
                Some(Gap::Null) => count.null += 1,
                Some(Gap::Empty) => count.empty += 1,
                Some(Gap::Nan) => count.nan += 1,
                Some(Gap::Word) => {
                    count.word += 1;
                    let word = cell.text().unwrap_or_default().trim().to_string();
                    *count.words.entry(word).or_default() += 1;
                }
            }
        }
        count.rows += rows.len();
        let kind = rows.columns().nth(field).map_or("nothing", |(_, column)| column.kind());
        count.kind = joined(count.kind, kind);
    }
    for (name, count) in counts {
        if !rows.fields().iter().any(|known| **known == **name) {
            count.null += rows.len();
            count.rows += rows.len();
        }
    }
    Ok(())
}

/// The common type of two values.
fn joined(a: &'static str, b: &'static str) -> &'static str {
    match (a, b) {
        (a, "nothing") => a,
        ("nothing", b) => b,
        (a, b) if a == b => a,
        ("int", "float") | ("float", "int") => "float",
        _ => "mixed",
    }
}

/// The replacement of missing values.
#[derive(Clone, Debug, PartialEq)]
pub enum Filler {
    Value(Own),
    Mean,
    Median,
    Mode,
    /// The previous value.
    Forward,
}

/// An owned value.
#[derive(Clone, Debug, PartialEq)]
pub enum Own {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Own {
    pub fn of(cell: Cell) -> Own {
        match cell {
            Cell::Bool(value) => Own::Bool(value),
            Cell::Int(value) => Own::Int(value),
            Cell::Float(value) => Own::Float(value),
            Cell::Text(text) | Cell::Json(text) => Own::Text(text.into()),
            Cell::Null => Own::Null,
        }
    }

    pub fn cell(&self) -> Cell<'_> {
        match self {
            Own::Null => Cell::Null,
            Own::Bool(value) => Cell::Bool(*value),
            Own::Int(value) => Cell::Int(*value),
            Own::Float(value) => Cell::Float(*value),
            Own::Text(text) => Cell::Text(text),
        }
    }
}

/// Fills the missing values of a field.
#[derive(Clone, Debug)]
pub struct Fill {
    pub field: String,
    pub filler: Filler,
    pub gaps: Gaps,
}

impl Fill {
    /// The rows with the field filled; `last` is the previous value.
    fn fill(&self, rows: &Dataset, last: &mut Own, value: &Own) -> Dataset {
        let field = rows.fields().iter().position(|name| **name == *self.field);
        let mut column = Column::default();
        for at in 0..rows.len() {
            let cell = field.map_or(Cell::Null, |field| rows.cell(field, at));
            if !self.gaps.has(cell) {
                if self.filler == Filler::Forward {
                    *last = Own::of(cell);
                }
                column.push(cell);
            } else if self.filler == Filler::Forward {
                column.push(last.cell());
            } else {
                column.push(value.cell());
            }
        }
        rows.with_columns(vec![(self.field.clone(), column)])
    }

    /// The replacement of missing values in all these rows.
    fn value(&self, parts: impl Iterator<Item = Result<Dataset>>) -> Result<Own> {
        match &self.filler {
            Filler::Value(value) => Ok(value.clone()),
            Filler::Forward => Ok(Own::Null),
            Filler::Mode => self.mode(parts),
            Filler::Mean | Filler::Median => self.middle(parts),
        }
    }

    fn each(
        &self,
        parts: impl Iterator<Item = Result<Dataset>>,
        mut look: impl FnMut(Cell, usize) -> Result<()>,
    ) -> Result<()> {
        let mut first = 0;
        for part in parts {
            let part = part?;
            cancel::check()?;
            if let Some(field) = part.fields().iter().position(|name| **name == *self.field) {
                for at in 0..part.len() {
                    let cell = part.cell(field, at);
                    if !self.gaps.has(cell) {
                        look(cell, first + at)?;
                    }
                }
            }
            first += part.len();
        }
        Ok(())
    }

    fn mode(&self, parts: impl Iterator<Item = Result<Dataset>>) -> Result<Own> {
        let mut counts: HashMap<String, (usize, usize, Own)> = HashMap::new();
        self.each(parts, |cell, at| {
            let entry = counts.entry(format!("{cell:?}")).or_insert_with(|| (0, usize::MAX - at, Own::of(cell)));
            entry.0 += 1;
            Ok(())
        })?;
        // the first in a tie
        match counts.into_values().max_by_key(|(count, first, _)| (*count, *first)) {
            Some((.., value)) => Ok(value),
            None => bail!(WHO, "field `{}` has no values at all", self.field),
        }
    }

    fn middle(&self, parts: impl Iterator<Item = Result<Dataset>>) -> Result<Own> {
        let mut numbers: Vec<f64> = Vec::new();
        let (mut sum, mut count) = (0.0, 0usize);
        let keeps = self.filler == Filler::Median;
        let (field, verb) = (&self.field, if keeps { "median" } else { "mean" });
        self.each(parts, |cell, at| {
            let number = match cell {
                Cell::Int(value) => value as f64,
                Cell::Float(value) => value,
                other => bail!(WHO, "row {at}, field `{field}`: {}, which has no {verb}", other.kind()),
            };
            (sum, count) = (sum + number, count + 1);
            if keeps {
                numbers.push(number);
            }
            Ok(())
        })?;
        if count == 0 {
            bail!(WHO, "field `{field}` has no values at all");
        }
        if !keeps {
            return Ok(Own::Float(sum / count as f64));
        }
        numbers.sort_by(f64::total_cmp);
        let (low, high) = (numbers[(count - 1) / 2], numbers[count / 2]);
        Ok(Own::Float(low + (high - low) / 2.0))
    }

    pub fn of(&self, data: &Dataset) -> Result<Dataset> {
        let value = self.value(std::iter::once(Ok(data.clone())))?;
        Ok(self.fill(data, &mut Own::Null, &value))
    }
}

impl InOrder for Fill {
    fn label(&self) -> String {
        format!("fill {}", self.field)
    }

    fn identity(&self) -> String {
        format!("{} {:?} {:?}", self.label(), self.filler, self.gaps)
    }

    fn begin(self: Arc<Self>, upstream: &Stream) -> Result<Walk> {
        let value = match &self.filler {
            Filler::Value(_) | Filler::Forward => self.value(std::iter::empty())?,
            _ => self.value(upstream.blocks()?)?,
        };
        let mut last = Own::Null;
        Ok(Box::new(move |rows| Ok(self.fill(&rows, &mut last, &value))))
    }
}

/// Drops rows in which one of these fields is missing; without fields, any.
#[derive(Clone, Debug)]
pub struct DropMissing {
    pub fields: Vec<String>,
    pub gaps: Gaps,
}

impl Step for DropMissing {
    fn label(&self) -> String {
        if self.fields.is_empty() { "drop_missing".into() } else { format!("drop_missing {}", self.fields.join(", ")) }
    }

    fn identity(&self) -> String {
        format!("{} {:?}", self.label(), self.gaps)
    }

    fn apply(&self, rows: Dataset, _: usize) -> Result<Dataset> {
        let all: Vec<String> = match self.fields.is_empty() {
            true => rows.fields().iter().map(|name| name.to_string()).collect(),
            false => self.fields.clone(),
        };
        let places: Vec<Option<usize>> =
            all.iter().map(|field| rows.fields().iter().position(|name| **name == **field)).collect();
        let is_whole =
            |at: usize| places.iter().all(|place| place.is_some_and(|place| !self.gaps.has(rows.cell(place, at))));
        Ok(rows.pick((0..rows.len()).filter(|at| is_whole(*at))))
    }
}
