//! The files below a folder.

use crate::Error;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The files found, sorted by name.
#[derive(Default)]
pub struct Found {
    pub files: Vec<PathBuf>,
    /// Unreadable folders.
    pub faults: Vec<Error>,
    /// Real paths of the visited folders: each is walked once, even if links form a cycle.
    seen: HashSet<PathBuf>,
}

/// The files below `folder` whose names end in one of `endings`. Skips hidden entries, and folders that a tool has marked as its
/// cache (`CACHEDIR.TAG`), such as cargo's `target`.
pub fn files(folder: &Path, endings: &[&str]) -> Found {
    let mut found = Found::default();
    found.walk(folder, endings);
    found.files.sort();
    found
}

impl Found {
    fn walk(&mut self, folder: &Path, endings: &[&str]) {
        if !folder.canonicalize().is_ok_and(|real| self.seen.insert(real)) {
            return;
        }
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.faults.push(Error::io("test", folder, &error)),
        };
        // below the current folder, names need no prefix
        let place = |name: std::ffi::OsString| if folder == Path::new(".") { name.into() } else { folder.join(name) };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| place(entry.file_name())).collect();
        // real entries before link targets
        paths.sort_by_key(|path| (path.is_symlink() && path.is_dir(), path.clone()));
        for path in paths {
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                continue;
            }
            if path.is_dir() {
                if !path.join("CACHEDIR.TAG").exists() {
                    self.walk(&path, endings);
                }
            } else if path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted)) {
                self.files.push(path);
            }
        }
    }
}
