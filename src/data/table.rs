//! Rows of named fields, column by column.

use super::column::{Cell, Column};
use crate::Result;
use std::sync::Arc;

/// Columns of equal length, each with its name, in the order in which the names were first seen.
#[derive(Clone, Debug, Default)]
pub struct ColumnTable {
    pub names: Vec<Arc<str>>,
    pub columns: Vec<Arc<Column>>,
    pub rows: usize,
}

/// A table that grows row by row. Fields that a row does not have are missing in it.
#[derive(Default)]
pub struct TableBuilder {
    names: Vec<Arc<str>>,
    columns: Vec<Column>,
    rows: usize,
    /// Where the next field is looked for first: rows mostly have their fields in one order.
    next: usize,
}

impl TableBuilder {
    /// The columns `names` from the start, for formats that tell them before the first row.
    pub fn with_names(names: impl IntoIterator<Item = Arc<str>>) -> TableBuilder {
        let names: Vec<_> = names.into_iter().collect();
        TableBuilder { columns: names.iter().map(|_| Column::default()).collect(), names, rows: 0, next: 0 }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of memory that it holds.
    pub fn size(&self) -> usize {
        self.columns.iter().map(Column::size).sum()
    }

    /// The column of field `name` in the row that is being filled.
    pub fn column(&mut self, name: &str) -> &mut Column {
        let at = if self.names.get(self.next).is_some_and(|known| &**known == name) {
            self.next
        } else {
            self.names.iter().position(|known| &**known == name).unwrap_or_else(|| {
                self.names.push(name.into());
                self.columns.push(Column::missing(self.rows));
                self.names.len() - 1
            })
        };
        self.next = at + 1;
        &mut self.columns[at]
    }

    /// Puts a value into the row that is being filled; `false` if it has one for that field.
    #[must_use]
    pub fn set(&mut self, name: &str, cell: Cell) -> bool {
        let rows = self.rows;
        let column = self.column(name);
        let free = column.len() == rows;
        if free {
            column.push(cell);
        }
        free
    }

    /// Ends the row that is being filled.
    pub fn end_row(&mut self) {
        self.rows += 1;
        self.next = 0;
        for column in &mut self.columns {
            if column.len() < self.rows {
                column.push(Cell::Null);
            }
        }
    }

    /// More rows. Fields meet by name.
    pub fn append(&mut self, more: &ColumnTable) {
        for (name, column) in more.names.iter().zip(&more.columns) {
            self.column(name).append(column);
        }
        self.rows += more.rows;
        self.next = 0;
        for column in &mut self.columns {
            if column.len() < self.rows {
                column.append(&Column::missing(self.rows - column.len()));
            }
        }
    }

    pub fn finish(mut self) -> ColumnTable {
        self.columns.iter_mut().for_each(Column::shrink);
        self.map_columns(|_, column| column)
    }

    pub fn map_columns(self, change: impl Fn(&str, Column) -> Column) -> ColumnTable {
        let named = self.names.iter().zip(self.columns);
        let columns = named.map(|(name, column)| Arc::new(change(name, column))).collect();
        ColumnTable { names: self.names, columns, rows: self.rows }
    }
}

impl ColumnTable {
    /// All rows of several tables, one after the other.
    pub fn concat(tables: impl IntoIterator<Item = Result<ColumnTable>>) -> Result<ColumnTable> {
        let mut tables = tables.into_iter();
        let Some(first) = tables.next().transpose()? else { return Ok(ColumnTable::default()) };
        let mut all = TableBuilder::default();
        let mut first = Some(first);
        for table in tables {
            crate::cancel::check()?;
            if let Some(first) = first.take() {
                all.append(&first);
            }
            all.append(&table?);
        }
        Ok(first.unwrap_or_else(|| all.finish()))
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| &**known == name)
    }

    /// These rows, in this order.
    pub fn take(&self, rows: impl Iterator<Item = usize> + Clone) -> ColumnTable {
        let columns: Vec<_> = self.columns.iter().map(|column| Arc::new(column.take(rows.clone()))).collect();
        ColumnTable { names: self.names.clone(), columns, rows: rows.count() }
    }

    /// Bytes of memory that it holds.
    pub fn size(&self) -> usize {
        self.columns.iter().map(|column| column.size()).sum()
    }
}
