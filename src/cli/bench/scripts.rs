//! Selects the scripts to run.

use crate::script::suite::walk;
use crate::{Error, Result, bail};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// Default folder of a project's benchmarks.
const FOLDER: &str = "scripts/bench";

/// The scripts of a run, each once.
pub struct Scripts {
    pub files: Vec<PathBuf>,
    /// Folders whose benchmarks all run, so that a missing script there has vanished.
    pub folders: Vec<PathBuf>,
}

impl Scripts {
    pub fn find(paths: &[PathBuf]) -> Result<Scripts> {
        let given = if paths.is_empty() { vec![PathBuf::from(FOLDER)] } else { paths.to_vec() };
        let mut scripts = Scripts { files: Vec::new(), folders: Vec::new() };
        for path in given {
            if path.is_dir() {
                scripts.folder(path)?;
            } else if path.exists() {
                if !may_measure(&path) {
                    return Err(none(format!("{} is not a benchmark", path.display())));
                }
                scripts.files.push(path);
            } else {
                let error = Error::new("bench", format!("{} is not there", path.display()));
                return Err(if paths.is_empty() { error.help("name the scripts that are benchmarks") } else { error });
            }
        }
        let mut seen = HashSet::new();
        scripts.files.retain(|file| seen.insert(file.clone()));
        let mut names: BTreeMap<(PathBuf, String), &Path> = BTreeMap::new();
        for path in &scripts.files {
            if let Some(other) = names.insert((folder_of(path), stem(path)), path) {
                bail!("bench", "{} and {} would share a name in the baseline", other.display(), path.display());
            }
        }
        Ok(scripts)
    }

    fn folder(&mut self, path: PathBuf) -> Result<()> {
        let found = walk::files(&path, &["rhai"]);
        if let Some(fault) = found.faults.into_iter().next() {
            return Err(fault.attributed_to("bench"));
        }
        let before = self.files.len();
        self.files.extend(found.files.into_iter().filter(|script| names_bench(script)));
        if self.files.len() == before {
            return Err(none(format!("{} holds no benchmark", path.display())));
        }
        self.folders.push(path);
        Ok(())
    }
}

fn none(what: String) -> Error {
    Error::new("bench", what)
        .help("a benchmark is a .rhai script that calls `bench::exact`, `bench::speed` or `bench::scores`")
}

fn names_bench(script: &Path) -> bool {
    has_code(script, |code| code.contains("bench::"))
}

/// Whether a named script measures, or imports another that may: one that does neither has no case that could fail.
fn may_measure(script: &Path) -> bool {
    // one that can't be read is an error of the run
    std::fs::read_to_string(script).is_err()
        || has_code(script, |code| code.contains("bench::") || code.contains("import "))
}

fn has_code(script: &Path, is_wanted: impl Fn(&str) -> bool) -> bool {
    let text = std::fs::read_to_string(script).unwrap_or_default();
    text.lines().any(|line| line.split("//").next().is_some_and(&is_wanted))
}

pub fn stem(script: &Path) -> String {
    script.file_stem().unwrap_or_default().to_string_lossy().to_string()
}

/// The folder of a script's baselines.
pub fn folder_of(script: &Path) -> PathBuf {
    script.parent().unwrap_or(Path::new("")).join("baselines")
}
