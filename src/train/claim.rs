//! Claims: a file names the process that works on a run, or in a run's folder, so that several processes can share a folder
//! without duplicating work.
//!
//! The file is created exclusively, locked while its process lives, and rewritten every few seconds with a heartbeat count
//! (`heartbeat.rs`) and the progress of the work. Under the same kernel (on the same machine since its last boot, in any
//! container) a claim without a lock is stale and is taken over. Whether a process on another machine has ended is determined by
//! its heartbeats alone: a claim that has not changed for a minute is taken over by a rename, in which one process is first.
//! Clocks of two machines, whose names may be equal, are never compared: minutes are counted locally, and ages are differences of
//! times from the folder's own file system. A process that was suspended meanwhile finds its claim lost, and its result is not
//! stored.

use super::heartbeat::{self, Held};
use super::owner::{Owner, span};
use crate::sync::unpoisoned;
use crate::{Error, Result, bail, cancel, files, ranks};
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Number of retries when claims vanish during inspection.
const TRIES: usize = 100;
/// A claim is written within this time after its creation.
const YOUNG: Duration = Duration::from_secs(2);

/// A claim of this process: dropping it removes the file.
#[derive(Debug)]
pub struct Claim {
    /// The data held in this process.
    held: Option<Arc<Held>>,
    stale: Option<u32>,
}

/// The result of trying a lock.
#[derive(PartialEq)]
pub enum Lock {
    Taken,
    Held,
    /// The file system does not support locks.
    Unknown,
}

/// The result of trying a claim.
enum Try {
    Claim(Claim),
    Busy(Option<Owner>),
    Again,
}

impl Claim {
    /// Claims `path` for `who`, the verb that works on it. An error if another process has it; a silent claim of another machine
    /// is watched for a while first. Rank 0 claims it for all ranks.
    pub fn take(who: &str, path: impl AsRef<Path>) -> Result<Claim> {
        let path = path.as_ref();
        let mut held = None;
        let stale =
            ranks::first_value(&format!("{who} {}", path.display()), || match Claim::tried(who, path, true)? {
                Ok(claim) => Ok(claim.lent(&mut held)),
                Err(owner) => Err(busy(who, path, owner)),
            })?;
        Ok(Claim { held, stale })
    }

    /// [`Claim::take`] without waiting: `None` if another process has it. Repeated calls detect processes that have ended.
    pub fn attempt(who: &str, path: impl AsRef<Path>) -> Result<Option<Claim>> {
        let path = path.as_ref();
        let mut held = None;
        let found = ranks::first_value(&format!("{who} {}", path.display()), || {
            Ok(Claim::tried(who, path, false)?.ok().map(|claim| claim.lent(&mut held)))
        })?;
        Ok(found.map(|stale| Claim { held, stale }))
    }

    /// Transfers the held data without releasing it; returns the process whose stale claim it was.
    fn lent(mut self, held: &mut Option<Arc<Held>>) -> Option<u32> {
        *held = self.held.take();
        self.stale
    }

    fn tried(who: &str, path: &Path, waits: bool) -> Result<Result<Claim, Option<Owner>>> {
        for _ in 0..TRIES {
            match Claim::once(who, path, waits)? {
                Try::Claim(claim) => return Ok(Ok(claim)),
                Try::Busy(owner) => return Ok(Err(owner)),
                Try::Again => {}
            }
        }
        bail!(who, "{} is claimed and released all the time", path.display())
    }

    fn once(who: &str, path: &Path, waits: bool) -> Result<Try> {
        if let Some(file) = files::create_new(who, path)? {
            // locked by a process that is inspecting it right now and considers it stale
            return match lock(&file) {
                Lock::Held => Ok(Try::Busy(None)),
                Lock::Taken | Lock::Unknown => Claim::written(who, path, file, None),
            };
        }
        let Some(bytes) = files::read_if_there(who, path)? else { return Ok(Try::Again) };
        let owner = Owner::read(&bytes);
        // created but not yet written: by another machine, whose lock may not be visible here, or by a process that was killed
        // just then. One that is written during inspection has no age
        let is_young = || files::age(path).is_none_or(|age| age < YOUNG);
        if bytes.is_empty() && is_young() && !is_silent(who, path, &bytes, false)? {
            std::thread::sleep(Duration::from_millis(if waits { 50 } else { 0 }));
            return Ok(if waits { Try::Again } else { Try::Busy(None) });
        }
        if owner.as_ref().is_some_and(|owner| !owner.is_near()) {
            return match is_silent(who, path, &bytes, waits)? {
                true => Claim::replaced(who, path, &bytes, owner),
                false => Ok(Try::Busy(owner)),
            };
        }
        let Some(file) = files::change(who, path)? else { return Ok(Try::Again) };
        match lock(&file) {
            Lock::Taken => {}
            Lock::Unknown if owner.as_ref().is_some_and(|owner| !owner.may_run()) => {}
            Lock::Held | Lock::Unknown => return Ok(Try::Busy(owner)),
        }
        // a lock on a file that was removed meanwhile, and perhaps recreated, is worthless
        if files::read_if_there(who, path)?.is_none_or(|now| now != bytes) || bytes.is_empty() && is_young() {
            return Ok(Try::Again);
        }
        Claim::written(who, path, file, owner.map(|owner| owner.process))
    }

