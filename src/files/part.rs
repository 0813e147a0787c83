//! Incomplete files and folders, under a temporary name until they are complete.
//!
//! Each is locked by the process that fills it. Leftovers of a killed process are unlocked, and are removed by the next process
//! that writes into the same folder.

use super::calls;
use crate::sync::unpoisoned;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const PREFIX: &str = ".levain-";
const SUFFIX: &str = ".part";
/// Maximum number of names to try.
const TRIES: usize = 100;

/// A file or folder under a temporary name; dropping it removes it, unless it was renamed.
pub struct Part {
    path: PathBuf,
    file: Option<File>,
    renamed: bool,
}

impl Part {
    /// Creates a file in `folder`, with the permissions of an ordinary one.
    pub fn file(folder: &Path) -> Result<Part> {
        Part::make(folder, |path| calls::create_new(path, OpenOptions::new().read(true)).map(Some))
    }

    /// Creates a folder in `folder`.
    pub fn folder(folder: &Path) -> Result<Part> {
        Part::make(folder, |path| {
            calls::make_folder(path)?;
            // other systems can neither open nor lock a folder
            if cfg!(unix) { File::open(path).map(Some) } else { Ok(None) }
        })
    }

    fn make(folder: &Path, open: impl Fn(&Path) -> Result<Option<File>>) -> Result<Part> {
        for _ in 0..TRIES {
            let number = RandomState::new().build_hasher().finish();
            let path = folder.join(format!("{PREFIX}{number:016x}{SUFFIX}"));
            let file = match open(&path) {
                Ok(file) => file,
                // another process just removed it as a leftover
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists) => continue,
                Err(error) if error.kind() == ErrorKind::NotFound && folder.is_dir() => continue,
                Err(error) => return Err(error),
            };
            let held = file.as_ref().is_none_or(|file| match file.try_lock() {
                Ok(()) => is_at(file, &path),
                Err(TryLockError::WouldBlock) => false,
                // a file system without locks, where nothing is treated as a leftover
                Err(TryLockError::Error(_)) => true,
            });
            if held {
                return Ok(Part { path, file, renamed: false });
            }
        }
        Err(Error::new(ErrorKind::AlreadyExists, "no temporary name is free"))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub fn open(&self) -> Result<&File> {
        self.file.as_ref().ok_or_else(|| Error::from(ErrorKind::IsADirectory))
    }

    /// Renames it to its final name, replacing an existing file. Returns the open file, without the lock.
    pub fn rename(mut self, to: &Path) -> std::result::Result<Option<File>, (Part, Error)> {
        match calls::rename(&self.path, to) {
            Ok(()) => {
                self.renamed = true;
                let file = self.file.take();
                file.iter().for_each(|file| drop(file.unlock()));
                Ok(file)
            }
            Err(error) => Err((self, error)),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.renamed {
            // while it is locked
            let _ = if self.path.is_dir() { calls::remove_folder(&self.path) } else { calls::remove(&self.path) };
        }
    }
}

/// Whether an open file is still the one under its name.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (open.dev(), open.ino()) == (named.dev(), named.ino())
    }
    #[cfg(not(unix))]
    {
        open.is_file() == named.is_file()
    }
}

/// Removes leftovers of killed processes in a folder, once per process.
pub fn sweep(folder: &Path) {
    static SWEPT: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    if unpoisoned(SWEPT.lock()).get_or_insert_default().insert(whole) {
        clear_parts(folder);
    }
}

/// Removes leftovers of killed processes in a folder, for a caller that has just found that one was killed.
pub fn clear_parts(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        let Ok(kind) = entry.file_type() else { continue };
        // opening a pipe would block
        if !is_ours || !(kind.is_file() || kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_ok() && is_at(&file, &path) {
            let _ = if kind.is_dir() { calls::remove_folder(&path) } else { calls::remove(&path) };
        }
    }
}
