//! `levain check FILE…`

mod formats;

use super::FAULT;
use super::github::{self, Summary};
use crate::script::checker::{self, Finding};
use crate::script::suite::walk;
use crate::script::{Host, read_script};
use crate::text::counted;
use crate::{Error, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// More would scroll the first off the screen.
const SHOWN: usize = 10;

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Plain text
    Text,
    /// JSON list of findings, for editors
    Json,
    /// Annotations of GitHub Actions, and a table in the job's summary
    Github,
    /// SARIF 2.1.0: GitHub's code scanning, Jenkins, editors
    Sarif,
    /// GitLab's code quality
    Codeclimate,
}

/// A finding with its file.
pub struct Found {
    pub file: String,
    pub finding: Finding,
}

pub fn main(paths: &[PathBuf], format: Format) -> u8 {
    match look(paths, format) {
        Ok(code) => code,
        Err(error) => super::say::told(&error.into()),
    }
}

fn look(paths: &[PathBuf], format: Format) -> Result<u8> {
    let summary = Summary::open("check")?;
    let (files, mut found) = files(paths)?;
    found.extend(files.iter().flat_map(|file| find(file)));
    // a file imported by several scripts is checked with each
    let mut told = HashSet::new();
    found.retain(|found| told.insert(found.finding.to_string()));
    match format {
        Format::Text => found.iter().for_each(|found| eprint!("{}", found.finding)),
        Format::Json => println!("{:#}", formats::json(&found)),
        Format::Github => found.iter().for_each(|found| println!("{}", found.annotation())),
        Format::Sarif => println!("{:#}", formats::sarif(&found)),
        Format::Codeclimate => println!("{:#}", formats::codeclimate(&found)),
    }
    let closing = closing(&found);
    if format == Format::Text && !found.is_empty() {
        eprintln!("{closing}");
    }
    summary.add("check", &formats::markdown(files.len(), &closing, &found))?;
    Ok(if found.iter().any(|found| !found.finding.is_warning) { FAULT } else { 0 })
}

/// The scripts of files and folders, each once, and the unreadable ones. An error if there are no scripts.
fn files(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<Found>)> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let below = walk::files(path, &["rhai"]);
        if below.files.is_empty() {
            crate::progress::warn("check", format_args!("{} holds no script", path.display()));
        }
        let file = path.display().to_string();
        let fault =
            |error: Error| Found { file: file.clone(), finding: Finding { is_warning: false, fault: error.into() } };
        faults.extend(below.faults.into_iter().map(|error| fault(error.attributed_to("check"))));
        files.extend(below.files);
    }
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    match files.is_empty() && faults.is_empty() {
        true => Err(Error::new("check", "there is no script").help("give files, or folders with .rhai files in them")),
        false => Ok((files, faults)),
    }
}

/// `2 errors, 1 warning`
fn closing(found: &[Found]) -> String {
    let errors = found.iter().filter(|found| !found.finding.is_warning).count();
    format!("{}, {}", counted(errors, "error"), counted(found.len() - errors, "warning"))
}

fn find(file: &Path) -> Vec<Found> {
    let name = file.display().to_string();
    let findings = match read_script(file) {
        Ok(text) => checker::look(&mut Host::for_script(&name, &text), &name, &text),
        Err(error) => vec![Finding { is_warning: false, fault: error.into() }],
    };
    findings.into_iter().map(|finding| Found { file: name.clone(), finding }).collect()
}

impl Found {
    fn annotation(&self) -> String {
        github::annotation(self.finding.level(), "", &self.file, &self.finding.fault)
    }
}

/// Shows the findings before a run: the faults, or, if there are none, the warnings in a line each. Returns the exit code if the
/// script can't run.
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
