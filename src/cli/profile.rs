//! `levain run --profile --trace OUT.json`: time and memory of a run by operation.

use crate::kernel::profile::{self, Cost, Event, Line, Profile};
use crate::plot::Table;
use crate::text::{bytes, thousands};
use crate::{Error, Result, files, ranks};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Runs `work`, and then writes the requested reports: to standard error, to keep the script's output separate.
pub fn around(table: bool, trace: Option<&Path>, work: impl FnOnce() -> u8) -> u8 {
    if !table && trace.is_none() {
        return work();
    }
    // before the script runs for hours
    if let Some(path) = trace
        && let Err(error) = files::probe("trace", path)
    {
        return super::say::told(&error.into());
    }
    profile::begin(trace.is_some());
    let code = work();
    let profile = profile::end();
    if !ranks::is_first() {
        return code;
    }
    if table {
        eprintln!("\n{}", account(&profile));
    }
    match trace.map(|path| (path, write_trace(path, &profile))) {
        Some((_, Err(error))) => super::say::told(&error.into()),
        Some((path, Ok(()))) => {
            if profile.untraced > 0 {
                let (held, rest) = (thousands(profile.events.len()), thousands(profile.untraced));
                eprintln!("{}: the first {held} operations; {rest} more are not in it", path.display());
            }
            code
        }
        None => code,
    }
}

/// The report as text.
fn account(profile: &Profile) -> String {
    let total = profile.total;
    let own: Duration = profile.lines.iter().map(|line| line.cost.wall).sum();
    let threads = busy(&total).map_or(String::new(), |busy| format!(", {busy} threads busy"));
    let mut out = String::new();
    let _ = writeln!(
        out,
        "profile: {}{threads}, {} allocated, at most {} at once\n",
        seconds(total.wall),
        bytes(total.bytes),
        bytes(profile.most_live)
    );
    let mut rows: Vec<Vec<String>> = profile.lines.iter().map(|line| row(line, total.wall)).collect();
    let rest = Cost { wall: total.wall.saturating_sub(own), flops: 0, ..rest(&total, &profile.lines) };
    rows.push(cells("(elsewhere)", "", "", &rest, total.wall));
    let headings = ["operation", "pass", "calls", "time", "share", "GFLOP/s", "threads", "allocated"];
    let headings = headings.map(String::from).to_vec();
    out + Table { title: String::new(), headings, rows }.to_string().as_str()
}

/// The cost outside of operations: the script itself, data, text, files.
fn rest(total: &Cost, lines: &[Line]) -> Cost {
    let cpu: Duration = lines.iter().map(|line| line.cost.cpu).sum();
    let spent: u64 = lines.iter().map(|line| line.cost.bytes).sum();
    Cost { cpu: total.cpu.saturating_sub(cpu), bytes: total.bytes.saturating_sub(spent), ..*total }
}

fn row(line: &Line, whole: Duration) -> Vec<String> {
    cells(line.name, line.pass.name(), &thousands(line.calls), &line.cost, whole)
}

fn cells(name: &str, pass: &str, calls: &str, cost: &Cost, whole: Duration) -> Vec<String> {
    let share = cost.wall.as_secs_f64() / whole.as_secs_f64().max(1e-9);
    let rate = cost.flops as f64 / cost.wall.as_secs_f64().max(1e-9) / 1e9;
    vec![
        name.into(),
        pass.into(),
        calls.into(),
        seconds(cost.wall),
        format!("{:.1} %", 100.0 * share),
        if cost.flops > 0 { format!("{rate:.1}") } else { String::new() },
        busy(cost).unwrap_or_default(),
        bytes(cost.bytes),
    ]
}

/// Average number of busy threads; `None` if the time is too short.
fn busy(cost: &Cost) -> Option<String> {
    let (wall, cpu) = (cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
    (wall >= 1e-4 && cpu > 0.0).then(|| format!("{:.1}", cpu / wall))
}

fn seconds(time: Duration) -> String {
    let time = time.as_secs_f64();
    if time < 1e-3 {
        format!("{:.0} µs", time * 1e6)
    } else if time < 1.0 {
        format!("{:.1} ms", time * 1e3)
    } else {
        format!("{time:.2} s")
    }
}

/// Writes Chrome's tracing format, which Perfetto also opens.
fn write_trace(path: &Path, profile: &Profile) -> Result<()> {
    files::write("trace", path, |out| fill(out, profile).map_err(|error| Error::io("trace", path, &error)))
}

fn fill(mut file: &mut dyn Write, profile: &Profile) -> std::io::Result<()> {
    writeln!(file, "[")?;
    let mut threads: Vec<u32> = profile.events.iter().map(|event| event.thread).collect();
    threads.sort_unstable();
    threads.dedup();
    let mut first = true;
    for thread in threads {
        let mut own: Vec<&Event> = profile.events.iter().filter(|event| event.thread == thread).collect();
        // an outer event comes before its inner ones; of two with equal spans, the later one is the outer
        own.reverse();
        own.sort_by_key(|event| (event.start, std::cmp::Reverse(event.end)));
        let mut open: Vec<&Event> = Vec::new();
        for event in own {
            while open.last().is_some_and(|last| last.end <= event.start) {
                open.pop().map_or(Ok(()), |done| line(&mut file, &mut first, end(done)))?;
            }
            line(&mut file, &mut first, begin(event))?;
            open.push(event);
        }
        for done in open.into_iter().rev() {
            line(&mut file, &mut first, end(done))?;
        }
    }
    for event in &profile.events {
        line(&mut file, &mut first, memory(event))?;
    }
    writeln!(file, "\n]")
}

fn line(file: &mut impl std::io::Write, first: &mut bool, value: Value) -> std::io::Result<()> {
    if !std::mem::take(first) {
        writeln!(file, ",")?;
    }
    write!(file, "{value}")
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

fn begin(event: &Event) -> Value {
    json!({
        "ph": "B", "pid": 1, "tid": event.thread, "ts": micros(event.start), "name": event.name,
        "cat": event.pass.name(), "args": { "flops": event.flops, "allocated": event.bytes },
    })
}

fn end(event: &Event) -> Value {
    json!({ "ph": "E", "pid": 1, "tid": event.thread, "ts": micros(event.end), "name": event.name })
}

/// A counter of the bytes in use.
fn memory(event: &Event) -> Value {
    json!({ "ph": "C", "pid": 1, "ts": micros(event.end), "name": "memory", "args": { "bytes": event.live.max(0) } })
}
