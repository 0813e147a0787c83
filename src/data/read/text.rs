//! Plain text: one field `text`.

use super::lines::LineBlocks;
use super::{By, FilePosition, Tables};
use crate::Result;
use crate::data::column::{Cell, Column};
use crate::data::table::ColumnTable;
use std::io::Read;
use std::sync::Arc;

pub fn open(input: Box<dyn Read + Send>, by: By, place: FilePosition) -> Result<Tables> {
    let mut blocks = LineBlocks::new(input, place);
    if by == By::Document {
        let mut text = String::new();
        for block in blocks {
            text.push_str(&block?.text);
        }
        return Ok(Box::new(std::iter::once(Ok(table([text.as_str()])))));
    }
    if by == By::Line {
        return Ok(Box::new(blocks.map(|block| Ok(table(block?.text.lines().filter(|line| !line.trim().is_empty()))))));
    }
    let mut open = String::new();
    Ok(Box::new(std::iter::from_fn(move || match blocks.next() {
        Some(Ok(block)) => Some(Ok(table(paragraphs(&mut open, &block.text)))),
        Some(Err(error)) => Some(Err(error)),
        None if open.is_empty() => None,
        None => Some(Ok(table([std::mem::take(&mut open)]))),
    })))
}

/// The paragraphs that end in `text`; the last one, which may go on, stays in `open`.
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

fn table(texts: impl IntoIterator<Item = impl AsRef<str>>) -> ColumnTable {
    let mut column = Column::default();
    for text in texts {
        column.push(Cell::Text(text.as_ref()));
    }
    ColumnTable { names: vec!["text".into()], rows: column.len(), columns: vec![Arc::new(column)] }
}
