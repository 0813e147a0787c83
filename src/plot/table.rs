//! A table: cells in aligned columns, as text and as Markdown.

use crate::text::{left, right, width};

/// Headings and rows of text; numeric columns are right-aligned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub title: String,
    pub headings: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn columns(&self) -> impl Iterator<Item = Column> + '_ {
        (0..self.headings.len()).map(|at| {
            let cells = || self.rows.iter().filter_map(move |row| row.get(at));
            let widest = cells().map(|cell| width(cell)).max().unwrap_or(0);
            Column {
                width: widest.max(width(&self.headings[at])),
                figures: cells().any(|cell| is_figure(cell)) && cells().all(|cell| cell.is_empty() || is_figure(cell)),
            }
        })
    }

    /// Whether each column holds text rather than numbers.
    pub fn words(&self) -> Vec<bool> {
        self.columns().map(|column| !column.figures).collect()
    }

    /// Formats the table in Markdown.
    pub fn markdown(&self) -> String {
        let columns: Vec<Column> = self.columns().collect();
        let line = |cells: &[String]| {
            let cells = columns.iter().enumerate().map(|(at, column)| {
                let cell = cells.get(at).map_or("", String::as_str).replace('|', "\\|").replace('\n', " ");
                column.aligned(&cell)
            });
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let rule = columns.iter().map(|column| {
            let dashes = "-".repeat(column.width.max(3) - 1);
            if column.figures { format!("{dashes}:") } else { format!("{dashes}-") }
        });
        let mut out = line(&self.headings);
        out += &format!("| {} |\n", rule.collect::<Vec<_>>().join(" | "));
        self.rows.iter().for_each(|row| out += &line(row));
        out.trim_end().to_string()
    }
}

struct Column {
    width: usize,
    figures: bool,
}

impl Column {
    fn aligned(&self, cell: &str) -> String {
        if self.figures { right(cell, self.width.max(3)) } else { left(cell, self.width.max(3)) }
    }
}

/// Whether a cell is a number, optionally with a sign, a unit or an arrow: `1,234`, `-0.5`, `12.3 %`, `▼ 21 %`, `–`.
fn is_figure(cell: &str) -> bool {
    let rest = cell.trim_start_matches(['+', '-', '−', '±', '▲', '▼', '~', ' ']);
    matches!(cell, "–" | "-" | "NaN" | "inf" | "-inf") || rest.starts_with(|c: char| c.is_ascii_digit())
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns: Vec<Column> = self.columns().collect();
        let line = |cells: &[String]| {
            let cells = columns.iter().enumerate().map(|(at, column)| {
                let cell = cells.get(at).map_or(String::new(), |cell| cell.replace('\n', " "));
                if column.figures { right(&cell, column.width) } else { left(&cell, column.width) }
            });
            format!("  {}", cells.collect::<Vec<_>>().join("   ")).trim_end().to_string()
        };
        let mut lines = Vec::new();
        if !self.title.is_empty() {
            lines.push(self.title.clone());
        }
        if self.headings.iter().any(|heading| !heading.is_empty()) {
            lines.push(line(&self.headings));
        }
        lines.extend(self.rows.iter().map(|row| line(row)));
        f.write_str(&lines.join("\n"))
    }
}
