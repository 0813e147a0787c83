//! JSON lines, and a JSON list of rows.

use super::lines::{Block, LineBlocks};
use super::{FilePosition, Reject, Tables};
use crate::Result;
use crate::cancel::{self, Pace};
use crate::data::column::{Cell, Column};
use crate::data::digits;
use crate::data::table::{ColumnTable, TableBuilder};
use crate::files::sums::{self, Check};
use crate::tasks;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::io::Read;

/// One object per line. Blocks of lines are parsed in parallel and keep their order.
pub fn lines(input: Box<dyn Read + Send>, place: FilePosition) -> Tables {
    let mut blocks = LineBlocks::new(input, place.clone());
    let mut ready = Vec::new().into_iter();
    let mut failed = false;
    Box::new(std::iter::from_fn(move || {
        loop {
            if let Some(table) = ready.next() {
                return Some(table);
            }
            if failed {
                return None;
            }
            let batch: Vec<_> = blocks.by_ref().take(rayon::current_num_threads().max(1)).collect();
            if batch.is_empty() {
                return None;
            }
            let tables = tasks::map(batch, &|_, block| parse(block?, &place));
            let put = |(table, rejects): (ColumnTable, Vec<Reject>)| place.put_aside(rejects).map(|()| table);
            let tables: Vec<Result<ColumnTable>> = tables.into_iter().map(|parsed| parsed.and_then(put)).collect();
            failed = tables.iter().any(Result::is_err);
            ready = tables.into_iter();
        }
    }))
}

fn parse(block: Block, place: &FilePosition) -> Result<(ColumnTable, Vec<Reject>)> {
    let mut builder = TableBuilder::default();
    let mut broken = None;
    for (number, line) in block.lines() {
        if let Err(why) = row(&mut builder, line) {
            broken = Some(place.line(number, why));
            break;
        }
    }
    match broken {
        None => Ok((builder.finish(), block.rejects)),
        Some(_) if place.goes_on() => sifted(block),
        Some(error) => Err(error),
    }
}

/// The rows of a block with broken lines: each line is read separately, so that a broken one leaves nothing behind.
fn sifted(block: Block) -> Result<(ColumnTable, Vec<Reject>)> {
    let (mut builder, mut rejects) = (TableBuilder::default(), Vec::new());
    for (number, line) in block.lines() {
        let mut one = TableBuilder::default();
        match row(&mut one, line) {
            Ok(()) => builder.append(&one.finish())?,
            Err(why) => rejects.push(Reject { line: number, why, text: line.to_string() }),
        }
    }
    rejects.extend(block.rejects);
    rejects.sort_by_key(|reject| reject.line);
    Ok((builder.finish(), rejects))
}

/// Reads a line as a row, if it is not blank.
fn row(builder: &mut TableBuilder, line: &str) -> Result<(), String> {
    if line.trim().is_empty() {
        return Ok(());
    }
    let plain = if sums::is_sealed_line(line) { Cow::Owned(unsealed(line)?) } else { line.into() };
    let line = digits::quoted_row(&plain, 1);
    let mut parser = serde_json::Deserializer::from_str(&line);
    let read = JsonRow(builder).deserialize(&mut parser).and_then(|()| parser.end());
    read.map_err(|error| fault(&error, builder) + foreign(&line, error.column()))
}

/// What an invalid line was probably meant as, by the text at a column.
fn foreign(line: &str, column: usize) -> &'static str {
    let rest = column.checked_sub(1).and_then(|at| line.get(at..)).unwrap_or_default();
    let begins = |words: &[&str]| words.iter().any(|word| rest.starts_with(word));
    if begins(&["NaN", "Infinity"]) {
        "; JSON has no NaN and no Infinity: write null, or save as .parquet"
    } else if begins(&["None", "True", "False"]) {
        "; this is Python's: in JSON it is null, true or false (`json.dumps`)"
    } else if begins(&["'"]) {
        "; texts of JSON are in double quotes (`json.dumps`)"
    } else if rest.trim_end() == "," {
        "; a line is one object, without a comma behind it"
    } else {
        ""
    }
}

