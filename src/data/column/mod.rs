//! One field of all rows, stored as compactly as its values allow.

mod wire;

use super::digits;
use super::present::Present;
use super::strings::Strings;
use crate::{Error, Result};

/// One value of one row. Lists and maps are stored as JSON text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Json(&'a str),
}

/// The values of one field. Its type is the narrowest that holds them all: integers and floats together are floats, and values
/// without a common type are stored as JSON, one by one.
#[derive(Clone, Debug, Default)]
pub struct Column {
    values: ColumnValues,
    /// Which rows have a value, if some don't.
    present: Option<Present>,
}

#[derive(Clone, Debug)]
enum ColumnValues {
    None(usize),
    Bool(Vec<bool>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    Text(Strings),
    Json(Strings),
}

impl Default for ColumnValues {
    fn default() -> Self {
        ColumnValues::None(0)
    }
}

/// Largest integer up to which a float is exact.
const EXACT: i64 = 1 << 53;

impl Column {
    /// A field without a value in `rows` rows.
    pub fn missing(rows: usize) -> Column {
        Column { values: ColumnValues::None(rows), present: None }
    }

    pub fn len(&self) -> usize {
        match (&self.present, &self.values) {
            (Some(present), _) => present.len(),
            (None, ColumnValues::None(rows)) => *rows,
            _ => self.given(),
        }
    }

    /// Number of rows with a value.
    pub fn given(&self) -> usize {
        match &self.values {
            ColumnValues::None(_) => 0,
            ColumnValues::Bool(values) => values.len(),
            ColumnValues::Int(values) => values.len(),
            ColumnValues::Float(values) => values.len(),
            ColumnValues::Text(values) | ColumnValues::Json(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The readable name of its type.
    pub fn kind(&self) -> &'static str {
        match self.values {
            ColumnValues::None(_) => "nothing",
            ColumnValues::Bool(_) => "bool",
            ColumnValues::Int(_) => "int",
            ColumnValues::Float(_) => "float",
            ColumnValues::Text(_) => "text",
            ColumnValues::Json(_) => "nested",
        }
    }

    /// Bytes of memory that it holds, without filed strings.
    pub fn size(&self) -> usize {
        let values = match &self.values {
            ColumnValues::None(_) => 0,
            ColumnValues::Bool(values) => values.len(),
            ColumnValues::Int(values) => values.len() * 8,
            ColumnValues::Float(values) => values.len() * 8,
            ColumnValues::Text(values) | ColumnValues::Json(values) => values.size(),
        };
        values + self.present.as_ref().map_or(0, Present::size)
    }

    pub fn get(&self, row: usize) -> Cell<'_> {
        let place = match &self.present {
            None => Some(row),
            Some(present) => present.place(row),
        };
        place.map_or(Cell::Null, |place| self.value(place))
    }

    /// A value, by index among the rows that have one.
    fn value(&self, place: usize) -> Cell<'_> {
        match &self.values {
            ColumnValues::None(_) => Cell::Null,
            ColumnValues::Bool(values) => Cell::Bool(values[place]),
            ColumnValues::Int(values) => Cell::Int(values[place]),
            ColumnValues::Float(values) => Cell::Float(values[place]),
            ColumnValues::Text(values) => Cell::Text(values.get(place)),
            ColumnValues::Json(values) => json_cell(values.get(place)),
        }
    }

    pub fn push(&mut self, cell: Cell) {
        if cell == Cell::Null {
            return self.extend_missing(1);
        }
        self.widen(&cell);
        match (&mut self.values, cell) {
            (ColumnValues::Bool(values), Cell::Bool(value)) => values.push(value),
            (ColumnValues::Int(values), Cell::Int(value)) => values.push(value),
            (ColumnValues::Float(values), Cell::Float(value)) => values.push(value),
            (ColumnValues::Float(values), Cell::Int(value)) => values.push(value as f64),
            (ColumnValues::Text(values), Cell::Text(value)) => values.push(value),
            (ColumnValues::Json(values), Cell::Json(value)) => values.push(value),
            (ColumnValues::Json(values), cell) => values.push(&json_text(cell)),
            _ => unreachable!("a column is widened before it takes a value"),
        }
        if let Some(present) = &mut self.present {
            present.push(true);
        }
    }

