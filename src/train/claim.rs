//! Claims: a file beside the result of a run names the process that works on it, so that several processes share a folder
//! of runs and none is done twice.
//!
//! The file is created exclusively and locked for as long as its process lives. On the same machine a claim without a lock is
//! stale and is taken over; whether a process of another machine has ended can't be known, so its claim holds until it is removed.

use crate::{Error, Result, bail, files};
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

const WHO: &str = "runs::once";
/// Claims that vanish while they are looked at are looked for again this many times.
const TRIES: usize = 100;

/// A claim of this process: dropping it removes the file.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    file: Option<File>,
    stale: Option<u32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Owner {
    host: String,
    process: u32,
}

impl Claim {
    /// Claims `path`. An error where another process has it.
    pub fn take(path: impl AsRef<Path>) -> Result<Claim> {
        let path = path.as_ref();
        for _ in 0..TRIES {
            if let Some(file) = files::create_new(WHO, path)? {
                // without a lock somebody looks at it just now, and takes it for stale
                return if locked(&file) { Claim::written(path, file, None) } else { Err(busy(path, None)) };
            }
            let Some(bytes) = files::read_if_there(WHO, path)? else { continue };
            let owner: Option<Owner> = serde_json::from_slice(&bytes).ok();
            if owner.as_ref().is_some_and(|owner| owner.host != files::host()) {
                return Err(busy(path, owner));
            }
            let file = files::append(WHO, path)?.into_inner();
            if !locked(&file) {
                return Err(busy(path, owner));
            }
            // a lock on a file that was removed meanwhile, and perhaps made anew, is worth nothing
            if files::read_if_there(WHO, path)?.is_some_and(|now| now == bytes) {
                return Claim::written(path, file, owner.map(|owner| owner.process));
            }
        }
        bail!(WHO, "{} is claimed and released all the time", path.display())
    }

    /// The process whose stale claim was taken over.
    pub fn stale(&self) -> Option<u32> {
        self.stale
    }

    fn written(path: &Path, mut file: File, stale: Option<u32>) -> Result<Claim> {
        let owner = Owner { host: files::host(), process: std::process::id() };
        let text = serde_json::to_string(&owner).unwrap_or_default();
        let fault = |error: std::io::Error| Error::io(WHO, path, &error);
        file.set_len(0).map_err(fault)?;
        file.write_all(text.as_bytes()).map_err(fault)?;
        Ok(Claim { path: path.to_path_buf(), file: Some(file), stale })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // while it is locked, so that nobody takes it for stale
        files::remove(WHO, &self.path).ok();
        self.file = None;
    }
}

/// Locks a file for this process. Where a file system has no locks, creating it has to do.
fn locked(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn busy(path: &Path, owner: Option<Owner>) -> Error {
    let by = match owner {
        Some(owner) => format!("process {} on {}", owner.process, owner.host),
        None => "another process".into(),
    };
    let error = Error::new(WHO, format!("{} is claimed by {by}", path.display()));
    error.help("the run is done when that process ends; remove the file only if it has ended")
}