/// A log row without its checksum.
fn unsealed(text: &str) -> Result<String, String> {
    match sums::checked(text.as_bytes()) {
        Check::Right => Ok(sums::without_checksum(text)),
        _ => Err("the row is damaged: it is not what its checksum says".into()),
    }
}

/// A list of objects, or a single one, read at once.
pub fn whole(input: Box<dyn Read + Send>, place: FilePosition) -> Result<Tables> {
    let mut text = String::new();
    for block in LineBlocks::new(input, place.clone()) {
        text.push_str(&block?.text);
    }
    let mut builder = TableBuilder::default();
    // a run's result
    if sums::checked(text.as_bytes()) != Check::Absent {
        text = unsealed(&text).map_err(|why| place.line(1, why))?;
    }
    // one object is one row: a run's figures
    let is_row = text.trim_start().starts_with('{');
    let text = digits::quoted_row(&text, if is_row { 1 } else { 2 });
    let mut parser = serde_json::Deserializer::from_str(&text);
    let read = cancel::stoppable(|| match is_row {
        true => JsonRow(&mut builder).deserialize(&mut parser),
        false => RowList(&mut builder, Pace::default()).deserialize(&mut parser),
    })?;
    read.and_then(|()| parser.end()).map_err(|error| {
        let error_at = place.line(error.line().max(1), fault(&error, &builder));
        if is_row {
            error_at.help(
                "a .json file is a list of rows `[{…}, …]` or one row; with one object a line it is called .jsonl",
            )
        } else {
            error_at
        }
    })?;
    Ok(Box::new(std::iter::once(Ok(builder.finish()))))
}

/// serde_json's message, with our wording of the position, unless the rows are the problem.
fn fault(error: &serde_json::Error, rows: &TableBuilder) -> String {
    if let Err(what) = rows.fits() {
        return what;
    }
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    match error.column() {
        0 => format!("broken JSON: {what}"),
        column => format!("broken JSON at column {column}: {what}"),
    }
}

struct RowList<'t>(&'t mut TableBuilder, Pace);

impl<'de> DeserializeSeed<'de> for RowList<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowList<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of rows")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(JsonRow(self.0))?.is_some() {
            self.1.step();
        }
        Ok(())
    }
}

/// An object, added to a table as its next row.
struct JsonRow<'t>(&'t mut TableBuilder);

#[derive(Deserialize)]
struct JsonKey<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for JsonRow<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for JsonRow<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a row, an object `{\"field\": value, …}`")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let rows = self.0.rows();
        while let Some(JsonKey(name)) = fields.next_key()? {
            let column = self.0.column(&name);
            if column.len() > rows {
                return Err(A::Error::custom(format!("field `{name}` is there twice")));
            }
            fields.next_value_seed(Value(column))?;
        }
        self.0.end_row().map_err(A::Error::custom)
    }
}

/// A value, appended to a column.
struct Value<'t>(&'t mut Column);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push(Cell::Null);
        Ok(())
    }
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.push(Cell::Bool(value));
        Ok(())
    }
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.push(Cell::Int(value));
        Ok(())
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        // integers that do not fit come as text: see `digits`
        let value = i64::try_from(value).map_err(|_| E::custom(format!("{value} is above 2^63")))?;
        self.0.push(Cell::Int(value));
        Ok(())
    }
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.push(Cell::Float(value));
        Ok(())
    }
    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.push(Cell::Text(value));
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        let value = serde_json::Value::deserialize(SeqAccessDeserializer::new(items))?;
        self.0.push(Cell::Json(&digits::bare(value.to_string())));
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        let value = serde_json::Value::deserialize(MapAccessDeserializer::new(fields))?;
        self.0.push(Cell::Json(&digits::bare(value.to_string())));
        Ok(())
    }
}
