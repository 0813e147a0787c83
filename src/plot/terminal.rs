//! Charts in a terminal, drawn with box-drawing characters. Series differ by line style, so color is not needed.

use super::axis::{Scale, short};
use super::chart::{Chart, Series, SeriesKind};
use crate::text::{counted, cut, left, right, width};

/// Characters of a line: horizontal, vertical, and the corners right-down, left-down, right-up, left-up.
const LINES: [[char; 6]; 4] = [
    ['─', '│', '╭', '╮', '╰', '╯'],
    ['━', '┃', '┏', '┓', '┗', '┛'],
    ['═', '║', '╔', '╗', '╚', '╝'],
    ['┄', '┆', '╭', '╮', '╰', '╯'],
];
const POINTS: [char; 4] = ['•', '×', '+', 'o'];
const BARS: [char; 4] = ['█', '▒', '░', '▚'];

impl Chart {
    /// Draws the chart as text of at most the given number of columns.
    pub fn text(&self, columns: usize, rows: usize) -> String {
        draw(self, columns, rows)
    }
}

fn draw(chart: &Chart, columns: usize, rows: usize) -> String {
    let mut lines = Vec::new();
    if !chart.title.is_empty() {
        lines.push(format!("  {}", cut(&chart.title, columns.saturating_sub(2))));
    }
    let Some((x, y)) = chart.scales() else {
        lines.push(format!("  {}", counted(0, "value")));
        return lines.join("\n");
    };
    if !chart.y.label.is_empty() {
        lines.push(format!("  {}", cut(&chart.y.label, columns.saturating_sub(2))));
    }
    if chart.bars.is_empty() {
        plane(chart, &x, &y, columns, rows.max(3), &mut lines);
    } else {
        bars(chart, &y.with_zero(), columns, &mut lines);
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

fn plane(chart: &Chart, x: &Scale, y: &Scale, columns: usize, rows: usize, lines: &mut Vec<String>) {
    let row_of = |value: f64| ((1.0 - y.place(value)).clamp(0.0, 1.0) * (rows - 1) as f64).round() as usize;
    let mut marks = vec![String::new(); rows];
    for (value, text) in y.ticks((rows / 3).max(2)) {
        marks[row_of(value)] = text;
    }
    let margin = marks.iter().map(|mark| width(mark)).max().unwrap_or(0);
    let names: Vec<String> = chart.series.iter().map(|series| cut(&series.name, 24)).collect();
    let beside = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let across = columns.saturating_sub(margin + beside + 7).clamp(10, 100);

    let mut grid = vec![vec![' '; across]; rows];
    let mut ends = Vec::new();
    // the first series is drawn last, on top
    for (at, series) in chart.series.iter().enumerate().rev() {
        let end = match series.kind {
            SeriesKind::Line => line(series, LINES[at % LINES.len()], x, &row_of, &mut grid),
            _ => points(series, POINTS[at % POINTS.len()], x, &row_of, &mut grid),
        };
        ends.push((end, at));
    }
    let beside = labels(&chart.series, &names, ends, rows);
    for (row, cells) in grid.iter().enumerate() {
        let axis = if marks[row].is_empty() { '│' } else { '┤' };
        let cells: String = cells.iter().collect();
        lines.push(format!("  {} {axis}{cells} {}", right(&marks[row], margin), beside[row]));
    }
    lines.push(format!("  {} └{}", " ".repeat(margin), "─".repeat(across)));
    lines.push(format!("  {}  {}", " ".repeat(margin), below(chart, x, across)));
}

/// Draws a line over the columns and returns the row where it ends.
fn line(series: &Series, signs: [char; 6], x: &Scale, row_of: &impl Fn(f64) -> usize, grid: &mut [Vec<char>]) -> usize {
    let across = grid[0].len();
    let heights: Vec<Option<usize>> =
        columns_of(series, x, across).into_iter().map(|value| value.map(row_of)).collect();
    let [along, up, right_down, left_down, right_up, left_up] = signs;
    let mut last: Option<usize> = None;
    for column in 0..across {
        let Some(row) = heights[column] else { continue };
        match last {
            Some(before) if before < row => {
                // down: ╮ over │ over ╰
                grid[before][column] = left_down;
                (before + 1..row).for_each(|between| grid[between][column] = up);
                grid[row][column] = right_up;
            }
            Some(before) if before > row => {
                grid[before][column] = left_up;
                (row + 1..before).for_each(|between| grid[between][column] = up);
                grid[row][column] = right_down;
            }
            _ => grid[row][column] = along,
        }
        last = Some(row);
    }
    last.unwrap_or(0)
}

/// The height of a line at each column: the mean of its points there, or an interpolation of its neighbors.
fn columns_of(series: &Series, x: &Scale, across: usize) -> Vec<Option<f64>> {
    let mut points: Vec<(f64, f64)> = series.points().map(|(at, y)| (x.place(at) * (across - 1) as f64, y)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sums = vec![(0.0, 0usize); across];
    for &(place, y) in &points {
        let sum = &mut sums[(place.round() as usize).min(across - 1)];
        *sum = (sum.0 + y, sum.1 + 1);
    }
    let mut heights: Vec<Option<f64>> =
        sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / count as f64)).collect();
    let known: Vec<usize> = (0..across).filter(|&column| heights[column].is_some()).collect();
    for pair in known.windows(2) {
        if let (Some(from), Some(to)) = (heights[pair[0]], heights[pair[1]]) {
            let step = (to - from) / (pair[1] - pair[0]) as f64;
            for (between, height) in heights[pair[0] + 1..pair[1]].iter_mut().enumerate() {
                *height = Some(from + step * (between + 1) as f64);
            }
        }
    }
    heights
}

fn points(series: &Series, sign: char, x: &Scale, row_of: &impl Fn(f64) -> usize, grid: &mut [Vec<char>]) -> usize {
    let across = grid[0].len();
    let mut last = 0;
    for (at, y) in series.points() {
        last = row_of(y);
        grid[last][(x.place(at) * (across - 1) as f64).round() as usize] = sign;
    }
    last
}

/// Series names at the ends of their lines, moved apart where they overlap.
fn labels(series: &[Series], names: &[String], mut ends: Vec<(usize, usize)>, rows: usize) -> Vec<String> {
    let mut lines = vec![String::new(); rows];
    ends.sort();
    for (end, at) in ends {
        let sign = match series[at].kind {
            SeriesKind::Line => LINES[at % LINES.len()][0],
            _ => POINTS[at % POINTS.len()],
        };
        let free = (0..rows).filter(|&row| lines[row].is_empty()).min_by_key(|&row| (row.abs_diff(end), row < end));
        if let Some(row) = free {
            lines[row] = format!("{sign} {}", names[at]);
        }
    }
    lines
}

/// The ticks of the x axis, and its label.
fn below(chart: &Chart, x: &Scale, across: usize) -> String {
    let mut text = String::new();
    for (value, mark) in x.ticks((across / 14).max(2)) {
        let place = (x.place(value) * (across - 1) as f64).round() as usize;
        let start = place.saturating_sub(width(&mark) / 2);
        if start >= width(&text) + 2 || text.is_empty() {
            text = format!("{}{mark}", left(&text, start));
        }
    }
    if chart.x.label.is_empty() { text } else { format!("{text}   {}", chart.x.label) }
}

fn bars(chart: &Chart, scale: &Scale, columns: usize, lines: &mut Vec<String>) {
    let labels: Vec<String> = chart.bars.iter().map(|label| cut(label, 32)).collect();
    let margin = labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let across = columns.saturating_sub(margin + 16).clamp(10, 60);
    let several = chart.series.len() > 1;
    for (group, label) in labels.iter().enumerate() {
        for (at, series) in chart.series.iter().enumerate() {
            let value = series.ys[group];
            let label = if at == 0 { label.as_str() } else { "" };
            if !value.is_finite() {
                lines.push(format!("  {} ", left(label, margin)));
                continue;
            }
            let (from, to) = (scale.place(0.0), scale.place(value));
            let cell = |place: f64| (place.clamp(0.0, 1.0) * across as f64).round() as usize;
            let (from, to) = (cell(from.min(to)), cell(from.max(to)));
            let sign = BARS[at % BARS.len()];
            let bar = format!("{}{}", " ".repeat(from), sign.to_string().repeat(to - from));
            lines.push(format!("  {} {bar} {}", left(label, margin), short(value)));
        }
    }
    if several {
        let names =
            chart.series.iter().enumerate().map(|(at, series)| format!("{} {}", BARS[at % BARS.len()], series.name));
        lines.push(format!("  {}", names.collect::<Vec<_>>().join("   ")));
    }
}
