//! Heartbeats: a thread that rewrites this process's claims every few seconds, so that other machines see that it is alive, and
//! its progress.

use super::owner::{Owner, now};
use crate::sync::unpoisoned;
use crate::{Error, Result, files, progress};
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

/// A claim that is held.
#[derive(Debug)]
pub struct Held {
    pub path: PathBuf,
    file: Mutex<Option<File>>,
    owner: Mutex<Owner>,
    is_lost: AtomicBool,
}

/// Size of a claim in bytes: constant, so that a reader sees the old text or the new one, never an empty file.
const ROOM: usize = 511;
/// Maximum length of the work's label.
const LABEL: usize = 60;

/// Time between two beats: five seconds. Tests override it with `LEVAIN_TEST_BEAT`.
pub fn beat() -> Duration {
    static BEAT: OnceLock<Duration> = OnceLock::new();
    *BEAT.get_or_init(|| {
        let told = std::env::var("LEVAIN_TEST_BEAT").ok().and_then(|text| text.parse::<f64>().ok());
        let told = told.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).filter(|beat| !beat.is_zero());
        told.unwrap_or(Duration::from_secs(5))
    })
}

/// A process that has not beaten for this long has ended.
pub fn silence() -> Duration {
    12 * beat()
}

static HELD: Mutex<Vec<Weak<Held>>> = Mutex::new(Vec::new());

/// Sends beats for a claim until it is dropped.
pub fn keep(held: &Arc<Held>) {
    static BEATING: OnceLock<()> = OnceLock::new();
    let mut all = unpoisoned(HELD.lock());
    all.retain(|held| held.strong_count() > 0);
    all.push(Arc::downgrade(held));
    drop(all);
    BEATING.get_or_init(|| {
        // without the thread other machines take over this process's claims, with the same results
        drop(std::thread::Builder::new().name("heartbeat".into()).spawn(beating));
    });
}

fn beating() {
    loop {
        std::thread::sleep(beat());
        let all: Vec<_> = unpoisoned(HELD.lock()).iter().filter_map(Weak::upgrade).collect();
        all.iter().for_each(|held| held.beat());
    }
}

impl Held {
    /// Writes the owner into the file of a claim.
    pub fn write(who: &str, path: &Path, file: File, owner: Owner) -> Result<Arc<Held>> {
        let held = Held {
            path: path.to_path_buf(),
            file: Mutex::new(Some(file)),
            owner: Mutex::new(owner),
            is_lost: AtomicBool::new(false),
        };
        // overwrites in place, so that nobody sees an empty file
        held.put().map_err(|error| Error::io(who, path, &error))?;
        if let Some(file) = &*unpoisoned(held.file.lock()) {
            files::cut(who, path, file, ROOM as u64 + 1)?;
        }
        Ok(Arc::new(held))
    }

    fn put(&self) -> std::io::Result<()> {
        let text = serde_json::to_string(&*unpoisoned(self.owner.lock())).unwrap_or_default();
        match &mut *unpoisoned(self.file.lock()) {
            Some(file) => {
                file.rewind()?;
                file.write_all(format!("{text:ROOM$}\n").as_bytes())
            }
            None => Ok(()),
        }
    }

    fn beat(&self) {
        if !self.is_own() {
            return;
        }
        let mut owner = unpoisoned(self.owner.lock());
        owner.beat += 1;
        owner.now = now();
        owner.doing = progress::doing().map(|(label, at, of)| (crate::text::cut(&label, LABEL), at, of));
        drop(owner);
        // a temporarily full disk does not mean the process is dead: its lock shows that, or the next beat
        let _ = self.put();
    }

    /// Whether the file in the claim's place is still this one.
    pub fn is_own(&self) -> bool {
        if self.is_lost.load(Ordering::Relaxed) {
            return false;
        }
        let there = match files::read_if_there("claim", &self.path) {
            Ok(bytes) => bytes.and_then(|bytes| Owner::read(&bytes)),
            // a temporary network failure
            Err(_) => return true,
        };
        let owner = unpoisoned(self.owner.lock()).clone();
        let own = there.is_some_and(|there| there.is(&owner));
        self.is_lost.store(!own, Ordering::Relaxed);
        own
    }

    /// Removes the file while it is locked, so that nobody considers it stale.
    pub fn end(&self) {
        if self.is_own() {
            files::remove("claim", &self.path).ok();
        }
        *unpoisoned(self.file.lock()) = None;
    }
}
