//! What a script may take: how much work, time and memory, and which files. Without bounds everything is allowed.
//!
//! Rhai's own count of operations does not reach what native verbs do: a closure that `map` calls counts on a copy
//! that is dropped, and a native loop does not count at all. So the count is here. The engine adds one for every
//! operation, in closures too, and a native loop adds one whenever it asks whether it has to stop
//! ([`cancel::check`](crate::cancel::check)).

use crate::{Error, Result, bail, memory, scoped, text};
use std::cell::RefCell;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// How much a script may take. `None` is as much as it likes.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Operations of one run: those of the language, and the rounds of native loops.
    pub operations: Option<u64>,
    /// Time of one run by the clock. A run ends at its next operation, or at the next round of the native loop that it is
    /// in; the command line ends the process where that takes longer than half a second.
    pub time: Option<Duration>,
    /// Bytes that the whole process may hold while the script runs. It is looked at a thousand times a second, and
    /// before a tensor is made; with an allocator that holds the limit by itself, as the command line's does, for each block.
    /// Linux, macOS and Windows say how much that is; elsewhere this limit is refused.
    pub memory: Option<u64>,
    /// Bytes that one run may write to files, over all: what is written again counts again, and what is unpacked into a
    /// temporary file to be read counts too.
    pub disk: Option<u64>,
    /// Calls inside calls.
    pub calls: usize,
    /// Bytes of one string.
    pub text: Option<usize>,
    /// Elements of one list, those of lists in it counted too. With a limit on text, lists or maps Rhai measures a
    /// value anew at each change, so that a list of 100,000 that grows one by one costs seconds; a dataset does not.
    pub list: Option<usize>,
    /// Keys of one map, those of maps in it counted too.
    pub map: Option<usize>,
}

impl Default for Limits {
    /// No limits, but for the depth of calls.
    fn default() -> Limits {
        Limits { operations: None, time: None, memory: None, disk: None, calls: 256, text: None, list: None, map: None }
    }
}

impl Limits {
    /// For scripts of strangers: ten minutes, 4 GiB of memory, 16 GiB of files.
    pub fn strict() -> Limits {
        Limits {
            operations: Some(1_000_000_000),
            time: Some(Duration::from_secs(600)),
            memory: Some(4 << 30),
            disk: Some(16 << 30),
            calls: 128,
            text: Some(64 << 20),
            list: Some(100_000),
            map: Some(30_000),
        }
    }

    /// An error where there is a limit that this system gives no means to hold.
    pub fn enforceable(&self) -> Result<()> {
        if self.memory.is_some() && !memory::is_told() {
            return Err(Error::new("limits", "this system does not say how much memory a process holds")
                .help("leave the limit on memory out, and let the system hold one"));
        }
        Ok(())
    }
}

/// A folder or file that a script may use, with all below it.
#[derive(Clone, Debug)]
pub struct Root {
    /// Where it begins.
    pub path: PathBuf,
    /// Whether it may be written too.
    pub writable: bool,
}

/// The bounds of one script, and what it has taken of them.
#[derive(Clone, Debug, Default)]
pub struct Bounds(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    limits: Limits,
    /// `None`: every path.
    roots: Option<Vec<Root>>,
    operations: AtomicU64,
    /// Bytes written to files.
    written: AtomicU64,
    /// When this run began, in nanoseconds of [`clock`].
    began: AtomicU64,
    /// When memory was looked at last.
    looked: AtomicU64,
}

