//! `levain new NAME`: writes a commented starter experiment that runs.

use super::say;
use crate::files::{self, Stage};
use crate::{Error, Result};
use std::path::Path;

const EXPERIMENT: &str = include_str!("new/experiment.rhai");
const DATA: &str = include_str!("new/data.jsonl");
const TESTS: &str = include_str!("new/tests.rhai");
const BENCH: &str = include_str!("new/bench.rhai");
const WORKFLOW: &str = include_str!("new/levain.yml");
/// The experiment's output is not part of the project.
const IGNORED: &str = "out/\n";

pub fn main(name: &str) -> u8 {
    match write(Path::new(name)) {
        Ok(told) => {
            println!("{told}");
            0
        }
        Err(error) => say::told(&error.into()),
    }
}

/// Writes a script if the name ends in `.rhai`, otherwise a project, into a folder that may exist: script, data, tests, a
/// benchmark, and the workflow that gates them. Paths are relative to the project, as a repository root. Existing files are never
/// touched.
fn write(path: &Path) -> Result<String> {
    let title = title(path);
    let script = |data: &str| EXPERIMENT.replace("{title}", &title).replace("{data}", data);
    if path.extension().is_some_and(|ending| ending == "rhai") {
        free(path)?;
        // the script contains the rows itself
        let rows: Vec<String> = DATA.lines().map(|line| format!("    #{line}")).collect();
        let rows = format!("[\n{}\n]", rows.join(",\n"));
        files::write_all("new", path, script(&rows).as_bytes())?;
        let place = path.display();
        return Ok(format!("{place} is there; run it with\n  levain run {}", quoted(path)));
    }
    let texts = [
        ("experiment.rhai", script("\"data.jsonl\"")),
        ("data.jsonl", DATA.to_string()),
        ("tests/data.rhai", TESTS.to_string()),
        ("scripts/bench/experiment.rhai", BENCH.to_string()),
        (".github/workflows/levain.yml", WORKFLOW.replace("{version}", env!("CARGO_PKG_VERSION"))),
    ];
    texts.iter().try_for_each(|(name, _)| free(&path.join(name)))?;
    if !path.exists() {
        let stage = Stage::begin_start("new", path)?;
        texts.iter().try_for_each(|(name, text)| stage.write_all(name, text.as_bytes()))?;
        stage.write_all(".gitignore", IGNORED.as_bytes())?;
        stage.commit()?;
    } else {
        let ignored = path.join(".gitignore");
        let ignored = (!ignored.exists()).then(|| (".gitignore", IGNORED.to_string()));
        beside(path, texts.iter().chain(&ignored))?;
    }
    let names = texts.map(|(name, _)| format!("  {name}\n")).concat();
    let enter = if path == Path::new(".") { String::new() } else { format!("cd {} && ", quoted(path)) };
    Ok(format!("{} is there:\n{names}run it with\n  {enter}levain run experiment.rhai", path.display()))
}

/// Writes files into an existing folder: all of them, or none.
fn beside<'t>(folder: &Path, texts: impl Iterator<Item = &'t (&'static str, String)>) -> Result<()> {
    let mut written = Vec::new();
    for (name, text) in texts {
        let path = folder.join(name);
        let made =
            path.ancestors().skip(1).take_while(|above| !above.exists()).map(Path::to_path_buf).collect::<Vec<_>>();
        let done = files::write_all("new", &path, text.as_bytes());
        written.push((path, made));
        if let Err(error) = done {
            for (path, made) in written.into_iter().rev() {
                let _ = std::fs::remove_file(path);
                made.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
            }
            return Err(error);
        }
    }
    Ok(())
}

fn free(path: &Path) -> Result<()> {
    match path.exists() {
        true => Err(Error::new("new", format!("{} is there already", path.display())).help("choose another name")),
        false => Ok(()),
    }
}

/// The name of the project; for `.`, the folder's name.
fn title(path: &Path) -> String {
    let real = if path.file_stem().is_some() { None } else { path.canonicalize().ok() };
    let named = real.as_deref().unwrap_or(path).file_stem().map(|name| name.to_string_lossy().into_owned());
    named.unwrap_or_else(|| "experiment".to_string())
}

/// A path quoted for a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/\\._-:".contains(c);
    if text.chars().all(plain) { text } else { format!("'{text}'") }
}
