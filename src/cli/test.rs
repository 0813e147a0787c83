//! `levain test [PATH…] [--filter TEXT]`

use super::{FAULT, SHORT};
use crate::script::suite::Suite;
use std::path::{Path, PathBuf};

pub fn main(paths: &[PathBuf], filter: Option<&str>) -> u8 {
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        eprintln!("error: test: {} is not there", missing.display());
        return FAULT;
    }
    let mut suite = Suite::new(filter);
    if paths.is_empty() {
        everything(&mut suite, Path::new("."));
    }
    for path in paths {
        if path.is_dir() { suite.folder(path) } else { suite.file(path) }
    }
    for (name, fault) in suite.failures() {
        println!("FAILED {name}\n{}", indented(&fault.to_string()));
        if !fault.printed.is_empty() {
            println!("  it had printed:\n{}", indented(&fault.printed));
        }
    }
    let failed = suite.outcomes.len() - suite.passed();
    println!("{} passed, {failed} failed", suite.passed());
    if failed > 0 { SHORT } else { 0 }
}

/// All that a project promises: its tests, the examples of the docs, and those of its README and guides.
pub fn everything(suite: &mut Suite, root: &Path) {
    suite.folder(&root.join("tests"));
    suite.docs();
    let readme = root.join("README.md");
    if readme.exists() {
        suite.file(&readme);
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
