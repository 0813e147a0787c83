//! Page: charts, tables and words in one HTML file that needs no other.

use super::svg::{FONTS, escape};
use super::{Chart, Table};
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
    Text(String),
    Table(Table),
    Chart(Chart),
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
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{title}</title>\n<style>\n\
             body {{ font-family: {FONTS}; font-size: 15px; line-height: 1.5; max-width: 1180px; margin: 2em auto; padding: 0 1em; color: #333 }}\n\
             h1 {{ font-size: 1.6em }} h2 {{ font-size: 1.2em; margin-top: 2em }}\n\
             svg {{ width: 100%; max-width: 760px; height: auto; display: block; margin: 1em 0 }}\n\
             .wide {{ overflow-x: auto }}\n\
             table {{ border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; white-space: nowrap }}\n\
             caption {{ text-align: left; font-weight: 600; padding: 6px 0 }}\n\
             td, th {{ padding: 4px 9px; text-align: right; border-bottom: 1px solid #e8e8e8 }}\n\
             th {{ color: #666; font-weight: 600 }}\n\
             td:first-child, th:first-child, .words {{ text-align: left }}\n\
             code {{ background: #f3f3f3; padding: 1px 4px; border-radius: 3px; font-size: 0.92em }}\n\
             </style>\n<h1>{title}</h1>\n"
        );
        for part in &self.parts {
            match part {
                Part::Heading(text) => drop(writeln!(out, "<h2>{}</h2>", inline(text))),
                Part::Text(text) => {
                    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
                        let _ = writeln!(out, "<p>{}</p>", inline(paragraph).replace('\n', "<br>\n"));
                    }
                }
                Part::Table(table) => rows(table, &mut out),
                Part::Chart(chart) => out.push_str(&chart.svg()),
            }
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
