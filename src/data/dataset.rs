//! Dataset: rows with named fields, as a value.

use super::column::{Cell, Column};
use super::order::{CellKey, SortKey};
use super::table::{ColumnTable, TableBuilder};
use crate::cancel::{self, Pace};
use crate::tensor::Rng;
use crate::{Error, Result, bail, text};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows with named fields. A value: every verb returns a new dataset that shares the columns of the old one and holds only
/// indices into them, so a shuffle, a split or a filter costs four bytes per row.
#[derive(Clone)]
pub struct Dataset {
    table: ColumnTable,
    rows: RowOrder,
    /// Made by `column`: one field, whose rows are plain values instead of maps.
    bare: bool,
}

/// The rows of the columns, and their order.
#[derive(Clone)]
enum RowOrder {
    Range(usize, usize),
    Picked(Arc<[u32]>),
}

impl From<ColumnTable> for Dataset {
    fn from(table: ColumnTable) -> Dataset {
        Dataset { rows: RowOrder::Range(0, table.rows), table, bare: false }
    }
}

impl Dataset {
    pub fn len(&self) -> usize {
        match &self.rows {
            RowOrder::Range(start, end) => end - start,
            RowOrder::Picked(rows) => rows.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of its fields.
    pub fn fields(&self) -> &[Arc<str>] {
        &self.table.names
    }

    /// Its columns, indexed by [`Dataset::row`].
    pub fn columns(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Column>)> {
        self.table.names.iter().zip(&self.table.columns)
    }

    /// Whether rows are plain values instead of maps.
    pub fn is_bare(&self) -> bool {
        self.bare
    }

    pub fn into_bare(mut self) -> Dataset {
        self.bare = self.table.names.len() == 1;
        self
    }

    /// The index of row `at` in its columns.
    pub fn row(&self, at: usize) -> usize {
        match &self.rows {
            RowOrder::Range(start, _) => start + at,
            RowOrder::Picked(rows) => rows[at] as usize,
        }
    }

    /// The value in column `field` of row `at`.
    pub fn cell(&self, field: usize, at: usize) -> Cell<'_> {
        self.table.columns[field].get(self.row(at))
    }

    /// The index of column `name`, or an error that suggests the nearest.
    pub fn field(&self, who: &str, name: &str) -> Result<usize> {
        let Some(at) = self.table.position(name) else {
            return Err(Error::unknown(who, "field", name, self.table.names.iter().map(|name| &**name)));
        };
        Ok(at)
    }

    /// The default text field of a verb: the only one, or `text`.
    pub fn text_field(&self, who: &str) -> Result<usize> {
        match self.table.names.len() {
            1 => Ok(0),
            _ => self.field(who, "text"),
        }
    }

    /// The texts of a column, or an error that names the row.
    pub fn texts(&self, who: &str, field: usize) -> impl Iterator<Item = Result<std::borrow::Cow<'_, str>>> {
        (0..self.len()).map(move |at| {
            self.cell(field, at).text().map_err(|kind| {
                Error::new(who, format!("row {at}, field `{}`: {kind}, not text", self.table.names[field]))
            })
        })
    }

    /// Rows from `start` to `end`, excluded.
    pub fn slice(&self, start: usize, end: usize) -> Dataset {
        let end = end.min(self.len());
        let start = start.min(end);
        let rows = match &self.rows {
            RowOrder::Range(first, _) => RowOrder::Range(first + start, first + end),
            RowOrder::Picked(rows) => RowOrder::Picked(rows[start..end].into()),
        };
        Dataset { rows, ..self.clone() }
    }

    /// The rows at these indices, in this order.
    pub fn pick(&self, places: impl IntoIterator<Item = usize>) -> Dataset {
        let rows = RowOrder::Picked(places.into_iter().map(|at| self.row(at) as u32).collect());
        Dataset { rows, ..self.clone() }
    }

    /// Shuffles in an order that depends only on `seed` and the number of rows.
    pub fn shuffle(&self, seed: u64) -> Dataset {
        let mut places: Vec<usize> = (0..self.len()).collect();
        Rng::new(seed).shuffle(&mut places);
        self.pick(places)
    }

    /// Row indices grouped by equal `field`, in the order of the groups' first rows.
    pub fn groups(&self, who: &str, field: &str) -> Result<Vec<Vec<usize>>> {
        let field = self.field(who, field)?;
        let mut known: HashMap<CellKey, usize> = HashMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for at in 0..self.len() {
            if at % 65_536 == 0 {
                cancel::check()?;
            }
            let group = *known.entry(CellKey::of(self.cell(field, at))).or_insert(groups.len());
            if group == groups.len() {
                groups.push(Vec::new());
            }
            groups[group].push(at);
        }
        Ok(groups)
    }

