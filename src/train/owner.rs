//! The owner of a claim.

use crate::files;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The owner of a claim, and the progress of its work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    pub host: String,
    pub process: u32,
    /// The boot id of its kernel, if the system reports one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Seconds since 1970, by its own clock: of its start, and of its last beat.
    #[serde(default)]
    pub since: u64,
    #[serde(default)]
    pub now: u64,
    /// Index among this process's claims.
    #[serde(default)]
    pub number: u64,
    /// Number of beats.
    #[serde(default)]
    pub beat: u64,
    /// The label of its work, position and total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<(String, u64, u64)>,
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Owner {
    pub fn me() -> Owner {
        static CLAIMS: AtomicU64 = AtomicU64::new(0);
        let (since, number) = (now(), CLAIMS.fetch_add(1, Ordering::Relaxed) + 1);
        let (host, process) = (files::host(), std::process::id());
        Owner { host, process, boot: files::boot(), since, now: since, number, ..Owner::default() }
    }

    pub fn read(bytes: &[u8]) -> Option<Owner> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether both are the same claim.
    pub fn is(&self, other: &Owner) -> bool {
        let key = |owner: &Owner| (owner.host.clone(), owner.process, owner.boot.clone(), owner.since, owner.number);
        key(self) == key(other)
    }

    /// Whether its locks are visible here: the same kernel, not just a machine of that name.
    pub fn is_near(&self) -> bool {
        match (&self.boot, files::boot()) {
            (Some(own), Some(here)) => *own == here,
            (None, None) => self.host == files::host(),
            _ => false,
        }
    }

    /// Whether it may be running, as far as can be known without locks.
    pub fn may_run(&self) -> bool {
        self.boot == files::boot() && files::may_run(self.process)
    }

    /// Seconds from its start to its last beat, by its own clock.
    pub fn worked(&self) -> f64 {
        let until = if self.is_near() { now() } else { self.now };
        until.saturating_sub(self.since) as f64
    }
}

/// A number of seconds in words.
pub fn span(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 60.0 => format!("{seconds:.0} s"),
        seconds if seconds < 3600.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 48.0 * 3600.0 => format!("{:.1} h", seconds / 3600.0),
        seconds => format!("{:.0} days", seconds / 86400.0),
    }
}
