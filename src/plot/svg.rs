//! Charts as SVG, and as an HTML page.

use super::axis::{Scale, short};
use super::chart::{Chart, Series, SeriesKind};
use crate::text;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
/// A palette that is also suitable for color-blind readers (Okabe and Ito 2008).
pub const COLORS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333"];
pub const FONTS: &str = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'PingFang SC', 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif";
/// Maximum number of points drawn per line.
const POINTS: usize = 1000;

/// The plot area on the page.
struct Frame {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Chart {
    /// Draws the chart as SVG.
    pub fn svg(&self) -> String {
        draw(self)
    }
}

fn draw(chart: &Chart) -> String {
    let height = if chart.bars.is_empty() { HEIGHT } else { bars_height(chart) };
    let mut out = String::new();
    let _ = writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="{FONTS}" font-size="13" fill="#444">
<title>{}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="20" y="32" font-size="17" font-weight="600" fill="#222">{}</text>"##,
        escape(&chart.title),
        escape(&chart.title),
    );
    if let Some((x, y)) = chart.scales() {
        if chart.bars.is_empty() {
            plane(chart, &x.widened(0.005), &y.widened(0.05), &mut out);
        } else {
            bars(chart, &y.with_zero(), height, &mut out);
        }
    }
    out.push_str("</svg>\n");
    out
}