    /// The first row for each value of `field`.
    pub fn unique(&self, field: &str) -> Result<Dataset> {
        Ok(self.pick(self.groups("unique", field)?.into_iter().map(|group| group[0])))
    }

    /// Sorts by `field` in ascending order: NaN last, lists by their elements, rows without the field at the end; stable.
    pub fn sort(&self, field: &str, descending: bool) -> Result<Dataset> {
        let field = self.field("sort", field)?;
        let mut places: Vec<usize> = (0..self.len()).collect();
        let pace = Pace::default();
        // a list is parsed once, not at each comparison
        let nested = self.table.columns[field].kind() == "nested";
        let keys: Vec<SortKey> =
            if nested { places.iter().map(|&at| SortKey::of(self.cell(field, at))).collect() } else { Vec::new() };
        let turned = |a: &SortKey, b: &SortKey| {
            let order = a.compare(b);
            if descending && !a.is_null() && !b.is_null() { order.reverse() } else { order }
        };
        let order = |&a: &usize, &b: &usize| {
            pace.step();
            match keys.get(a).zip(keys.get(b)) {
                Some((a, b)) => turned(a, b),
                None => turned(&SortKey::of(self.cell(field, a)), &SortKey::of(self.cell(field, b))),
            }
        };
        cancel::stoppable(|| places.sort_by(order))?;
        Ok(self.pick(places))
    }

    /// These fields, in this order.
    pub fn select(&self, names: &[impl AsRef<str>]) -> Result<Dataset> {
        let mut table = ColumnTable { rows: self.table.rows, ..ColumnTable::default() };
        for name in names {
            let at = self.field("select", name.as_ref())?;
            if table.position(name.as_ref()).is_some() {
                bail!("select", "field `{}` is named twice", name.as_ref());
            }
            table.names.push(self.table.names[at].clone());
            table.columns.push(self.table.columns[at].clone());
        }
        Ok(Dataset { table, rows: self.rows.clone(), bare: false })
    }

    /// Removes fields.
    pub fn drop_fields(&self, names: &[impl AsRef<str>]) -> Result<Dataset> {
        let gone: Vec<usize> = names.iter().map(|name| self.field("drop", name.as_ref())).collect::<Result<_>>()?;
        let kept: Vec<_> = (0..self.table.names.len()).filter(|at| !gone.contains(at)).collect();
        self.select(&kept.into_iter().map(|at| self.table.names[at].clone()).collect::<Vec<_>>())
    }

    /// One field, whose rows are its values.
    pub fn column(&self, name: &str) -> Result<Dataset> {
        let at = self.field("column", name)?;
        let table = ColumnTable {
            names: vec![self.table.names[at].clone()],
            columns: vec![self.table.columns[at].clone()],
            rows: self.table.rows,
        };
        Ok(Dataset { table, rows: self.rows.clone(), bare: true })
    }

    /// Renames the field `old` to `new`.
    pub fn rename(&self, old: &str, new: &str) -> Result<Dataset> {
        let at = self.field("rename", old)?;
        if old != new && self.table.position(new).is_some() {
            bail!("rename", "there is a field `{new}` already");
        }
        let mut renamed = self.clone();
        renamed.table.names[at] = new.into();
        Ok(renamed)
    }

    /// Appends the rows of `other`. Fields are matched by name.
    pub fn extend(&self, other: &Dataset) -> Result<Dataset> {
        let mut all = TableBuilder::default();
        let added = all.append(&self.gathered()).and_then(|()| all.append(&other.gathered()));
        added.map_err(|error| error.attributed_to("extend"))?;
        Ok(Dataset { bare: self.bare && other.bare, ..Dataset::from(all.finish()) })
    }

    /// Its rows as a separate table.
    pub fn gathered(&self) -> ColumnTable {
        match &self.rows {
            RowOrder::Range(0, end) if *end == self.table.rows => self.table.clone(),
            RowOrder::Range(start, end) => self.table.take(*start..*end),
            RowOrder::Picked(rows) => self.table.take(rows.iter().map(|&row| row as usize)),
        }
    }

    /// Bytes of memory of its columns.
    pub fn size(&self) -> usize {
        self.table.size()
    }

    /// Releases memory that is backed by a file: for iterating over many rows.
    pub fn unload(&self) {
        self.table.columns.iter().for_each(|column| column.unload());
    }
}

/// `dataset 23,490 rows: law, department, text`.
impl std::fmt::Display for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.table.names.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
        let what = if self.bare { "column" } else { "dataset" };
        write!(f, "{what} {}: {}", text::counted(self.len(), "row"), text::cut(&names, 80))
    }
}
