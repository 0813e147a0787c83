//! Rows of named fields, column by column.

use super::column::{Cell, Column};
use crate::{Error, Result, text};
use std::collections::HashMap;
use std::sync::Arc;

/// Columns of equal length, each with its name, in the order of first appearance.
#[derive(Clone, Debug, Default)]
pub struct ColumnTable {
    pub names: Vec<Arc<str>>,
    pub columns: Vec<Arc<Column>>,
    pub rows: usize,
}

/// A table that grows row by row. Fields that a row lacks are missing.
#[derive(Default)]
pub struct TableBuilder {
    names: Vec<Arc<str>>,
    /// The index of each name.
    places: HashMap<Arc<str>, usize>,
    /// A column ends with the last row that has its field, until the table is complete.
    columns: Vec<Column>,
    rows: usize,
    /// Number of values in all rows.
    given: usize,
    /// The index at which the next field is looked up first: rows usually have their fields in the same order.
    next: usize,
}

/// A larger number of cells must be justified:
const PLACES: usize = 1 << 24;
/// at least one in this many must have a value.
const EMPTY: usize = 1 << 10;

impl TableBuilder {
    /// Starts with the columns `names`, for formats that list them before the first row.
    pub fn with_names(names: impl IntoIterator<Item = Arc<str>>) -> TableBuilder {
        let mut builder = TableBuilder::default();
        for name in names {
            builder.add(name);
        }
        builder
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    fn add(&mut self, name: Arc<str>) -> usize {
        self.names.push(name.clone());
        self.columns.push(Column::default());
        self.places.insert(name, self.names.len() - 1);
        self.names.len() - 1
    }

    /// Bytes of memory that it holds.
    pub fn size(&self) -> usize {
        self.columns.iter().map(Column::size).sum()
    }

    /// The column of field `name` in the current row.
    pub fn column(&mut self, name: &str) -> &mut Column {
        let at = match self.names.get(self.next) {
            Some(known) if &**known == name => self.next,
            _ => self.places.get(name).copied().unwrap_or_else(|| self.add(name.into())),
        };
        self.next = at + 1;
        self.given += 1;
        let column = &mut self.columns[at];
        column.extend_missing(self.rows.saturating_sub(column.len()));
        column
    }

    /// Sets a value in the current row; `false` if the field already has one.
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

    /// Ends the current row; an error if the fields of rows differ too much.
    pub fn end_row(&mut self) -> Result<(), String> {
        self.rows += 1;
        self.next = 0;
        self.fits()
    }

    /// Returns an error if the fields of rows differ too much: the size of a table is bounded by its contents.
    pub fn fits(&self) -> Result<(), String> {
        let places = self.rows.saturating_mul(self.columns.len());
        if places <= PLACES.saturating_add(self.given.saturating_mul(EMPTY)) {
            return Ok(());
        }
        let (rows, fields) = (text::counted(self.rows, "row"), text::counted(self.columns.len(), "different field"));
        let each = self.given as f64 / self.rows.max(1) as f64;
        Err(format!("{rows} have {fields}, of which a row has {each:.1}: names that differ from row to row are values"))
    }

    /// Appends rows. Fields are matched by name.
    pub fn append(&mut self, more: &ColumnTable) -> Result<()> {
        for (name, column) in more.names.iter().zip(&more.columns) {
            self.column(name).append(column);
            // a field without any value costs nothing
            self.given += if column.given() == 0 { column.len() } else { column.given() };
        }
        self.rows += more.rows;
        self.next = 0;
        self.fits().map_err(|what| Error::new("dataset", what))
    }

    pub fn finish(mut self) -> ColumnTable {
        self.columns.iter_mut().for_each(Column::shrink);
        self.map_columns(|_, column| column)
    }

    pub fn map_columns(self, change: impl Fn(&str, Column) -> Column) -> ColumnTable {
        let columns = self.names.iter().zip(self.columns).map(|(name, mut column)| {
            column.extend_missing(self.rows - column.len());
            Arc::new(change(name, column))
        });
        let columns = columns.collect();
        ColumnTable { names: self.names, columns, rows: self.rows }
    }
}

impl ColumnTable {
    /// All rows of several tables, concatenated.
    pub fn concat(tables: impl IntoIterator<Item = Result<ColumnTable>>) -> Result<ColumnTable> {
        let mut tables = tables.into_iter();
        let Some(first) = tables.next().transpose()? else { return Ok(ColumnTable::default()) };
        let mut all = TableBuilder::default();
        let mut first = Some(first);
        for table in tables {
            crate::cancel::check()?;
            if let Some(first) = first.take() {
                all.append(&first)?;
            }
            all.append(&table?)?;
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
