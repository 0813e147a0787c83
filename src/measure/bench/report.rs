//! Benchmark reports for people and CI: text, json, markdown, JUnit XML.

use super::format::{padded, plural, width};
use super::judge::{Case, Decision, Judged, shown};
use crate::measure::machine::Machine;
use serde_json::{Value, json};
use std::fmt::Write;

/// One line of the report.
#[derive(Clone, Debug)]
pub struct Row {
    pub script: String,
    pub name: String,
    pub kind: &'static str,
    pub shown: String,
    pub judged: Judged,
    pub measured: Value,
}

impl Row {
    pub fn new(script: &str, case: &Case, judged: Judged) -> Row {
        let measured = serde_json::to_value(&case.kept).unwrap_or_default();
        let (script, name, shown) = (script.to_string(), case.name().to_string(), shown(case));
        Row { script, name, kind: case.kept.name(), shown, judged, measured }
    }

    /// A case of `other` that is missing in `here`.
    pub fn missing(script: &str, name: &str, other: &str, here: &str) -> Row {
        let reason = format!("in {other}, not in {here}");
        let judged = Judged { decision: Decision::Inconclusive, reason, change: None };
        Row {
            script: script.to_string(),
            name: name.to_string(),
            kind: "missing",
            shown: String::new(),
            judged,
            measured: Value::Null,
        }
    }
}

/// The results of one `levain bench`.
#[derive(Clone, Debug)]
pub struct Report {
    pub machine: Machine,
    /// What the results were compared with, in words.
    pub compared: Vec<String>,
    pub rows: Vec<Row>,
    /// Failed scripts: script, fault.
    pub faults: Vec<(String, String)>,
}

impl Report {
    pub fn count(&self, decision: Decision) -> usize {
        self.rows.iter().filter(|row| row.judged.decision == decision).count()
    }

    /// The scripts with cases.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self.rows.iter().map(|row| row.script.as_str()).collect();
        names.dedup();
        names.into_iter()
    }

    fn closing(&self) -> String {
        let mut text = format!(
            "{} passed, {} failed, {} inconclusive",
            self.count(Decision::Pass),
            self.count(Decision::Fail),
            self.count(Decision::Inconclusive)
        );
        if !self.faults.is_empty() {
            text += &format!(", {} script{} went wrong", self.faults.len(), plural(self.faults.len()));
        }
        text
    }

    /// The lines of one script.
    pub fn script_text(&self, script: &str) -> String {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.script == script).collect();
        let wide = |part: fn(&Row) -> &str| rows.iter().map(|row| width(part(row))).max().unwrap_or(0);
        let (names, values) = (wide(|row| &row.name), wide(|row| &row.shown).min(60));
        let mut text = format!("{script}\n");
        if rows.is_empty() && !self.faults.iter().any(|(of, _)| of == script) {
            text += "  no case\n";
        }
        for row in rows {
            let (name, value) = (padded(&row.name, names), padded(&one_line(&row.shown), values));
            let reason = one_line(&row.judged.reason);
            let _ = writeln!(text, "  {:<12}  {name}  {value}  {reason}", row.judged.decision.name());
        }
        for (_, fault) in self.faults.iter().filter(|(of, _)| of == script) {
            text += &fault.lines().map(|line| format!("  {line}\n")).collect::<String>();
        }
        text
    }

    pub fn heading(&self) -> String {
        let mut text = format!("levain {} · {}\n", env!("CARGO_PKG_VERSION"), self.machine);
        for line in &self.compared {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    pub fn text(&self) -> String {
        format!("{}\n", self.closing())
    }

    pub fn json(&self) -> String {
        let cases: Vec<Value> = self.rows.iter().map(row_json).collect();
        let faults: Vec<Value> =
            self.faults.iter().map(|(script, fault)| json!({ "script": script, "fault": fault })).collect();
        let report = json!({
            "levain": env!("CARGO_PKG_VERSION"), "machine": self.machine, "compared": self.compared,
            "passed": self.count(Decision::Pass), "failed": self.count(Decision::Fail),
            "inconclusive": self.count(Decision::Inconclusive), "cases": cases, "faults": faults,
        });
        format!("{report:#}\n")
    }

    pub fn markdown(&self) -> String {
        let mut text =
            format!("### Benchmarks: {}\n\nlevain {} · {}\n", self.closing(), env!("CARGO_PKG_VERSION"), self.machine);
        for line in &self.compared {
            let _ = write!(text, "\n{line}\n");
        }
        text += "\n| | script | case | measured | |\n|---|---|---|---|---|\n";
        for row in &self.rows {
            let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
            let cells = [row.judged.decision.name(), &row.script, &row.name, &row.shown, &row.judged.reason];
            let _ = writeln!(text, "| {} |", cells.map(cell).join(" | "));
        }
        for (script, fault) in &self.faults {
            let _ = write!(text, "\n**{script}**\n\n```\n{}\n```\n", fault.trim_end());
        }
        text
    }

    pub fn junit(&self) -> String {
        let total = self.rows.len() + self.faults.len();
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let _ = writeln!(
            text,
            "<testsuite name=\"levain bench\" tests=\"{total}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
            self.count(Decision::Fail),
            self.faults.len(),
            self.count(Decision::Inconclusive)
        );
        for row in &self.rows {
            let (class, name) = (escaped(&row.script), escaped(&row.name));
            let told = escaped(&format!("{}: {}", row.shown, row.judged.reason));
            let body = match row.judged.decision {
                Decision::Pass => format!("<system-out>{told}</system-out>"),
                Decision::Fail => format!("<failure message=\"{told}\" type=\"failure\"/>"),
                Decision::Inconclusive => format!("<skipped message=\"inconclusive: {told}\"/>"),
            };
            let _ = writeln!(text, "  <testcase classname=\"{class}\" name=\"{name}\">{body}</testcase>");
        }
        for (script, fault) in &self.faults {
            let (class, fault) = (escaped(script), escaped(fault.trim_end()));
            let _ = writeln!(
                text,
                "  <testcase classname=\"{class}\" name=\"script\"><error message=\"{fault}\" type=\"error\"/></testcase>"
            );
        }
        text + "</testsuite>\n"
    }
}

/// Text for one line of a table.
fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

fn row_json(row: &Row) -> Value {
    let mut json = json!({
        "script": row.script, "name": row.name, "kind": row.kind, "decision": row.judged.decision,
        "reason": row.judged.reason, "shown": row.shown, "measured": row.measured,
    });
    if let Some(change) = row.judged.change {
        json["change"] = json!(change);
    }
    json
}

/// Text escaped for XML.
pub fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push_str("&#10;"),
            // not representable in XML
            '\u{fffe}' | '\u{ffff}' => safe.push(' '),
            c if c.is_control() && c != '\t' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
