//! Steps: what makes rows of rows, for a whole dataset or a part of a stream at a time.

use super::{Dataset, TableBuilder};
use crate::{Result, tasks};

/// A step that looks at rows one by one: what becomes of a row depends on it alone. Parts go through it side by side.
pub trait Step: Send + Sync {
    /// What it does, as `filter` or `normalize text`: streams are shown with it.
    fn label(&self) -> String;

    /// What tells it from others that do the same in another way.
    fn identity(&self) -> String {
        self.label()
    }

    /// What the rows become; `first` is the number of the first of them.
    fn apply(&self, rows: Dataset, first: usize) -> Result<Dataset>;

    /// [`Step::apply`] of several parts, each with the number of its first row.
    fn apply_all(&self, parts: Vec<(usize, Dataset)>) -> Vec<Result<Dataset>> {
        tasks::map(parts, &|_, (first, rows)| self.apply(rows, first))
    }
}

/// Rows of a dataset that go through a step together.
const ROWS: usize = 1024;

impl Dataset {
    /// The rows that a step makes of these.
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
