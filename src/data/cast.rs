//! Casting of a field's values.

use super::missing::{Gaps, Own};
use super::step::Step;
use super::{Cell, Column, Dataset, digits};
use crate::{Error, Result, cancel, text};
use serde_json::Value;

const WHO: &str = "cast";

/// The type to cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Int,
    Float,
    Bool,
    Text,
}

pub const TARGETS: [&str; 4] = ["int", "float", "bool", "string"];

impl Target {
    pub fn named(name: &str) -> Option<Target> {
        let at = TARGETS.iter().position(|known| *known == name)?;
        Some([Target::Int, Target::Float, Target::Bool, Target::Text][at])
    }

    fn name(self) -> &'static str {
        TARGETS[self as usize]
    }
}

/// Largest integer up to which a float is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A value cast to the target type; `None` if it can't be cast without loss.
pub fn cast(cell: Cell, target: Target) -> Option<Own> {
    match (target, cell) {
        (_, Cell::Null) => Some(Own::Null),
        (Target::Int, Cell::Int(value)) => Some(Own::Int(value)),
        (Target::Int, Cell::Bool(value)) => Some(Own::Int(value.into())),
        (Target::Int, Cell::Float(value)) if value.fract() == 0.0 && value.abs() <= EXACT => {
            Some(Own::Int(value as i64))
        }
        (Target::Int, Cell::Text(text)) => whole(text).map(Own::Int),
        (Target::Float, Cell::Int(value)) if value.unsigned_abs() <= EXACT as u64 => Some(Own::Float(value as f64)),
        (Target::Float, Cell::Float(value)) => Some(Own::Float(value)),
        (Target::Float, Cell::Bool(value)) => Some(Own::Float(f64::from(u8::from(value)))),
        (Target::Float, Cell::Text(text)) => number(text).map(Own::Float),
        (Target::Bool, Cell::Bool(value)) => Some(Own::Bool(value)),
        (Target::Bool, Cell::Int(value @ (0 | 1))) => Some(Own::Bool(value == 1)),
        (Target::Bool, Cell::Text(text)) => truth(text).map(Own::Bool),
        (Target::Text, Cell::Text(text)) => Some(Own::Text(text.into())),
        (Target::Text, Cell::Json(json)) => {
            Some(Own::Text(cell.text().map_or_else(|_| json.to_string(), |text| text.into_owned())))
        }
        (Target::Text, Cell::Int(value)) => Some(Own::Text(value.to_string())),
        (Target::Text, Cell::Bool(value)) => Some(Own::Text(value.to_string())),
        (Target::Text, Cell::Float(value)) => Some(Own::Text(format!("{value:?}"))),
        (target, Cell::Json(json)) => match digits::value(json).ok()? {
            Value::String(text) => cast(Cell::Text(&text), target),
            Value::Bool(value) => cast(Cell::Bool(value), target),
            Value::Number(number) => match number.as_i64() {
                Some(value) => cast(Cell::Int(value), target),
                None => cast(Cell::Float(number.as_f64()?), target),
            },
            _ => None,
        },
        _ => None,
    }
}

fn whole(text: &str) -> Option<i64> {
    let bare = text.trim();
    let bare = bare.strip_prefix('+').unwrap_or(bare);
    bare.parse().ok().or_else(|| grouped(bare)?.parse().ok())
}

fn number(text: &str) -> Option<f64> {
    let bare = text.trim();
    let has_digit = bare.contains(|char: char| char.is_ascii_digit());
    let exact =
        |text: &str| text.parse::<f64>().ok().filter(|_| has_digit && (!digits::is_whole(text) || text.len() < 16));
    exact(bare).or_else(|| exact(&grouped(bare)?))
}

/// `1,234,567.5` without its commas, which must separate groups of three digits.
fn grouped(text: &str) -> Option<String> {
    let (number, fraction) = text.split_once('.').map_or((text, None), |(number, fraction)| (number, Some(fraction)));
    let mut parts = number.trim_start_matches('-').split(',');
    let first = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    let fits = (1..=3).contains(&first.len()) && !rest.is_empty() && rest.iter().all(|part| part.len() == 3);
    let joined = number.replace(',', "");
    fits.then(|| fraction.map_or(joined.clone(), |fraction| format!("{joined}.{fraction}")))
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "t" | "1" | "是" => Some(true),
        "false" | "no" | "n" | "f" | "0" | "否" => Some(false),
        _ => None,
    }
}

/// Casts the values of a field.
#[derive(Clone, Debug)]
pub struct Cast {
    pub field: String,
    pub target: Target,
    /// Values that can't be cast become missing, instead of an error.
    pub skips: bool,
}

impl Cast {
    /// Indices of rows whose value can't be cast.
    pub fn misfits(&self, rows: &Dataset) -> Result<Vec<usize>> {
        let Some(field) = rows.fields().iter().position(|name| **name == *self.field) else { return Ok(Vec::new()) };
        cancel::check()?;
        let can = |at: usize| fits(rows.cell(field, at), self.target);
        Ok((0..rows.len()).filter(|at| !can(*at)).collect())
    }
}

/// Missing values in any spelling are accepted: they become missing.
fn fits(cell: Cell, target: Target) -> bool {
    target != Target::Text && Gaps { words: true }.has(cell) || cast(cell, target).is_some()
}

impl Step for Cast {
    fn label(&self) -> String {
        format!("cast {} to {}", self.field, self.target.name())
    }

    fn identity(&self) -> String {
        format!("{} {}", self.label(), self.skips)
    }

    fn apply(&self, rows: Dataset, first: usize) -> Result<Dataset> {
        let Some(field) = rows.fields().iter().position(|name| **name == *self.field) else { return Ok(rows) };
        if !self.skips {
            let wrong = self.misfits(&rows)?;
            if let Some(at) = wrong.first() {
                let shown = format!("{:?}", Own::of(rows.cell(field, *at)).cell());
                let what = format!(
                    "row {}, field `{}`: {} is no {}",
                    first + at,
                    self.field,
                    text::cut(&shown, 60),
                    self.target.name()
                );
                let help = "`on_error: \"null\"` leaves such rows without a value; `misfits` lists them";
                return Err(Error::new(WHO, what).help(help));
            }
        }
        let mut column = Column::default();
        for at in 0..rows.len() {
            let cell = rows.cell(field, at);
            column.push(cast(cell, self.target).unwrap_or(Own::Null).cell());
        }
        Ok(rows.with_columns(vec![(self.field.clone(), column)]))
    }
}
