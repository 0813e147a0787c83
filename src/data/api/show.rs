//! The first rows of a dataset as a table that fits the screen.

use crate::data::{Cell, Dataset};
use crate::script::display::Page;
use crate::script::prelude::*;
use crate::text;

/// Default number of rows.
pub const ROWS: usize = 10;

pub fn table(data: &Dataset, rows: usize) -> Res<String> {
    Ok(lines(data, rows, console::Term::stdout().size_checked().map_or(100, |(_, columns)| columns as usize)))
}

/// The first rows at the prompt and in notebooks.
pub fn page(data: &Dataset, columns: usize) -> Page {
    let rows = (0..data.len().min(ROWS))
        .map(|at| (0..data.fields().len()).map(|field| text(&data.cell(field, at), 400)).collect::<Vec<_>>());
    let rows: Vec<Vec<String>> = rows.collect();
    let headings: Vec<String> = data.fields().iter().map(|name| name.to_string()).collect();
    let shown = format!("{}\n{}", text::cut(&data.to_string(), columns), lines(data, ROWS, columns));
    let mut page = Page::table(shown, &headings, &rows);
    page.html = page.html.map(|table| format!("{table}\n<p>{data}</p>"));
    page
}

fn text(cell: &Cell, room: usize) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Text(text) => text::cut(text, room),
        Cell::Json(json) => text::cut(json, room),
        Cell::Int(number) => number.to_string(),
        Cell::Float(number) => number.to_string(),
        Cell::Bool(truth) => truth.to_string(),
    }
}

fn lines(data: &Dataset, rows: usize, room: usize) -> String {
    let shown = rows.min(data.len());
    let fields = data.fields().len().max(1);
    let mut columns: Vec<(Vec<String>, bool)> = Vec::new();
    for (field, name) in data.fields().iter().enumerate() {
        let numbers = (0..shown).all(|at| matches!(data.cell(field, at), Cell::Int(_) | Cell::Float(_) | Cell::Null));
        let mut cells = vec![name.to_string()];
        for at in 0..shown {
            cells.push(text(&data.cell(field, at), room));
        }
        columns.push((cells, numbers));
    }
    let widths = fit(&columns, room.saturating_sub(2 * fields));
    let mut out = String::new();
    for at in 0..=shown {
        let mut line = String::new();
        for ((cells, numbers), &width) in columns.iter().zip(&widths) {
            let cell = text::cut(&cells[at], width);
            line += "  ";
            line += &if *numbers { text::right(&cell, width) } else { text::left(&cell, width) };
        }
        out += line.trim_end();
        out.push('\n');
    }
    if shown < data.len() {
        out += &format!("  … {}", text::counted(data.len() - shown, "more row"));
    }
    out.trim_end().to_string()
}

/// Column widths: natural, with the widest reduced until all fit.
fn fit(columns: &[(Vec<String>, bool)], room: usize) -> Vec<usize> {
    let mut widths: Vec<usize> =
        columns.iter().map(|(cells, _)| cells.iter().map(|cell| text::width(cell)).max().unwrap_or(0)).collect();
    while widths.iter().sum::<usize>() > room {
        match widths.iter().max() {
            Some(&widest) if widest > 4 => {
                let at = widths.iter().position(|&width| width == widest).unwrap_or(0);
                widths[at] -= 1;
            }
            _ => break,
        }
    }
    widths
}
