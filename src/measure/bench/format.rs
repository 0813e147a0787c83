//! Figures of benchmarks as text.

use crate::measure::statistics::Estimate;

/// `s` for a plural.
pub fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

pub fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

pub fn padded(text: &str, wide: usize) -> String {
    format!("{text}{}", " ".repeat(wide.saturating_sub(width(text))))
}

/// Lines of cells with their columns aligned to the right.
pub fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let wide = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| wide(column).unwrap_or(0)).collect();
    let cell = |(text, wide): (&String, &usize)| format!("{}{text}", " ".repeat(wide.saturating_sub(width(text))));
    let line = |cells: &Vec<String>| cells.iter().zip(&widths).map(cell).collect::<Vec<_>>().join("  ");
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A ratio as a change: `+3.1 % (+1.0 … +5.2)`.
pub fn percent(ratio: &Estimate) -> String {
    let change = |ratio: f64| 100.0 * (ratio - 1.0);
    format!("{:+.1} % ({:+.1} … {:+.1})", change(ratio.value), change(ratio.low), change(ratio.high))
}

/// A number with three significant digits and no exponent.
fn three(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Seconds in a readable unit.
pub fn seconds_text(seconds: f64) -> String {
    let (scale, unit) = match seconds {
        s if s >= 1.0 => (1.0, "s"),
        s if s >= 1e-3 => (1e3, "ms"),
        s if s >= 1e-6 => (1e6, "µs"),
        _ => (1e9, "ns"),
    };
    format!("{} {unit}", three(seconds * scale))
}

/// A rate with k, M or G: `3.81 k tokens/s`.
pub fn rate_text(rate: f64, unit: &str) -> String {
    let (scale, letter) = match rate {
        r if r >= 1e9 => (1e9, "G "),
        r if r >= 1e6 => (1e6, "M "),
        r if r >= 1e3 => (1e3, "k "),
        _ => (1.0, ""),
    };
    format!("{} {letter}{unit}", three(rate / scale))
}