    /// Takes over a claim left by another machine: a new file is renamed over the old one. Of several contenders the first gets
    /// it.
    fn replaced(who: &str, path: &Path, bytes: &[u8], owner: Option<Owner>) -> Result<Try> {
        let next = beside(path);
        let Some(file) = files::create_new(who, &next)? else {
            // its creator renames it at once, or has ended
            if let Some(left) = files::read_if_there(who, &next)?
                && is_silent(who, &next, &left, false)?
            {
                files::remove(who, &next).ok();
            }
            return Ok(Try::Busy(owner));
        };
        if lock(&file) == Lock::Held {
            return Ok(Try::Busy(None));
        }
        let held = Held::write(who, path, file, Owner::me())?;
        if files::read_if_there(who, path)?.is_none_or(|now| now != bytes) {
            files::remove(who, &next).ok();
            return Ok(Try::Again);
        }
        files::rename(who, &next, path)?;
        Claim::kept(who, held, Some(owner.map_or(0, |owner| owner.process)))
    }

    /// Removes a claim left by a process that ended after its work was done; a held claim stays.
    pub fn sweep(who: &str, path: impl AsRef<Path>) {
        // a held claim is not an error
        let swept = ranks::first(who, || {
            if files::is_file(path.as_ref()) {
                drop(Claim::tried(who, path.as_ref(), false)?);
            }
            Ok(())
        });
        drop(swept);
    }

    /// The process whose stale claim was taken over.
    pub fn stale(&self) -> Option<u32> {
        self.stale
    }

    /// Returns an error if another process has taken over the claim because this one was suspended.
    pub fn check(&self, who: &str) -> Result<()> {
        ranks::first(who, || {
            let Some(held) = self.held.as_ref().filter(|held| !held.is_own()) else { return Ok(()) };
            let path = held.path.display();
            let what = format!("{path} is claimed by another process, since this one stood still for too long");
            Err(Error::new(who, what).help("what that one finds counts; the same command waits for it, or goes on"))
        })
    }

    fn written(who: &str, path: &Path, file: File, stale: Option<u32>) -> Result<Try> {
        let held = Held::write(who, path, file, Owner::me())?;
        Claim::kept(who, held, stale)
    }

    /// The claim, if its file is still in place.
    fn kept(who: &str, held: Arc<Held>, stale: Option<u32>) -> Result<Try> {
        if !held.is_own() {
            return Ok(Try::Again);
        }
        heartbeat::keep(&held);
        if let (Some(_), Some(folder)) = (stale, held.path.parent()) {
            files::clear_parts(folder);
            files::remove(who, &beside(&held.path)).ok();
        }
        Ok(Try::Claim(Claim { held: Some(held), stale }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // rank 0 holds it for all ranks
        if let Some(held) = &self.held {
            held.end();
        }
    }
}

/// The temporary path of a claim that replaces another.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".next");
    PathBuf::from(name)
}

/// The observed content of a claim, and when it was first seen.
type Sight = (Vec<u8>, Instant);

/// Whether a claim of another machine has stopped beating. It is watched for a whole minute, or for two beats if the file system
/// reports that it has not been written for that long: within this call if `waits`, otherwise from one call to the next.
fn is_silent(who: &str, path: &Path, bytes: &[u8], waits: bool) -> Result<bool> {
    static SEEN: Mutex<Option<HashMap<PathBuf, Sight>>> = Mutex::new(None);
    let watched = |bytes: &[u8]| {
        let mut seen = unpoisoned(SEEN.lock());
        let entry = seen.get_or_insert_default().entry(path.to_path_buf());
        let entry = entry.or_insert_with(|| (bytes.to_vec(), Instant::now()));
        if entry.0 != bytes {
            *entry = (bytes.to_vec(), Instant::now());
        }
        entry.1.elapsed()
    };
    let (beat, silence) = (heartbeat::beat(), heartbeat::silence());
    let is_old = files::age(path).is_some_and(|age| age >= silence);
    let needed = if is_old { 2 * beat } else { silence };
    loop {
        if watched(bytes) >= needed {
            return Ok(true);
        }
        if !waits || !is_old {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20).min(beat));
        cancel::check()?;
        if files::read_if_there(who, path)?.is_none_or(|now| now != bytes) {
            return Ok(false);
        }
    }
}

/// Locks a file for this process.
pub fn lock(file: &File) -> Lock {
    match file.try_lock() {
        Ok(()) => Lock::Taken,
        Err(TryLockError::WouldBlock) => Lock::Held,
        Err(TryLockError::Error(_)) => Lock::Unknown,
    }
}

fn busy(who: &str, path: &Path, owner: Option<Owner>) -> Error {
    let near = owner.as_ref().is_none_or(Owner::is_near);
    let by = match owner {
        Some(owner) => {
            let since = if owner.since == 0 { String::new() } else { format!(", for {}", span(owner.worked())) };
            format!("process {} on {}{since}", owner.process, owner.host)
        }
        None => "another process".into(),
    };
    let error = Error::new(who, format!("{} is claimed by {by}", path.display()));
    error.help(match near {
        true => "the run is done when that process ends".to_string(),
        false => format!(
            "the run is done when that process ends; if it has ended, its claim is free when it has not beaten for {}",
            span(heartbeat::silence().as_secs_f64())
        ),
    })
}
