//! Display of values, faults and times on the screen.

use crate::script::{Fault, Notebook};
use crate::text;
use console::{Term, style};
use rhai::Dynamic;
use std::time::Duration;

/// Minimum duration for which the time is shown.
const SLOW: Duration = Duration::from_secs(1);

/// Rows and columns of the screen.
pub fn screen() -> (usize, usize) {
    let (rows, columns) = Term::stdout().size_checked().unwrap_or((40, 100));
    // some terminals report 0
    (if rows == 0 { 40 } else { rows as usize }, if columns == 0 { 100 } else { columns as usize })
}

/// The greeting, on one row.
pub fn greeting() -> String {
    let (_, columns) = screen();
    let version = env!("CARGO_PKG_VERSION");
    let greetings = [
        format!("levain {version} · ? lists what there is, :help the commands, Ctrl-D ends"),
        format!("levain {version} · ? and :help list, Ctrl-D ends"),
        format!("levain {version} · :help"),
    ];
    let [.., last] = &greetings;
    greetings.iter().find(|greeting| text::width(greeting) < columns).unwrap_or(last).clone()
}

/// A value, cut to the screen.
pub fn value(notebook: &Notebook, value: &Dynamic) {
    let (rows, columns) = screen();
    let page = notebook.page(value, columns);
    println!("{}", cut(&page.text, rows.saturating_sub(2).max(4), columns));
}

/// At most this number of screen rows, with a note on the omitted ones.
fn cut(shown: &str, rows: usize, columns: usize) -> String {
    let mut out = String::new();
    let mut left = rows;
    for (index, line) in shown.lines().enumerate() {
        // a long line takes several rows
        let takes = text::width(line).div_ceil(columns).max(1);
        if takes > left {
            if left > 0 && takes > 1 {
                out += &text::cut(line, left * columns);
                out.push('\n');
            }
            let missing = shown.lines().count() - index - usize::from(left > 0 && takes > 1);
            let more = if missing > 0 { format!("{} more, ", text::counted(missing, "line")) } else { String::new() };
            out += &text::cut(&format!("… {more}`print(it)` shows all"), columns);
            return out;
        }
        left -= takes;
        out += line;
        out.push('\n');
    }
    out.trim_end_matches('\n').to_string()
}

/// A whole page of help: the terminal scrolls.
pub fn page(text: &str) {
    println!("{}", text.trim_end());
}

/// An error as shown elsewhere, in colors.
pub fn fault(fault: &Fault) {
    for line in fault.to_string().lines() {
        let painted = match line.split_once(':') {
            Some(("error", rest)) => format!("{}{rest}", style("error:").red().bold()),
            Some(("help", rest)) => format!("{}{rest}", style("help:").cyan().bold()),
            _ if line.trim_start().starts_with("| ") && line.trim_end().ends_with('^') => {
                format!("{}", style(line).red())
            }
            _ => line.to_string(),
        };
        eprintln!("{painted}");
    }
}

/// The time of a slow input.
pub fn slow(time: Duration) {
    if time > SLOW {
        took(time);
    }
}

pub fn took(time: Duration) {
    println!("{}", style(span(time)).dim());
}

/// `12.3 µs`, `45.6 ms`, `1.23 s`, `2:05`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 60.0 => format!("{s:.2} s"),
        _ => format!("{}:{:02} min", time.as_secs() / 60, time.as_secs() % 60),
    }
}
