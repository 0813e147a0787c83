//! Output for GitHub Actions: annotations on standard output, and the summary of a job.

use crate::script::Fault;
use crate::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A workflow command: `::error file=a.rhai,line=3,col=5,title=TITLE::what`. A fault without a place is attributed to the file
/// `of`, if that is a file.
pub fn annotation(level: &str, title: &str, of: &str, fault: &Fault) -> String {
    let place = match &fault.place {
        Some(place) if place.source == of || Path::new(&place.source).is_file() => {
            format!("file={},line={},col={}", property(&from_root(&place.source)), place.line, place.column)
        }
        _ if Path::new(of).is_file() => format!("file={}", property(&from_root(of))),
        _ => String::new(),
    };
    let title = if title.is_empty() { String::new() } else { format!("title={}", property(title)) };
    let properties: Vec<&str> = [place.as_str(), title.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    let space = if properties.is_empty() { "" } else { " " };
    let help = fault.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("::{level}{space}{}::{}", properties.join(","), data(&format!("{}{help}", fault.message)))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A file relative to the repository: a step may run in a subfolder.
fn from_root(file: &str) -> String {
    let root = std::env::var_os("GITHUB_WORKSPACE").filter(|root| !root.is_empty());
    let inside = || {
        let (root, full) = (PathBuf::from(root?).canonicalize().ok()?, Path::new(file).canonicalize().ok()?);
        Some(full.strip_prefix(root).ok()?.display().to_string())
    };
    let path = inside().unwrap_or_else(|| file.to_string()).replace('\\', "/");
    path.strip_prefix("./").unwrap_or(&path).to_string()
}

/// The summary of a job's step, if there is one.
pub struct Summary(Option<(PathBuf, File)>);

impl Summary {
    /// Opens it before the work, so that an unwritable file is reported at once, not after hours.
    pub fn open(who: &str) -> Result<Summary> {
        let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
            return Ok(Summary(None));
        };
        let path = PathBuf::from(path);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        Ok(Summary(Some((path.clone(), file.map_err(|error| Error::io(who, &path, &error))?))))
    }

    /// Appends Markdown to it.
    pub fn add(self, who: &str, markdown: &str) -> Result<()> {
        let Some((path, mut file)) = self.0 else { return Ok(()) };
        file.write_all(markdown.as_bytes()).map_err(|error| Error::io(who, &path, &error))
    }
}

/// Escapes text for a cell of a Markdown table.
pub fn cell(text: &str) -> String {
    text.trim_end().replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
