//! Plain text: one field `text`.

use super::lines::LineBlocks;
use super::{By, FilePosition, Tables};
use crate::Result;
use crate::data::column::{Cell, Column};
use crate::data::table::ColumnTable;
use std::io::Read;
use std::sync::Arc;

pub fn open(input: Box<dyn Read + Send>, by: By, place: FilePosition) -> Result<Tables> {
    if by == By::Document {
        return whole(input, "text", place);
    }
    let mut blocks = LineBlocks::new(input, place.clone()).map(move |block| {
        let block = block?;
        place.put_aside(block.rejects)?;
        Ok(block.text)
    });
    if by == By::Line {
        let full = |line: &&str| !line.trim().is_empty();
        return Ok(Box::new(blocks.map(move |text| Ok(table("text", text?.lines().filter(full))))));
    }
    let mut open = String::new();
    Ok(Box::new(std::iter::from_fn(move || match blocks.next() {
        Some(Ok(text)) => Some(Ok(table("text", paragraphs(&mut open, &text)))),
        Some(Err(error)) => Some(Err(error)),
        None if open.is_empty() => None,
        None => Some(Ok(table("text", [std::mem::take(&mut open)]))),
    })))
}

/// The whole file as the field `name` of one row.
pub fn whole(input: Box<dyn Read + Send>, name: &str, place: FilePosition) -> Result<Tables> {
    let mut text = String::new();
    for block in LineBlocks::new(input, place.clone()) {
        let block = block?;
        place.put_aside(block.rejects)?;
        text.push_str(&block.text);
    }
    Ok(Box::new(std::iter::once(Ok(table(name, [text.as_str()])))))
}

/// The complete paragraphs in `text`; the last one, which may continue, stays in `open`.
fn paragraphs(open: &mut String, text: &str) -> Vec<String> {
    let mut done = Vec::new();
    for line in text.lines() {
        if !line.trim().is_empty() {
            if !open.is_empty() {
                open.push('\n');
            }
            open.push_str(line);
        } else if !open.is_empty() {
            done.push(std::mem::take(open));
        }
    }
    done
}

fn table(name: &str, texts: impl IntoIterator<Item = impl AsRef<str>>) -> ColumnTable {
    let mut column = Column::default();
    for text in texts {
        column.push(Cell::Text(text.as_ref()));
    }
    ColumnTable { names: vec![name.into()], rows: column.len(), columns: vec![Arc::new(column)] }
}
