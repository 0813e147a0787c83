//! Output formats of findings for other programs.

use super::Found;
use crate::cli::github::cell;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write;

/// More rows would hide the rest of the summary.
const ROWS: usize = 100;

/// A list of findings with their positions.
pub fn json(found: &[Found]) -> Value {
    let one = |found: &Found| {
        let (fault, place) = (&found.finding.fault, found.finding.fault.place.as_ref());
        json!({
            "level": found.finding.level(), "message": fault.message, "help": fault.help,
            "file": place.map(|place| &place.source), "line": place.map(|place| place.line),
            "column": place.map(|place| place.column),
        })
    };
    found.iter().map(one).collect()
}

/// SARIF 2.1.0, the static analysis results interchange format of OASIS.
pub fn sarif(found: &[Found]) -> Value {
    let prints = prints(found);
    let result = |(found, print): (&Found, &String)| {
        let (file, line, column) = place(found);
        json!({
            "ruleId": found.finding.level(), "level": found.finding.level(), "message": { "text": told(found) },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": uri(&file) }, "region": { "startLine": line, "startColumn": column },
            } }],
            "partialFingerprints": { "levain/v1": print },
        })
    };
    let rule = |id: &str, text: &str| json!({ "id": id, "shortDescription": { "text": text } });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "levain check", "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": [
                    rule("error", "what keeps the script from running"),
                    rule("warning", "what runs, and is probably not what was meant"),
                ],
            } },
            "columnKind": "unicodeCodePoints",
            "results": found.iter().zip(&prints).map(result).collect::<Vec<_>>(),
        }],
    })
}

/// Issues of Code Climate's specification, as far as GitLab reads them.
pub fn codeclimate(found: &[Found]) -> Value {
    let prints = prints(found);
    let issue = |(found, print): (&Found, &String)| {
        let (file, line, _) = place(found);
        json!({
            "type": "issue", "check_name": format!("levain/{}", found.finding.level()), "description": told(found),
            "categories": ["Bug Risk"], "severity": if found.finding.is_warning { "minor" } else { "major" },
            "fingerprint": print, "location": { "path": file, "lines": { "begin": line } },
        })
    };
    found.iter().zip(&prints).map(issue).collect()
}

/// A table for the summary of a job.
pub fn markdown(files: usize, closing: &str, found: &[Found]) -> String {
    let mut text = format!("### Checks: {closing}\n\n{} looked at\n", crate::text::counted(files, "script"));
    if !found.is_empty() {
        text += "\n| | place | |\n|---|---|---|\n";
    }
    for one in found.iter().take(ROWS) {
        let (file, line, _) = place(one);
        let _ = writeln!(text, "| {} | {}:{line} | {} |", one.finding.level(), cell(&file), cell(&told(one)));
    }
    if found.len() > ROWS {
        let _ = writeln!(text, "\nand {} more", found.len() - ROWS);
    }
    text + "\n"
}

fn told(found: &Found) -> String {
    let fault = &found.finding.fault;
    fault.help.as_ref().map_or_else(|| fault.message.clone(), |help| format!("{} ({help})", fault.message))
}

/// File, line and column, which these formats require for every finding.
fn place(found: &Found) -> (String, usize, usize) {
    let place = found.finding.fault.place.as_ref();
    let file = place.map_or(&found.file, |place| &place.source).replace('\\', "/");
    let file = file.strip_prefix("./").unwrap_or(&file).to_string();
    place.map_or((file.clone(), 1, 1), |place| (file, place.line.max(1), place.column.max(1)))
}

/// A path as a URI.
fn uri(path: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let letter = |byte: u8| if safe(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(letter).collect()
}

/// Identifies a finding even after lines were added above it: its file, line of text, message, and index among identical ones.
fn prints(found: &[Found]) -> Vec<String> {
    let mut met: HashMap<String, usize> = HashMap::new();
    let print = |found: &Found| {
        let line = found.finding.fault.place.as_ref().and_then(|place| place.text.as_deref()).unwrap_or_default();
        let whole = format!("{}\n{}\n{}", place(found).0, line.trim(), found.finding.fault.message);
        let nth = met.entry(whole.clone()).or_insert(0);
        *nth += 1;
        format!("{:016x}", fnv(&format!("{whole}\n{nth}")))
    };
    found.iter().map(print).collect()
}

/// The 64-bit FNV hash (Fowler, Noll, Vo): the same in every version of this program.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