    /// Appends rows without a value.
    pub fn extend_missing(&mut self, count: usize) {
        if let ColumnValues::None(rows) = &mut self.values {
            *rows += count;
        } else if count > 0 {
            let rows = self.len();
            self.present.get_or_insert_with(|| Present::all(rows)).extend(count, false);
        }
    }

    /// Widens the type so that `cell` fits.
    fn widen(&mut self, cell: &Cell) {
        let fits = match (&self.values, cell) {
            (ColumnValues::Bool(_), Cell::Bool(_))
            | (ColumnValues::Int(_), Cell::Int(_))
            | (ColumnValues::Float(_), Cell::Float(_))
            | (ColumnValues::Text(_), Cell::Text(_))
            | (ColumnValues::Json(_), _) => true,
            (ColumnValues::Float(_), Cell::Int(value)) => value.abs() <= EXACT,
            _ => false,
        };
        if fits {
            return;
        }
        if let ColumnValues::None(rows) = self.values {
            self.values = match cell {
                Cell::Null => ColumnValues::None(0),
                Cell::Bool(_) => ColumnValues::Bool(Vec::new()),
                Cell::Int(_) => ColumnValues::Int(Vec::new()),
                Cell::Float(_) => ColumnValues::Float(Vec::new()),
                Cell::Text(_) => ColumnValues::Text(Strings::default()),
                Cell::Json(_) => ColumnValues::Json(Strings::default()),
            };
            self.present = (rows > 0).then(|| Present::none(rows));
            return;
        }
        if let (ColumnValues::Int(values), Cell::Float(_)) = (&self.values, cell)
            && values.iter().all(|value| value.abs() <= EXACT)
        {
            self.values = ColumnValues::Float(values.iter().map(|&value| value as f64).collect());
            return;
        }
        let mut texts = Strings::default();
        for place in 0..self.given() {
            texts.push(&json_text(self.value(place)));
        }
        self.values = ColumnValues::Json(texts);
    }

    /// Appends rows of the same field.
    pub fn append(&mut self, more: &Column) {
        let rows = self.len();
        match (&mut self.values, &more.values) {
            (_, ColumnValues::None(rows)) => return self.extend_missing(*rows),
            (ColumnValues::None(_), _) => {
                self.values = more.values.clone();
                self.present = (rows > 0).then(|| Present::none(rows));
            }
            (ColumnValues::Bool(values), ColumnValues::Bool(more)) => values.extend(more),
            (ColumnValues::Int(values), ColumnValues::Int(more)) => values.extend(more),
            (ColumnValues::Float(values), ColumnValues::Float(more)) => values.extend(more),
            (ColumnValues::Text(values), ColumnValues::Text(more)) => values.append(more),
            (ColumnValues::Json(values), ColumnValues::Json(more)) => values.append(more),
            _ => return (0..more.len()).for_each(|row| self.push(more.get(row))),
        }
        match (&mut self.present, &more.present) {
            (None, None) => {}
            (Some(present), None) => present.extend(more.len(), true),
            (present, Some(more)) => present.get_or_insert_with(|| Present::all(rows)).append(more),
        }
    }

    /// These rows, in this order.
    pub fn take(&self, rows: impl Iterator<Item = usize>) -> Column {
        let mut taken = Column::default();
        rows.for_each(|row| taken.push(self.get(row)));
        taken
    }

    /// Releases excess capacity.
    pub fn shrink(&mut self) {
        match &mut self.values {
            ColumnValues::Text(values) | ColumnValues::Json(values) => values.shrink(),
            ColumnValues::Int(values) => values.shrink_to_fit(),
            ColumnValues::Float(values) => values.shrink_to_fit(),
            ColumnValues::Bool(values) => values.shrink_to_fit(),
            ColumnValues::None(_) => {}
        }
    }

    /// Releases memory that is backed by a file.
    pub fn unload(&self) {
        if let ColumnValues::Text(values) | ColumnValues::Json(values) = &self.values {
            values.unload();
        }
    }

