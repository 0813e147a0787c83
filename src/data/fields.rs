//! Selecting, dropping and renaming fields, also if some rows lack them.

use super::step::Step;
use super::{Column, ColumnTable, Dataset};
use crate::{Result, bail};
use std::sync::Arc;

impl Dataset {
    /// These fields, empty if no row has them; with `bare`, the values of the single field.
    pub fn fields_or_none(&self, fields: &[String], bare: bool) -> Result<Dataset> {
        let missing: Vec<&String> =
            fields.iter().filter(|name| !self.fields().iter().any(|known| **known == ***name)).collect();
        if missing.is_empty() {
            let chosen = self.select(fields)?;
            return Ok(if bare { chosen.into_bare() } else { chosen });
        }
        let mut table = self.gathered();
        for name in missing {
            table.names.push(name.as_str().into());
            table.columns.push(Arc::new(Column::missing(table.rows)));
        }
        Dataset::from(table).fields_or_none(fields, bare)
    }

    /// Replaces columns of the same names, and appends the others; they must have as many rows.
    pub fn with_columns(&self, columns: Vec<(String, Column)>) -> Dataset {
        let mut table = self.gathered();
        for (name, column) in columns {
            debug_assert_eq!(column.len(), table.rows);
            match table.position(&name) {
                Some(at) => table.columns[at] = Arc::new(column),
                None => {
                    table.names.push(name.as_str().into());
                    table.columns.push(Arc::new(column));
                }
            }
        }
        let made = Dataset::from(table);
        if self.is_bare() { made.into_bare() } else { made }
    }

    /// A dataset without rows and fields.
    pub fn empty() -> Dataset {
        Dataset::from(ColumnTable::default())
    }
}

/// Drops fields.
pub struct DropFields(pub Vec<String>);

impl Step for DropFields {
    fn label(&self) -> String {
        format!("without {}", self.0.join(", "))
    }

    fn apply(&self, rows: Dataset, _: usize) -> Result<Dataset> {
        let here: Vec<&String> =
            self.0.iter().filter(|name| rows.fields().iter().any(|known| **known == ***name)).collect();
        rows.drop_fields(&here)
    }
}

/// Renames a field.
pub struct RenameField {
    pub old: String,
    pub new: String,
}

impl Step for RenameField {
    fn label(&self) -> String {
        format!("{} as {}", self.old, self.new)
    }

    fn apply(&self, rows: Dataset, first: usize) -> Result<Dataset> {
        let has = |name: &str| rows.fields().iter().any(|known| **known == *name);
        if !has(&self.old) {
            return Ok(rows);
        }
        if self.old != self.new && has(&self.new) {
            bail!("rename", "rows from {first} on have a field `{}` already", self.new);
        }
        rows.rename(&self.old, &self.new)
    }
}
