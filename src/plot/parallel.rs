//! Parallel coordinates (Inselberg 1985): an axis for each quantity, and a line for each row across all axes.

use super::axis::Scale;
use super::svg::{COLORS, FONTS, escape};
use super::{png, style};
use crate::{Error, Result, bail, files, text};
use std::fmt::Write;
use std::path::Path;

/// The values of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    Number {
        log: bool,
    },
    /// One of these words, from bottom to top.
    Words(Vec<String>),
}

/// Rows over axes; the last axis is the quality of a row. A value.
#[derive(Clone, Debug, PartialEq)]
pub struct Parallel {
    pub title: String,
    pub axes: Vec<(String, Measure)>,
    /// For each row its value on each axis: a number, the index of a word, or none.
    pub rows: Vec<Vec<Option<f64>>>,
    pub lower_is_better: bool,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 436.0;
const TOP: f64 = 106.0;
const BOTTOM: f64 = HEIGHT - 30.0;
/// The colors of the worst row and the second best, as red, green and blue.
const FROM: [f64; 3] = [222.0, 228.0, 234.0];
const TO: [f64; 3] = [0.0, 84.0, 150.0];
/// Width of an axis name in columns.
const NAME: usize = 18;

impl Parallel {
    /// Rows with a number on the last axis, worst first.
    fn ranked(&self) -> Vec<&Vec<Option<f64>>> {
        let mut rows: Vec<(f64, &Vec<Option<f64>>)> = self
            .rows
            .iter()
            .filter_map(|row| Some(((*row.last()?)?, row)))
            .filter(|(score, _)| score.is_finite())
            .collect();
        let sign = if self.lower_is_better { -1.0 } else { 1.0 };
        rows.sort_by(|a, b| (sign * a.0).total_cmp(&(sign * b.0)));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Positions of the numbers on each axis, from 0 at the bottom to 1 at the top, and labels of some.
    fn scale(&self, at: usize) -> Option<(Scale, Vec<(f64, String)>)> {
        let numbers = self.rows.iter().filter_map(|row| row[at]);
        match &self.axes[at].1 {
            Measure::Number { log } => {
                let scale = Scale::over(numbers, *log)?;
                let ticks = scale.ticks(5);
                Some((scale, ticks))
            }
            Measure::Words(words) => {
                let last = words.len().saturating_sub(1) as f64;
                let scale = Scale::over([-0.3, last + 0.3].into_iter(), false)?;
                Some((scale, words.iter().enumerate().map(|(at, word)| (at as f64, text::cut(word, NAME))).collect()))
            }
        }
    }

    pub fn svg(&self) -> String {
        let mut out = String::new();
        let title = escape(&self.title);
        let _ = writeln!(
            out,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="{FONTS}" font-size="13" fill="#444">
<title>{title}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="20" y="32" font-size="17" font-weight="600" fill="#222">{title}</text>"##
        );
        let scales: Vec<_> = (0..self.axes.len()).map(|at| self.scale(at)).collect();
        let (left, right) = (70.0, WIDTH - 90.0);
        let across = |at: usize| match self.axes.len() {
            1 => (left + right) / 2.0,
            count => left + (right - left) * at as f64 / (count - 1) as f64,
        };
        let up = |scale: &Scale, value: f64| BOTTOM - scale.place(value) * (BOTTOM - TOP);
        let rows = self.ranked();
        for (rank, row) in rows.iter().enumerate() {
            let share = if rows.len() > 1 { rank as f64 / (rows.len() - 1) as f64 } else { 1.0 };
            let mut path = String::new();
            let mut is_down = false;
            for (at, value) in row.iter().enumerate() {
                let (Some(value), Some((scale, _))) = (value, &scales[at]) else {
                    is_down = false;
                    continue;
                };
                // lines through the same word are spread side by side
                let apart = if matches!(self.axes[at].1, Measure::Words(_)) { (share - 0.5) * 14.0 } else { 0.0 };
                let _ = write!(
                    path,
                    "{}{:.1} {:.1}",
                    if is_down { "L" } else { "M" },
                    across(at),
                    up(scale, *value) + apart
                );
                is_down = true;
            }
            let (color, width) =
                if rank + 1 == rows.len() { (COLORS[1].to_string(), 3.0) } else { (shade(share), 1.6) };
            let _ = writeln!(
                out,
                r##"<path d="{path}" fill="none" stroke="{color}" stroke-width="{width}" stroke-linejoin="round"/>"##
            );
        }
        for (at, (name, _)) in self.axes.iter().enumerate() {
            let x = across(at);
            let _ = writeln!(
                out,
                r##"<path d="M{x:.1} {TOP}V{BOTTOM}" stroke="#777"/><text x="{x:.1}" y="{:.1}" text-anchor="middle" font-weight="600" fill="#222">{}</text>"##,
                TOP - 14.0,
                escape(&text::cut(name, NAME))
            );
            for (value, label) in scales[at].iter().flat_map(|(_, ticks)| ticks) {
                let Some((scale, _)) = &scales[at] else { continue };
                let y = up(scale, *value);
                if !(TOP - 1.0..=BOTTOM + 1.0).contains(&y) {
                    continue;
                }
                let _ = writeln!(
                    out,
                    r##"<path d="M{x:.1} {y:.1}h5" stroke="#777"/><text x="{:.1}" y="{:.1}" stroke="#fff" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke" font-size="12">{}</text>"##,
                    x + 8.0,
                    y + 4.0,
                    escape(label)
                );
            }
        }
        let best = if self.lower_is_better { "lowest" } else { "highest" };
        let last = self.axes.last().map_or("", |(name, _)| name.as_str());
        let _ = writeln!(
            out,
            r##"<text x="20" y="54" fill="#666">darker is better by {}, orange is the {best}</text>"##,
            escape(last)
        );
        out.push_str("</svg>\n");
        out
    }

    /// Writes .svg, .png, or self-contained .html.
    pub fn save(&self, path: &Path) -> Result<()> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        let bytes = match ending.as_str() {
            "svg" => self.svg().into_bytes(),
            "png" => png::draw(&self.svg())?,
            "html" => {
                let (title, svg) = (escape(&self.title), self.svg());
                let sheet = style::sheet();
                format!("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>\n{sheet}</style>\n{svg}</html>\n").into_bytes()
            }
            _ => bail!("save", "{}: parallel coordinates are saved as .svg, .png or .html", path.display()),
        };
        files::write("save", path, |out| out.write_all(&bytes).map_err(|error| Error::io("save", path, &error)))
    }
}

/// From light to dark.
fn shade(share: f64) -> String {
    let part = |at: usize| (FROM[at] + (TO[at] - FROM[at]) * share).round() as u8;
    format!("#{:02x}{:02x}{:02x}", part(0), part(1), part(2))
}
