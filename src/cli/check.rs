//! `levain check FILE…`

use super::FAULT;
use crate::script::checker::{self, Finding};
use crate::script::{Host, read_script, suite};
use serde_json::json;
use std::path::{Path, PathBuf};

/// More would scroll the first away.
const SHOWN: usize = 10;

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// A list of findings, for editors
    Json,
    /// Annotations of GitHub Actions
    Github,
}

pub fn main(files: &[PathBuf], format: Format) -> u8 {
    let within = |path: &PathBuf| if path.is_dir() { suite::scripts(path) } else { vec![path.clone()] };
    let findings: Vec<Finding> = files.iter().flat_map(within).flat_map(|file| find(&file)).collect();
    match format {
        Format::Text => findings.iter().for_each(|finding| eprint!("{finding}")),
        Format::Json => println!("{:#}", findings.iter().map(json).collect::<serde_json::Value>()),
        Format::Github => findings.iter().for_each(|finding| println!("{}", annotation(finding))),
    }
    let errors = findings.iter().filter(|finding| !finding.is_warning).count();
    if format == Format::Text && !findings.is_empty() {
        let s = |count| super::plural(count);
        let warnings = findings.len() - errors;
        eprintln!("{errors} error{}, {warnings} warning{}", s(errors), s(warnings));
    }
    if errors > 0 { FAULT } else { 0 }
}

fn find(file: &Path) -> Vec<Finding> {
    match read_script(file) {
        Ok(text) => {
            let name = file.display().to_string();
            checker::look(&mut Host::for_script(&name, &text), &name, &text)
        }
        Err(error) => vec![Finding { is_warning: false, fault: error.into() }],
    }
}

/// Shows what was found before a run: the faults, or, where there are none, the warnings in a line each. Gives the exit
/// code where the script can't run.
pub fn tell(findings: &[Finding]) -> Option<u8> {
    let faults: Vec<&Finding> = findings.iter().filter(|finding| !finding.is_warning).collect();
    if faults.is_empty() {
        for finding in findings {
            let place = finding.fault.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            eprintln!("warning: {place}{}", finding.fault.message);
        }
        return None;
    }
    for fault in faults.iter().take(SHOWN) {
        eprint!("{fault}");
    }
    if faults.len() > SHOWN {
        eprintln!("and {} more, see `levain check`", faults.len() - SHOWN);
    }
    Some(FAULT)
}

fn json(finding: &Finding) -> serde_json::Value {
    let (fault, place) = (&finding.fault, finding.fault.place.as_ref());
    json!({
        "level": finding.level(), "message": fault.message, "help": fault.help,
        "file": place.map(|place| &place.source), "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
    })
}

/// A workflow command: `::error file=a.rhai,line=3,col=5::what`.
fn annotation(finding: &Finding) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let place = finding
        .fault
        .place
        .as_ref()
        .map(|place| format!(" file={},line={},col={}", property(&place.source), place.line, place.column));
    let help = finding.fault.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    let what = escaped(&format!("{}{help}", finding.fault.message));
    format!("::{}{}::{what}", finding.level(), place.unwrap_or_default())
}
