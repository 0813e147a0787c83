//! Steps: transformations of rows, for a whole dataset or one part of a stream at a time.

use super::{Dataset, TableBuilder};
use crate::{Result, tasks};

/// A row-wise step: the result for a row depends on it alone. Parts are processed in parallel.
pub trait Step: Send + Sync {
    /// Its label, as `filter` or `normalize text`, shown for streams.
    fn label(&self) -> String;

    /// Distinguishes it from other steps with the same label.
    fn identity(&self) -> String {
        self.label()
    }

    /// Transforms the rows; `first` is the index of the first of them.
    fn apply(&self, rows: Dataset, first: usize) -> Result<Dataset>;

    /// [`Step::apply`] for several parts, each with the index of its first row.
    fn apply_all(&self, parts: Vec<(usize, Dataset)>) -> Vec<Result<Dataset>> {
        tasks::map(parts, &|_, (first, rows)| self.apply(rows, first))
    }
}

/// Rows of a dataset processed together.
const ROWS: usize = 1024;

impl Dataset {
    /// Applies a step to these rows.
    pub fn through(&self, step: &dyn Step) -> Result<Dataset> {
        let cut = tasks::ranges(self.len(), ROWS);
        if cut.len() < 2 {
            return step.apply(self.clone(), 0);
        }
        let parts = cut.into_iter().map(|rows| (rows.start, self.slice(rows.start, rows.end))).collect();
        let (mut all, mut bare) = (TableBuilder::default(), true);
        for part in step.apply_all(parts) {
            let part = part?;
            bare &= part.is_bare();
            all.append(&part.gathered())?;
        }
        let made = Dataset::from(all.finish());
        Ok(if bare { made.into_bare() } else { made })
    }
}
