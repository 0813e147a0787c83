//! A stream in parts of equal size.

use super::stream::{DatasetBlocks, Stream};
use super::{Dataset, TableBuilder};
use crate::Result;

impl Stream {
    /// The rows as datasets of `rows` rows; the last may have fewer.
    pub fn parts(&self, rows: usize) -> Result<DatasetParts> {
        Ok(DatasetParts { blocks: self.blocks()?, rows, waiting: TableBuilder::default(), bare: false, given: 0 })
    }
}

/// A walk through a stream by a fixed number of rows.
pub struct DatasetParts {
    blocks: DatasetBlocks,
    rows: usize,
    waiting: TableBuilder,
    bare: bool,
    /// Number of parts so far.
    given: usize,
}

impl DatasetParts {
    /// Whether no part has been requested yet.
    pub fn is_fresh(&self) -> bool {
        self.given == 0
    }

    fn part(&mut self) -> Result<Option<Dataset>> {
        self.given += 1;
        while self.waiting.rows() < self.rows {
            let Some(block) = self.blocks.next().transpose()? else { break };
            self.bare = block.is_bare();
            self.waiting.append(&block.gathered())?;
        }
        let waiting = Dataset::from(std::mem::take(&mut self.waiting).finish());
        if waiting.is_empty() {
            return Ok(None);
        }
        if waiting.len() > self.rows {
            self.waiting.append(&waiting.slice(self.rows, waiting.len()).gathered())?;
        }
        let part = waiting.slice(0, self.rows);
        Ok(Some(if self.bare { part.into_bare() } else { part }))
    }
}

impl Iterator for DatasetParts {
    type Item = Result<Dataset>;

    fn next(&mut self) -> Option<Result<Dataset>> {
        let part = self.part();
        if !matches!(part, Ok(Some(_))) {
            self.blocks.stop();
        }
        part.transpose()
    }
}