    /// A column of text as numbers or booleans, if every value is written as one; otherwise unchanged. `decimal` is the decimal
    /// separator. Among numbers, NaN and the infinities are numbers, in levain's and Python's spelling.
    pub fn read_as_numbers(self, decimal: u8) -> Column {
        if !matches!(self.values, ColumnValues::Text(_)) {
            return self;
        }
        let mut column = Column::default();
        let mut has_digits = false;
        for row in 0..self.len() {
            let Cell::Text(text) = self.get(row) else {
                column.push(Cell::Null);
                continue;
            };
            // as in pandas, numbers may be surrounded by spaces
            let bare = text.trim_matches(' ');
            let cell = match (text, bare.parse::<i64>(), number(bare, decimal)) {
                ("", ..) => Cell::Null,
                // as written by JSON, Python and spreadsheets
                ("true" | "True" | "TRUE", ..) => Cell::Bool(true),
                ("false" | "False" | "FALSE", ..) => Cell::Bool(false),
                // `007` and `+1` are names, not numbers
                (_, Ok(number), _) if number.to_string() == bare => Cell::Int(number),
                (_, Err(_), Some(number)) => Cell::Float(number),
                _ => return self,
            };
            has_digits |= matches!(cell, Cell::Int(_) | Cell::Float(_)) && text.contains(|c: char| c.is_ascii_digit());
            column.push(cell);
            if matches!(column.values, ColumnValues::Json(_)) {
                return self;
            }
        }
        match column.values {
            ColumnValues::Bool(_) => column,
            ColumnValues::Int(_) | ColumnValues::Float(_) if has_digits => column,
            _ => self,
        }
    }
}

/// A number with a fraction or an exponent. Integers with too many digits are names, which a float would round.
fn number(text: &str, decimal: u8) -> Option<f64> {
    match text {
        "NaN" | "nan" => return Some(f64::NAN),
        "inf" | "Infinity" => return Some(f64::INFINITY),
        "-inf" | "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match decimal {
        b'.' => text.parse::<f64>().ok(),
        _ if text.contains('.') => None,
        decimal => text.replacen(char::from(decimal), ".", 1).parse().ok(),
    };
    number.filter(|number: &f64| {
        number.is_finite() && text.contains(|c: char| c.is_ascii_digit()) && !digits::is_whole(text)
    })
}

/// A value of a column without a common type, from its JSON text.
fn json_cell(text: &str) -> Cell<'_> {
    match text.as_bytes().first() {
        Some(b'[' | b'{') => Cell::Json(text),
        Some(b't') => Cell::Bool(true),
        Some(b'f') => Cell::Bool(false),
        Some(b'n') | None => Cell::Null,
        // a string keeps its quotes; the reader of the value removes them
        Some(b'"') => Cell::Json(text),
        _ => match text.parse::<i64>() {
            Ok(number) => Cell::Int(number),
            Err(_) => text.parse().map_or(Cell::Json(text), Cell::Float),
        },
    }
}

/// A value as JSON. A float is always recognizable as such.
pub fn json_text(cell: Cell) -> String {
    match cell {
        Cell::Null => "null".into(),
        Cell::Bool(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::Float(value) if value.is_finite() => format!("{value:?}"),
        Cell::Float(_) => "null".into(),
        Cell::Text(value) => serde_json::Value::from(value).to_string(),
        Cell::Json(value) => value.into(),
    }
}

impl<'a> Cell<'a> {
    /// Its text, or the name of its other type.
    pub fn text(self) -> Result<std::borrow::Cow<'a, str>, &'static str> {
        match self {
            Cell::Text(text) => Ok(text.into()),
            Cell::Json(json) if json.starts_with('"') => {
                serde_json::from_str::<String>(json).map(Into::into).map_err(|_| "broken text")
            }
            other => Err(other.kind()),
        }
    }

    pub fn kind(self) -> &'static str {
        match self {
            Cell::Null => "nothing",
            Cell::Bool(_) => "a bool",
            Cell::Int(_) => "an int",
            Cell::Float(_) => "a float",
            Cell::Text(_) => "text",
            Cell::Json(json) if json.starts_with('[') => "a list",
            Cell::Json(json) if json.starts_with('{') => "a map",
            Cell::Json(_) => "text",
        }
    }
}

/// The value of a nested cell.
pub fn nested(who: &str, json: &str) -> Result<serde_json::Value> {
    digits::value(json).map_err(|error| Error::new(who, format!("broken nested value: {error}")))
}
