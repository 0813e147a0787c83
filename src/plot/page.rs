//! A page: charts, tables and text in one self-contained HTML file.

use super::svg::escape;
use super::{Chart, Forest, Parallel, Table, style};
use crate::{Error, Result, files};
use std::fmt::Write;
use std::path::Path;

/// A page of headings, texts, tables and charts.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub title: String,
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub enum Part {
    Heading(String),
    /// The answer, in larger letters.
    Lead(String),
    Text(String),
    Table(Table),
    Chart(Chart),
    Forest(Forest),
    Parallel(Parallel),
    /// Folds the parts that follow away under this title, up to the next fold or the end.
    Fold(String),
}

impl Page {
    pub fn new(title: &str) -> Page {
        Page { title: title.into(), parts: Vec::new() }
    }

    /// Appends a part.
    pub fn with(&self, part: Part) -> Page {
        let mut page = self.clone();
        page.parts.push(part);
        page
    }

    pub fn html(&self) -> String {
        let title = escape(&self.title);
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>\n{}</style>\n<h1>{title}</h1>\n",
            style::sheet()
        );
        let mut folded = false;
        for part in &self.parts {
            match part {
                Part::Heading(text) => drop(writeln!(out, "<h2>{}</h2>", inline(text))),
                Part::Text(text) => {
                    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
                        let _ = writeln!(out, "<p>{}</p>", inline(paragraph).replace('\n', "<br>\n"));
                    }
                }
                Part::Lead(text) => drop(writeln!(out, "<p class=\"lead\">{}</p>", inline(text))),
                Part::Table(table) => rows(table, &mut out),
                Part::Chart(chart) => out.push_str(&chart.svg().replacen("<svg ", "<svg class=\"chart\" ", 1)),
                Part::Parallel(plot) => out.push_str(&plot.svg().replacen("<svg ", "<svg class=\"chart\" ", 1)),
                Part::Forest(forest) => out.push_str(&forest.html()),
                Part::Fold(title) => {
                    let end = if folded { "</details>\n" } else { "" };
                    let _ = writeln!(out, "{end}<details><summary>{}</summary>", inline(title));
                    folded = true;
                }
            }
        }
        if folded {
            out.push_str("</details>\n");
        }
        out.push_str("</html>\n");
        out
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        if path.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("html")) {
            return Err(Error::new("save", format!("{}: a page is saved as .html", path.display())));
        }
        files::write_all("save", path, self.html().as_bytes())
    }
}

fn rows(table: &Table, out: &mut String) {
    let words = table.words();
    let line = |cells: &[String], tag: &str| {
        let cells = cells.iter().enumerate().map(|(at, cell)| {
            let class = if words.get(at) == Some(&true) { " class=\"words\"" } else { "" };
            format!("<{tag}{class}>{}</{tag}>", inline(cell))
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    out.push_str("<div class=\"wide\"><table>\n");
    if !table.title.is_empty() {
        let _ = writeln!(out, "<caption>{}</caption>", inline(&table.title));
    }
    out.push_str(&line(&table.headings, "th"));
    table.rows.iter().for_each(|row| out.push_str(&line(row, "td")));
    out.push_str("</table></div>\n");
}

/// Formats text with `**strong**` and `` `code` ``.
fn inline(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            let _ = write!(out, "<code>{}</code>", escape(part));
            continue;
        }
        for (at, part) in part.split("**").enumerate() {
            let part = part.split('\n').map(escape).collect::<Vec<_>>().join("\n");
            if at % 2 == 1 {
                let _ = write!(out, "<strong>{part}</strong>");
            } else {
                out.push_str(&part);
            }
        }
    }
    out
}
