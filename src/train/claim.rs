//! Claims: a file names the process that works on a run, or in the folder of one, so that several processes share a folder
//! and none does what another is doing.
//!
//! The file is created exclusively and locked for as long as its process lives. Under the same kernel (on the same machine, from
//! its start on, in whichever container) a claim without a lock is stale and is taken over; so is one of this machine from before
//! its last start. Whether a process of another machine has ended can't be known, so its claim holds until it is removed.

use crate::{Error, Result, bail, files};
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

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
    /// Which start of which kernel it runs under, where the system says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    /// Seconds since 1970.
    #[serde(default)]
    since: u64,
}

impl Owner {
    fn me() -> Owner {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Owner { host: files::host(), process: std::process::id(), boot: files::boot(), since }
    }

    /// Whether its locks are seen here, or it can't run any more.
    fn is_near(&self) -> bool {
        self.host == files::host() || self.boot.is_some() && self.boot == files::boot()
    }

    /// Whether it runs, as far as can be known without locks.
    fn may_run(&self) -> bool {
        self.boot == files::boot() && files::may_run(self.process)
    }
}

/// What trying for a lock says.
enum Lock {
    Taken,
    Held,
    /// The file system has none.
    Unknown,
}

impl Claim {
    /// Claims `path` for `who`, the verb that works on it. An error where another process has it.
    pub fn take(who: &str, path: impl AsRef<Path>) -> Result<Claim> {
        let path = path.as_ref();
        for _ in 0..TRIES {
            if let Some(file) = files::create_new(who, path)? {
                // locked by another, who looks at it just now and takes it for stale
                return match lock(&file) {
                    Lock::Held => Err(busy(who, path, None)),
                    Lock::Taken | Lock::Unknown => Claim::written(who, path, file, None),
                };
            }
            let Some(bytes) = files::read_if_there(who, path)? else { continue };
            let owner: Option<Owner> = serde_json::from_slice(&bytes).ok();
            if owner.as_ref().is_some_and(|owner| !owner.is_near()) {
                return Err(busy(who, path, owner));
            }
            let file = files::append(who, path)?.into_inner();
            match lock(&file) {
                Lock::Taken => {}
                Lock::Unknown if owner.as_ref().is_some_and(|owner| !owner.may_run()) => {}
                Lock::Held | Lock::Unknown => return Err(busy(who, path, owner)),
            }
            // a lock on a file that was removed meanwhile, and perhaps made anew, is worth nothing
            if files::read_if_there(who, path)?.is_some_and(|now| now == bytes) {
                return Claim::written(who, path, file, owner.map(|owner| owner.process));
            }
        }
        bail!(who, "{} is claimed and released all the time", path.display())
    }

    /// Removes a claim that a process left behind which ended after its work was done; one that is held stays.
    pub fn sweep(who: &str, path: impl AsRef<Path>) {
        if files::is_file(path.as_ref()) {
            drop(Claim::take(who, path));
        }
    }

    /// The process whose stale claim was taken over.
    pub fn stale(&self) -> Option<u32> {
        self.stale
    }

    fn written(who: &str, path: &Path, mut file: File, stale: Option<u32>) -> Result<Claim> {
        let text = serde_json::to_string(&Owner::me()).unwrap_or_default();
        let fault = |error: std::io::Error| Error::io(who, path, &error);
        files::cut(who, path, &file, 0)?;
        file.write_all(text.as_bytes()).map_err(fault)?;
        if let (Some(_), Some(folder)) = (stale, path.parent()) {
            files::clear_parts(folder);
        }
        Ok(Claim { path: path.to_path_buf(), file: Some(file), stale })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // while it is locked, so that nobody takes it for stale
        files::remove("claim", &self.path).ok();
        self.file = None;
    }
}

/// Locks a file for this process.
fn lock(file: &File) -> Lock {
    match file.try_lock() {
        Ok(()) => Lock::Taken,
        Err(TryLockError::WouldBlock) => Lock::Held,
        Err(TryLockError::Error(_)) => Lock::Unknown,
    }
}

fn busy(who: &str, path: &Path, owner: Option<Owner>) -> Error {
    let by = match owner {
        Some(owner) => {
            let time = UNIX_EPOCH + std::time::Duration::from_secs(owner.since);
            let hours = SystemTime::now().duration_since(time).map_or(0.0, |time| time.as_secs_f64() / 3600.0);
            let since = if owner.since == 0 { String::new() } else { format!(", for {}", span(hours)) };
            format!("process {} on {}{since}", owner.process, owner.host)
        }
        None => "another process".into(),
    };
    let error = Error::new(who, format!("{} is claimed by {by}", path.display()));
    error.help("the run is done when that process ends; remove the file only if it has ended")
}

/// A time in words.
fn span(hours: f64) -> String {
    match hours {
        hours if hours < 1.0 / 60.0 => format!("{:.0} s", hours * 3600.0),
        hours if hours < 1.0 => format!("{:.0} min", hours * 60.0),
        hours if hours < 48.0 => format!("{hours:.1} h"),
        hours => format!("{:.0} days", hours / 24.0),
    }
}