/// A self-contained page with the chart and its numbers.
pub fn page(chart: &Chart) -> String {
    let mut rows = String::new();
    for series in &chart.series {
        for (at, (x, y)) in series.xs.iter().zip(&series.ys).enumerate() {
            let x = chart.bars.get(at).map_or_else(|| x.to_string(), |label| escape(label));
            let _ = writeln!(rows, "<tr><td>{}</td><td>{x}</td><td>{y}</td></tr>", escape(&series.name));
        }
    }
    let title = escape(&chart.title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>\n\
         body {{ font-family: {FONTS}; max-width: 800px; margin: 2em auto; color: #333 }}\n\
         svg {{ width: 100%; height: auto }}\n\
         table {{ border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }}\n\
         td, th {{ padding: 2px 12px; text-align: right; border-bottom: 1px solid #eee }}\n\
         td:first-child, th:first-child {{ text-align: left }}\n</style>\n{}\
         <details><summary>numbers</summary>\n<table><tr><th></th><th>{}</th><th>{}</th></tr>\n{rows}</table></details>\n</html>\n",
        draw(chart),
        escape(&chart.x.label),
        escape(&chart.y.label),
    )
}

fn plane(chart: &Chart, x: &Scale, y: &Scale, out: &mut String) {
    let marks = y.ticks(6);
    let widest = marks.iter().map(|(_, text)| text_width(text)).fold(0.0, f64::max);
    let names = chart.series.iter().map(|series| text_width(&series.name)).fold(0.0, f64::max).min(200.0);
    let top = if chart.y.label.is_empty() { 52.0 } else { 72.0 };
    let bottom = HEIGHT - if chart.x.label.is_empty() { 36.0 } else { 54.0 };
    let frame = Frame { left: 30.0 + widest, top, right: WIDTH - names - 28.0, bottom };
    let across = |value: f64| frame.left + x.place(value) * (frame.right - frame.left);
    let up = |value: f64| frame.bottom - y.place(value) * (frame.bottom - frame.top);

    if !chart.y.label.is_empty() {
        let _ = writeln!(out, r##"<text x="20" y="54" fill="#666">{}</text>"##, escape(&chart.y.label));
    }
    for (value, text) in marks {
        let at = up(value);
        let _ = writeln!(
            out,
            r##"<path d="M{:.1} {at:.1}H{:.1}" stroke="#e8e8e8"/><text x="{:.1}" y="{:.1}" text-anchor="end">{text}</text>"##,
            frame.left,
            frame.right,
            frame.left - 8.0,
            at + 4.5,
        );
    }
    for (value, text) in x.ticks(7) {
        let at = across(value);
        let _ = writeln!(
            out,
            r##"<path d="M{at:.1} {:.1}v5" stroke="#999"/><text x="{at:.1}" y="{:.1}" text-anchor="middle">{text}</text>"##,
            frame.bottom,
            frame.bottom + 20.0,
        );
    }
    let _ = writeln!(out, r##"<path d="M{:.1} {:.1}H{:.1}" stroke="#999"/>"##, frame.left, frame.bottom, frame.right);
    if !chart.x.label.is_empty() {
        let middle = (frame.left + frame.right) / 2.0;
        let _ = writeln!(
            out,
            r##"<text x="{middle:.1}" y="{:.1}" text-anchor="middle" fill="#666">{}</text>"##,
            HEIGHT - 14.0,
            escape(&chart.x.label)
        );
    }
    let mut ends = Vec::new();
    for (at, series) in chart.series.iter().enumerate() {
        let color = COLORS[at % COLORS.len()];
        let points: Vec<(f64, f64)> = thinned(series).into_iter().map(|(px, py)| (across(px), up(py))).collect();
        match series.kind {
            SeriesKind::Line => line(&points, color, out),
            _ => dots(&points, color, out),
        }
        if let Some(&(_, end)) = points.last() {
            ends.push((end, at));
        }
    }
    names_at_ends(chart, ends, &frame, out);
}

fn line(points: &[(f64, f64)], color: &str, out: &mut String) {
    let mut path = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" });
    }
    let _ = writeln!(
        out,
        r##"<path d="{path}" fill="none" stroke="{color}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/>"##
    );
}

fn dots(points: &[(f64, f64)], color: &str, out: &mut String) {
    for (x, y) in points {
        let _ = writeln!(out, r##"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{color}" fill-opacity="0.75"/>"##);
    }
}

/// Series names at the ends of their lines, moved apart where they overlap.
fn names_at_ends(chart: &Chart, mut ends: Vec<(f64, usize)>, frame: &Frame, out: &mut String) {
    const APART: f64 = 18.0;
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places: Vec<f64> = ends.iter().map(|(end, _)| *end).collect();
    for at in 1..places.len() {
        places[at] = places[at].max(places[at - 1] + APART);
    }
    let below = places.last().map_or(0.0, |last| (last - frame.bottom).max(0.0));
    for at in (0..places.len()).rev() {
        let limit = places.get(at + 1).map_or(frame.bottom, |next| next - APART);
        if below > 0.0 {
            places[at] = places[at].min(limit);
        }
    }
    for (place, (_, at)) in places.into_iter().zip(ends) {
        let name = text::cut(&chart.series[at].name, 28);
        let _ = writeln!(
            out,
            r##"<text x="{:.1}" y="{:.1}" font-weight="600" fill="{}">{}</text>"##,
            frame.right + 8.0,
            place + 4.5,
            COLORS[at % COLORS.len()],
            escape(&name),
        );
    }
}

/// At most [`POINTS`] points: the minimum and maximum of each stretch.
fn thinned(series: &Series) -> Vec<(f64, f64)> {
    let points: Vec<(f64, f64)> = series.points().collect();
    if series.kind != SeriesKind::Line || points.len() <= POINTS {
        return points;
    }
    let stretch = points.len().div_ceil(POINTS / 2);
    let mut kept = Vec::new();
    for part in points.chunks(stretch) {
        let by = |pick: fn(&f64, &f64) -> std::cmp::Ordering| {
            (0..part.len()).max_by(|&a, &b| pick(&part[a].1, &part[b].1)).unwrap_or(0)
        };
        let (high, low) = (by(|a, b| a.total_cmp(b)), by(|a, b| b.total_cmp(a)));
        kept.push(part[high.min(low)]);
        if high != low {
            kept.push(part[high.max(low)]);
        }
    }
    kept
}

const BAR: f64 = 18.0;

fn bars_height(chart: &Chart) -> f64 {
    let group = chart.series.len() as f64 * (BAR + 2.0) + 14.0;
    let legend = if chart.series.len() > 1 { 28.0 } else { 0.0 };
    84.0 + legend + group * chart.bars.len() as f64
}

fn bars(chart: &Chart, scale: &Scale, height: f64, out: &mut String) {
    let widest = chart.bars.iter().map(|label| text_width(label)).fold(0.0, f64::max).min(240.0);
    let frame = Frame { left: 36.0 + widest, top: 52.0, right: WIDTH - 80.0, bottom: height - 20.0 };
    let across = |value: f64| frame.left + scale.place(value) * (frame.right - frame.left);
    let mut y = frame.top;
    if chart.series.len() > 1 {
        let mut x = frame.left;
        for (at, series) in chart.series.iter().enumerate() {
            let _ = writeln!(
                out,
                r##"<rect x="{x:.1}" y="{:.1}" width="12" height="12" rx="2" fill="{}"/><text x="{:.1}" y="{:.1}">{}</text>"##,
                y,
                COLORS[at % COLORS.len()],
                x + 18.0,
                y + 11.0,
                escape(&series.name),
            );
            x += 42.0 + text_width(&series.name);
        }
        y += 28.0;
    }
    let top = y - 6.0;
    for (group, label) in chart.bars.iter().enumerate() {
        let middle = y + chart.series.len() as f64 * (BAR + 2.0) / 2.0;
        let _ = writeln!(
            out,
            r##"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"##,
            frame.left - 10.0,
            middle + 4.0,
            escape(&text::cut(label, 36)),
        );
        for (at, series) in chart.series.iter().enumerate() {
            let value = series.ys[group];
            if value.is_finite() {
                let (from, to) = (across(0.0).min(across(value)), across(0.0).max(across(value)));
                let span = series.spans.get(group).filter(|(low, high)| low.is_finite() && high.is_finite());
                let end = span.map_or(to, |(_, high)| to.max(across(*high)));
                let _ = writeln!(
                    out,
                    r##"<rect x="{from:.1}" y="{y:.1}" width="{:.1}" height="{BAR}" rx="2" fill="{}"/><text x="{:.1}" y="{:.1}">{}</text>"##,
                    (to - from).max(0.5),
                    COLORS[at % COLORS.len()],
                    end + 7.0,
                    y + 13.5,
                    short(value),
                );
                if let Some((low, high)) = span {
                    let (low, high, middle) = (across(*low), across(*high), y + BAR / 2.0);
                    let _ = writeln!(
                        out,
                        r##"<path d="M{low:.1} {middle:.1}H{high:.1}M{low:.1} {0:.1}v8M{high:.1} {0:.1}v8" fill="none" stroke="#222" stroke-width="1.5"/>"##,
                        middle - 4.0,
                    );
                }
            }
            y += BAR + 2.0;
        }
        y += 14.0;
    }
    let _ = writeln!(out, r##"<path d="M{0:.1} {1:.1}V{2:.1}" stroke="#999"/>"##, across(0.0), top, y - 8.0);
    if !chart.y.label.is_empty() {
        let _ = writeln!(
            out,
            r##"<text x="{:.1}" y="{:.1}" fill="#666">{}</text>"##,
            frame.left,
            y + 12.0,
            escape(&chart.y.label)
        );
    }
}

/// Approximate width of a text: a Chinese character is as wide as two letters.
fn text_width(text: &str) -> f64 {
    text::width(text) as f64 * 7.4
}

pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
