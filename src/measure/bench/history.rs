//! The benchmark history: a line of JSON per run, and the trend of each case.

use super::format::{plural, seconds_text};
use super::judge::Kept;
use super::report::Row;
use crate::files::sums::{self, Check};
use crate::measure::machine::Machine;
use crate::measure::statistics::median;
use crate::{Error, Result, files};
use serde_json::{Value, json};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Number of runs in a trend.
const SHOWN: usize = 30;

/// The results of earlier runs.
pub struct History {
    pub runs: Vec<Value>,
    /// Unreadable lines, counted from 1.
    pub damaged: Vec<usize>,
}

/// Opens a history for appending, so that a file that can't be written is reported before the work.
pub fn open(path: &Path) -> Result<History> {
    let history = read(path)?;
    files::append("history", path)?;
    Ok(history)
}

/// Reads a history; a missing file is empty, a damaged line is reported and skipped.
pub fn read(path: &Path) -> Result<History> {
    let bytes = files::read_if_there("history", path)?.unwrap_or_default();
    let mut history = History { runs: Vec::new(), damaged: Vec::new() };
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    for (index, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        match serde_json::from_slice::<Value>(line) {
            Ok(run) if run["cases"].is_object() && sums::checked(line) != Check::Wrong => history.runs.push(run),
            _ => history.damaged.push(index + 1),
        }
    }
    if history.runs.is_empty() && !history.damaged.is_empty() {
        let error = Error::new("history", format!("{}: no line of it is a run of benchmarks", path.display()));
        return Err(error.help("give a file that `levain bench --history` wrote, or a new one"));
    }
    Ok(history)
}

/// One run as a history line. The number of a case is seconds, bytes, a mean or the exact value.
pub fn run(machine: &Machine, rows: &[Row]) -> Value {
    let mut cases = serde_json::Map::new();
    for row in rows {
        let case = json!({ "kind": row.kind, "decision": row.judged.decision, "value": value(row) });
        cases.insert(format!("{}: {}", row.script, row.name), case);
    }
    json!({
        "unix": std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        "commit": commit(), "levain": env!("CARGO_PKG_VERSION"), "machine": machine, "cases": cases,
    })
}

fn value(row: &Row) -> Value {
    match serde_json::from_value(row.measured.clone()) {
        Ok(Kept::Timed { rounds }) => {
            json!(median(&rounds.iter().map(|round| round.seconds.value).collect::<Vec<_>>()))
        }
        Ok(Kept::Memory { rounds }) => json!(median(&rounds)),
        Ok(Kept::Scores { items }) => json!(items.values().sum::<f64>() / items.len().max(1) as f64),
        Ok(Kept::Exact { value }) => value.parse::<f64>().map_or(json!(value), |number| json!(number)),
        Err(_) => Value::Null,
    }
}

/// The commit of the working tree, if any.
fn commit() -> Option<String> {
    let git = std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    git.status.success().then(|| String::from_utf8_lossy(&git.stdout).trim().to_string())
}

/// Appends a line. A line cut short by a kill remains separate.
pub fn append(path: &Path, run: &Value) -> Result<()> {
    let fault = |error: std::io::Error| Error::io("history", path, &error);
    let mut file = files::append("history", path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(-1)).is_ok() {
        file.read_exact(&mut last).map_err(fault)?;
    }
    let start = if last == [b'\n'] { "" } else { "\n" };
    let length = file.get_ref().metadata().map_err(fault)?.len();
    let written = file.write_all(format!("{start}{}\n", sums::with_checksum(&run.to_string())).as_bytes());
    let written = written.and_then(|()| file.get_ref().sync_all());
    if written.is_err() {
        files::cut("history", path, file.get_ref(), length).ok();
    }
    written.map_err(fault)
}

/// A line for each case of the last run: its recent values on this class of machine as bars, oldest first.
pub fn trend(runs: &[Value]) -> String {
    let Some(last) = runs.last() else { return String::new() };
    let same: Vec<&Value> = runs.iter().filter(|run| run["machine"] == last["machine"]).collect();
    let same = &same[same.len().saturating_sub(SHOWN)..];
    let mut text = format!("history of {} run{} on this class of machine\n", same.len(), plural(same.len()));
    for (name, case) in last["cases"].as_object().into_iter().flatten() {
        let values: Vec<f64> = same.iter().filter_map(|run| run["cases"][name]["value"].as_f64()).collect();
        if let (Some(first), Some(end)) = (values.first(), values.last()) {
            let kind = case["kind"].as_str().unwrap_or_default();
            text += &format!("  {}  {name}  {} → {}\n", bars(&values), number(kind, *first), number(kind, *end));
        }
    }
    text
}

fn number(kind: &str, value: f64) -> String {
    match kind {
        "timed" => seconds_text(value),
        "memory" => format!("{:.1} MiB", value / (1 << 20) as f64),
        _ => format!("{value}"),
    }
}

/// Values as bars in eighths, scaled from the minimum to the maximum.
fn bars(values: &[f64]) -> String {
    const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // an insignificant change should not look like a mountain
    let range = (most - least).max(0.02 * most.abs()).max(f64::MIN_POSITIVE);
    values.iter().map(|value| EIGHTHS[(((value - least) / range) * 7.0).round().clamp(0.0, 7.0) as usize]).collect()
}
