//! `levain new NAME`: an experiment to begin with, commented, that runs.

use super::run;
use crate::{Error, Result, files};
use std::path::Path;

const EXPERIMENT: &str = include_str!("new/experiment.rhai");
const DATA: &str = include_str!("new/data.jsonl");
const TESTS: &str = include_str!("new/tests.rhai");

pub fn main(name: &str) -> u8 {
    match write(Path::new(name)) {
        Ok(script) => {
            println!("{script} is there; run it with\n  levain run {script}");
            0
        }
        Err(error) => run::told(&error.into()),
    }
}

/// Writes the script, where a name ends in `.rhai`, or else a folder with script, data and tests. Nothing that is
/// there is touched.
fn write(path: &Path) -> Result<String> {
    if path.exists() {
        return Err(Error::new("new", format!("{} is there already", path.display())).help("choose another name"));
    }
    let title = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let script = |data: &str| EXPERIMENT.replace("{title}", &title).replace("{data}", data);
    if path.extension().is_some_and(|ending| ending == "rhai") {
        // the rows stand in the script itself
        let rows: Vec<String> = DATA.lines().map(|line| format!("    #{line}")).collect();
        let rows = format!("[\n{}\n]", rows.join(",\n"));
        files::write_all("new", path, script(&rows).as_bytes())?;
        return Ok(path.display().to_string());
    }
    let place = |name: &str| path.join(name);
    files::write_all("new", &place("data.jsonl"), DATA.as_bytes())?;
    let data = format!("{:?}", place("data.jsonl").display().to_string());
    files::write_all("new", &place("tests/data.rhai"), TESTS.replace("{data}", &data).as_bytes())?;
    files::write_all("new", &place("experiment.rhai"), script(&data).as_bytes())?;
    Ok(place("experiment.rhai").display().to_string())
}
