//! A column as bytes.

use super::{Column, ColumnValues};
use crate::Result;
use crate::data::present::Present;
use crate::data::strings::Strings;
use crate::data::wire::{Wire, broken, put_number, put_text};

impl Column {
    /// Writes its type, which rows have a value, and the values.
    pub fn put(&self, out: &mut Vec<u8>) {
        let kind = match &self.values {
            ColumnValues::None(_) => 0,
            ColumnValues::Bool(_) => 1,
            ColumnValues::Int(_) => 2,
            ColumnValues::Float(_) => 3,
            ColumnValues::Text(_) => 4,
            ColumnValues::Json(_) => 5,
        };
        out.extend([kind, u8::from(self.present.is_some())]);
        if let Some(present) = &self.present {
            out.extend((0..present.len()).map(|row| u8::from(present.place(row).is_some())));
        }
        match &self.values {
            ColumnValues::None(_) => {}
            ColumnValues::Bool(values) => out.extend(values.iter().map(|value| u8::from(*value))),
            ColumnValues::Int(values) => values.iter().for_each(|value| put_number(out, *value as u64)),
            ColumnValues::Float(values) => values.iter().for_each(|value| put_number(out, value.to_bits())),
            ColumnValues::Text(texts) | ColumnValues::Json(texts) => {
                (0..texts.len()).for_each(|at| put_text(out, texts.get(at)));
            }
        }
    }

    pub fn from_wire(wire: &mut Wire, rows: usize) -> Result<Column> {
        let [kind, has_gaps] = *wire.bytes(2)? else { return Err(broken()) };
        let (mut present, mut given) = (None, rows);
        if has_gaps == 1 {
            let mut some = Present::default();
            wire.bytes(rows)?.iter().for_each(|has| some.push(*has == 1));
            given = (0..rows).filter(|row| some.place(*row).is_some()).count();
            present = Some(some);
        }
        let texts = |wire: &mut Wire| -> Result<Strings> {
            let mut texts = Strings::default();
            (0..given).try_for_each(|_| wire.text().map(|text| texts.push(text)))?;
            Ok(texts)
        };
        let values = match kind {
            0 => ColumnValues::None(rows),
            1 => ColumnValues::Bool(wire.bytes(given)?.iter().map(|byte| *byte == 1).collect()),
            2 => ColumnValues::Int((0..given).map(|_| Ok(wire.number()? as i64)).collect::<Result<_>>()?),
            3 => ColumnValues::Float((0..given).map(|_| Ok(f64::from_bits(wire.number()?))).collect::<Result<_>>()?),
            4 => ColumnValues::Text(texts(wire)?),
            5 => ColumnValues::Json(texts(wire)?),
            _ => return Err(broken()),
        };
        Ok(Column { values, present })
    }
}
