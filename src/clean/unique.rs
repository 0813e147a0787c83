//! Removes rows whose value occurred before, exactly or nearly.

use super::near::{NearFinder, NearGroups, NearPlan};
use crate::data::stream::{InOrder, Walk};
use crate::data::{Cell, Dataset, Stream};
use crate::{Error, Result};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use twox_hash::XxHash3_128;

const WHO: &str = "unique";
/// Rows whose texts are sketched together.
const ROWS: usize = 4096;

/// A value as 128 bits: the probability of a collision among ten million values is below 10^-24.
pub fn digest(cell: Cell) -> u128 {
    let of = |kind: &str, bytes: &[u8]| {
        let mut hash = XxHash3_128::new();
        hash.write(kind.as_bytes());
        hash.write(bytes);
        hash.finish_128()
    };
    match cell {
        Cell::Null => 0,
        Cell::Bool(value) => of("b", &[u8::from(value)]),
        Cell::Int(value) => of("i", &value.to_le_bytes()),
        // all zeros are equal, and all NaN
        Cell::Float(0.0) => of("f", &0u64.to_le_bytes()),
        Cell::Float(value) if value.is_nan() => of("f", &f64::NAN.to_bits().to_le_bytes()),
        Cell::Float(value) => of("f", &value.to_bits().to_le_bytes()),
        Cell::Text(value) => of("t", value.as_bytes()),
        Cell::Json(value) => of("j", value.as_bytes()),
    }
}

/// The texts of a field, `None` where a row has none.
pub fn texts<'d>(who: &str, data: &'d Dataset, field: &str, first: usize) -> Result<Vec<Option<Cow<'d, str>>>> {
    let Some(at) = data.fields().iter().position(|known| **known == *field) else {
        return Ok(vec![None; data.len()]);
    };
    let text = |row: usize| match data.cell(at, row) {
        Cell::Null => Ok(None),
        cell => cell
            .text()
            .map(Some)
            .map_err(|kind| Error::new(who, format!("row {}, field `{field}`: {kind}, not text", first + row))),
    };
    (0..data.len()).map(text).collect()
}

/// The near duplicates among rows that arrive in parts.
pub fn near_groups(
    who: &str,
    parts: impl Iterator<Item = Result<Dataset>>,
    field: &str,
    plan: NearPlan,
) -> Result<NearGroups> {
    plan.check(who)?;
    let mut finder = NearFinder::new(plan);
    let mut first = 0;
    for part in parts {
        let part = part?;
        for start in (0..part.len()).step_by(ROWS) {
            crate::cancel::check()?;
            let some = part.slice(start, start + ROWS);
            finder.add(&texts(who, &some, field, first)?)?;
            first += some.len();
        }
        part.unload();
    }
    finder.finish()
}

/// Keeps the first row of each value of a field, or of near-duplicate texts.
pub struct Unique {
    pub field: String,
    pub near: Option<NearPlan>,
}

impl Unique {
    pub fn of(&self, data: &Dataset) -> Result<Dataset> {
        data.field(WHO, &self.field)?;
        let Some(plan) = self.near else { return data.unique(&self.field) };
        let groups = near_groups(WHO, std::iter::once(Ok(data.clone())), &self.field, plan)?;
        Ok(data.pick((0..data.len()).filter(|row| groups.stays(*row))))
    }
}

impl InOrder for Unique {
    fn label(&self) -> String {
        format!("unique {}", self.field)
    }

    fn identity(&self) -> String {
        format!("{} {:?}", self.label(), self.near)
    }

    fn begin(self: Arc<Self>, upstream: &Stream) -> Result<Walk> {
        let Some(plan) = self.near else {
            let mut known = HashSet::new();
            return Ok(Box::new(move |rows: Dataset| {
                let at = rows.fields().iter().position(|name| **name == *self.field);
                let cell = |row: usize| at.map_or(Cell::Null, |at| rows.cell(at, row));
                let new: Vec<usize> = (0..rows.len()).filter(|row| known.insert(digest(cell(*row)))).collect();
                Ok(rows.pick(new))
            }));
        };
        let groups = near_groups(WHO, upstream.blocks()?, &self.field, plan)?;
        let mut seen = 0;
        Ok(Box::new(move |rows: Dataset| {
            let first = seen;
            seen += rows.len();
            Ok(rows.pick((0..rows.len()).filter(|row| groups.stays(first + row))))
        }))
    }
}
