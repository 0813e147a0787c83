//! Rows as bytes, for the other ranks of a run: values are exact, and columns keep their types.

use super::column::Column;
use super::dataset::Dataset;
use super::table::ColumnTable;
use crate::{Error, Result};
use std::sync::Arc;

/// Bytes read from their start.
pub struct Wire<'a>(pub &'a [u8]);

impl<'a> Wire<'a> {
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(broken)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn number(&mut self) -> Result<u64> {
        let bytes = self.bytes(8)?.try_into().map_err(|_| broken())?;
        Ok(u64::from_le_bytes(bytes))
    }

    pub fn text(&mut self) -> Result<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.bytes(length as usize)?).map_err(|_| broken())
    }
}

pub fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_le_bytes());
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend(text.as_bytes());
}

/// The error for a message that no rank of the same levain sends.
pub fn broken() -> Error {
    Error::damage("ranks", "rows that came from another rank are broken")
}

impl Dataset {
    pub fn put(&self, out: &mut Vec<u8>) {
        let table = self.gathered();
        put_number(out, u64::from(self.is_bare()));
        put_number(out, table.rows as u64);
        put_number(out, table.names.len() as u64);
        for (name, column) in table.names.iter().zip(&table.columns) {
            put_text(out, name);
            column.put(out);
        }
    }

    pub fn from_wire(wire: &mut Wire) -> Result<Dataset> {
        let is_bare = wire.number()? == 1;
        let mut table = ColumnTable { rows: wire.number()? as usize, ..ColumnTable::default() };
        for _ in 0..wire.number()? {
            table.names.push(wire.text()?.into());
            table.columns.push(Arc::new(Column::from_wire(wire, table.rows)?));
        }
        let rows = Dataset::from(table);
        Ok(if is_bare { rows.into_bare() } else { rows })
    }
}
