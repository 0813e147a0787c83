//! Unreadable lines, kept in a separate file.

use crate::files::{self, Counted};
use crate::sync::unpoisoned;
use crate::{Result, progress, ranks, text};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A skipped line.
pub struct Reject {
    /// From 1.
    pub line: usize,
    pub why: String,
    /// As far as it is valid text.
    pub text: String,
}

/// The destination of such lines: a .jsonl file of `file`, `line`, `why` and `text`, rewritten by every pass.
#[derive(Clone)]
pub struct Aside(Arc<Mutex<Kept>>);

struct Kept {
    who: &'static str,
    path: PathBuf,
    file: Option<Counted<File>>,
    lines: usize,
}

impl Aside {
    pub fn new(who: &'static str, path: &Path) -> Result<Aside> {
        files::writable(who, path)?;
        if ranks::is_first() && files::is_file(path) {
            files::remove(who, path)?;
        }
        Ok(Aside(Arc::new(Mutex::new(Kept { who, path: path.into(), file: None, lines: 0 }))))
    }

    pub fn put(&self, from: &Path, rejects: Vec<Reject>) -> Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        let mut kept = unpoisoned(self.0.lock());
        let Kept { who, path, file, lines } = &mut *kept;
        let mut out = String::new();
        for reject in rejects {
            let from = from.display().to_string();
            let row = serde_json::json!({ "file": from, "line": reject.line, "why": reject.why, "text": reject.text });
            out += &row.to_string();
            out.push('\n');
            *lines += 1;
        }
        if !ranks::is_first() {
            return Ok(());
        }
        let file = match file {
            Some(file) => file,
            None => file.insert(files::begin(who, path, b"")?),
        };
        file.write_all(out.as_bytes()).map_err(|error| crate::Error::io(who, path, &error))
    }

    /// Reports their number at the end of a pass.
    pub fn tell(&self) {
        let kept = unpoisoned(self.0.lock());
        if kept.lines > 0 {
            let lines = text::counted(kept.lines, "broken line");
            let were = if kept.lines == 1 { "was" } else { "were" };
            progress::warn(kept.who, format!("{lines} {were} left out, and {were} kept in {}", kept.path.display()));
        }
    }
}