/// Nanoseconds since the first question.
pub fn clock() -> u64 {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(FIRST.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

thread_local! {
    static CURRENT: RefCell<Bounds> = RefCell::default();
}

/// Runs `work` on this thread within `bounds`.
pub fn within<T>(bounds: &Bounds, work: impl FnOnce() -> T) -> T {
    scoped::with(&CURRENT, bounds.clone(), work)
}

/// The bounds that this thread works within.
pub fn current() -> Bounds {
    CURRENT.with(|current| current.borrow().clone())
}

/// One round of a native loop.
pub fn check() -> Result<()> {
    CURRENT.with(|current| current.borrow().charge(1))
}

/// An error when `bytes` more are beyond the limit, or beyond the memory of this machine, before they are asked for; it names
/// `what` takes them.
pub fn room(who: &str, bytes: u64, what: impl Display) -> Result<()> {
    /// A block in large pages begins or ends inside of one, and holds the whole of it.
    const PAGE: u64 = 2 << 20;
    // small ones are seen soon enough
    if bytes <= 1 << 20 {
        return Ok(());
    }
    let asked = bytes.saturating_add(PAGE);
    match CURRENT.with(|current| current.borrow().0.limits.memory) {
        Some(limit) if memory::held_bytes().saturating_add(asked) > limit => {
            let (bytes, limit) = (text::bytes(bytes), text::bytes(limit));
            bail!(who, "{what} needs {bytes} of memory, where this script may hold {limit}");
        }
        None if memory::machine_bytes().is_some_and(|all| bytes > all) => {
            let (bytes, all) = (text::bytes(bytes), text::bytes(memory::machine_bytes().unwrap_or_default()));
            bail!(who, "{what} needs {bytes} of memory, where this machine has {all}");
        }
        _ => Ok(()),
    }
}

impl Bounds {
    /// These limits, and where there are `roots`, no file outside of them.
    pub fn new(limits: Limits, roots: Option<Vec<Root>>) -> Bounds {
        Bounds(Arc::new(Inner { limits, roots, began: clock().into(), ..Inner::default() }))
    }

    /// How much the script may take.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Whether some paths are out of bounds.
    pub fn is_confined(&self) -> bool {
        self.0.roots.is_some()
    }

    /// What may be used, for an error.
    pub fn roots(&self) -> &[Root] {
        self.0.roots.as_deref().unwrap_or_default()
    }

    /// A new run: nothing is counted yet.
    pub fn begin(&self) {
        self.0.operations.store(0, Ordering::Relaxed);
        self.0.written.store(0, Ordering::Relaxed);
        self.0.began.store(clock(), Ordering::Relaxed);
    }

    /// Operations of this run so far; counted only where they are limited.
    pub fn operations(&self) -> u64 {
        self.0.operations.load(Ordering::Relaxed)
    }

    /// Counts operations; an error when a limit is passed. A script can't catch it.
    pub fn charge(&self, operations: u64) -> Result<()> {
        if let Some(limit) = self.0.limits.operations
            && self.0.operations.fetch_add(operations, Ordering::Relaxed).saturating_add(operations) > limit
        {
            let what = format!("more than {} operations", text::thousands(limit));
            return Err(Error::limit(what).help("a loop without an end?"));
        }
        // whoever wrote may have taken the error for one of the disk's, which a script can catch
        self.write(0)?;
        let limits = &self.0.limits;
        if limits.time.is_none() && limits.memory.is_none() {
            return Ok(());
        }
        let now = clock();
        if let Some(limit) = limits.time
            && now.saturating_sub(self.0.began.load(Ordering::Relaxed)) > nanoseconds(limit)
        {
            return Err(Error::limit(time_text(limit)));
        }
        match limits.memory {
            Some(limit) if self.is_time_to_look(now) => self.look(limit),
            _ => Ok(()),
        }
    }

    fn look(&self, limit: u64) -> Result<()> {
        if memory::held_bytes() <= limit {
            return Ok(());
        }
        // what nobody uses does not count
        memory::give_back();
        match memory::held_bytes() {
            held if held > limit => {
                let (limit, held) = (text::bytes(limit), text::bytes(held));
                Err(Error::limit(format!("more than {limit} of memory ({held} are held)")))
            }
            _ => Ok(()),
        }
    }

    /// Counts bytes before they are written to a file; an error when there are too many. A script can't catch it.
    pub fn write(&self, bytes: u64) -> Result<()> {
        match self.0.limits.disk {
            Some(limit) if self.0.written.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > limit => {
                Err(Error::limit(format!("more than {} written to files", text::bytes(limit))))
            }
            _ => Ok(()),
        }
    }

    /// Once a millisecond: asking the system costs some microseconds, and in a millisecond not much memory is filled.
    fn is_time_to_look(&self, now: u64) -> bool {
        let last = self.0.looked.load(Ordering::Relaxed);
        let due = last == 0 || now.saturating_sub(last) > nanoseconds(Duration::from_millis(1));
        if due {
            self.0.looked.store(now.max(1), Ordering::Relaxed);
        }
        due
    }

    /// Whether a script may read `path`, or write it. Links are followed to where they lead.
    pub fn allow(&self, path: &Path, write: bool) -> bool {
        let Some(roots) = &self.0.roots else { return true };
        let Some(real) = resolve(path) else { return false };
        roots
            .iter()
            .any(|root| (root.writable || !write) && resolve(&root.path).is_some_and(|root| real.starts_with(root)))
    }
}

/// The whole of a time, as [`clock`] counts.
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What is said where a run has taken all its time.
pub fn time_text(limit: Duration) -> String {
    match limit.as_secs_f64() {
        1.0 => "more than 1 second".to_string(),
        seconds => format!("more than {seconds} seconds"),
    }
}

/// Where a path really leads, of which the last parts may not be there yet. `None` where that can't be told: a link
/// to nothing, or `..` in what is not there.
fn resolve(path: &Path) -> Option<PathBuf> {
    let full = std::path::absolute(path).ok()?;
    let mut missing = Vec::new();
    let mut place = full.as_path();
    loop {
        match place.canonicalize() {
            Ok(real) => return Some(missing.iter().rev().fold(real, |real, name| real.join(name))),
            Err(_) if place.symlink_metadata().is_ok() => return None,
            Err(_) => {
                missing.push(place.file_name()?.to_os_string());
                place = place.parent()?;
            }
        }
    }
}
