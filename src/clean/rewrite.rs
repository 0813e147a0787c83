//! Rewrites texts row by row, in a field of a dataset or a stream.

use crate::data::step::Step;
use crate::data::{Cell, Column, Dataset};
use crate::{Result, cancel};
use std::borrow::Cow;

type Change = Box<dyn Fn(&str) -> Cow<'_, str> + Send + Sync>;

/// Writes the changed text into the field `into`, which may be the source field. Values that are not text stay unchanged.
pub struct Rewrite {
    /// The function, and the options that distinguish it from others of its name.
    pub verb: &'static str,
    pub how: String,
    pub field: String,
    pub into: String,
    pub change: Change,
}

impl Step for Rewrite {
    fn label(&self) -> String {
        format!("{} {}", self.verb, self.field)
    }

    fn identity(&self) -> String {
        format!("{} {} {}", self.label(), self.into, self.how)
    }

    fn apply(&self, rows: Dataset, _: usize) -> Result<Dataset> {
        let place = |name: &str| rows.fields().iter().position(|known| **known == *name);
        let Some(field) = place(&self.field) else { return Ok(rows) };
        let into = place(&self.into);
        let mut column = Column::default();
        for at in 0..rows.len() {
            if at % 64 == 0 {
                cancel::check()?;
            }
            match rows.cell(field, at) {
                Cell::Text(text) => column.push(Cell::Text(&(self.change)(text))),
                // a text in a column of mixed types
                cell @ Cell::Json(json) if json.starts_with('"') => match cell.text() {
                    Ok(text) => column.push(Cell::Text(&(self.change)(&text))),
                    Err(_) => column.push(cell),
                },
                other => column.push(into.map_or(other, |into| rows.cell(into, at))),
            }
        }
        Ok(rows.with_columns(vec![(self.into.clone(), column)]))
    }
}
