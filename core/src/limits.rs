//! Limits of a script: work, time, memory, and files. Without them everything is allowed.
//!
//! Rhai's own count of operations does not cover native verbs: a closure that `map` calls counts on a copy that is dropped, and a
//! native loop does not count at all. So operations are counted here: the engine adds one for every operation, also in closures,
//! and a native loop adds one whenever it checks whether to stop ([`cancel::check`](crate::cancel::check)).

use crate::{Error, Result, bail, memory, scoped, text};
use std::cell::RefCell;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Resource limits of a script. `None` is unlimited.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Operations per run: those of the language, and the rounds of native loops.
    pub operations: Option<u64>,
    /// Wall-clock time per run. A run ends at its next operation, or at the next round of its current native loop; the command
    /// line ends the process if that takes longer than half a second.
    pub time: Option<Duration>,
    /// Bytes that the whole process may hold while the script runs. Checked a thousand times a second, and before a tensor is
    /// made; for each block with an allocator that enforces the limit itself, such as the command line's. Supported on Linux,
    /// macOS and Windows; elsewhere this limit is an error.
    pub memory: Option<u64>,
    /// Bytes that one run may write to files, in total: rewriting counts again, and so does unpacking into a temporary file.
    pub disk: Option<u64>,
    /// Depth of nested calls.
    pub calls: usize,
    /// Bytes of one string.
    pub text: Option<usize>,
    /// Elements of one list, including those of nested lists. With a limit on text, lists or maps Rhai measures a value anew at
    /// each change, so that appending 100,000 elements one by one costs seconds; a dataset is not affected.
    pub list: Option<usize>,
    /// Keys of one map, including those of nested maps.
    pub map: Option<usize>,
}

impl Default for Limits {
    /// No limits, except on the depth of calls.
    fn default() -> Limits {
        Limits { operations: None, time: None, memory: None, disk: None, calls: 256, text: None, list: None, map: None }
    }
}

impl Limits {
    /// For untrusted scripts: ten minutes, 4 GiB of memory, 16 GiB of files.
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

    /// Returns an error if this system can't enforce one of the limits.
    pub fn enforceable(&self) -> Result<()> {
        if self.memory.is_some() && !memory::is_told() {
            return Err(Error::new("limits", "this system does not say how much memory a process holds")
                .help("leave the limit on memory out, and let the system hold one"));
        }
        Ok(())
    }
}

/// A file, or a folder and everything below it, that a script may use.
#[derive(Clone, Debug)]
pub struct Root {
    /// The file or folder.
    pub path: PathBuf,
    /// Whether writing is allowed too.
    pub writable: bool,
}

/// The limits of one script, and its usage so far.
#[derive(Clone, Debug, Default)]
pub struct Bounds(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    limits: Limits,
    /// `None` allows every path.
    roots: Option<Vec<Root>>,
    operations: AtomicU64,
    /// Bytes written to files.
    written: AtomicU64,
    /// Start of this run, in nanoseconds of [`clock`].
    began: AtomicU64,
    /// Time of the last memory check.
    looked: AtomicU64,
}

/// Nanoseconds since the first call.
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

/// The bounds of this thread's work.
pub fn current() -> Bounds {
    CURRENT.with(|current| current.borrow().clone())
}

/// One round of a native loop.
pub fn check() -> Result<()> {
    CURRENT.with(|current| current.borrow().charge(1))
}

/// Returns an error, before memory is requested, if `bytes` more exceed the limit or the memory of this machine; the error names
/// `what` needs them.
pub fn room(who: &str, bytes: u64, what: impl Display) -> Result<()> {
    /// A block in large pages may begin or end inside one, which it then holds entirely.
    const PAGE: u64 = 2 << 20;
    // the regular check catches small ones soon enough
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
    /// These limits; with `roots`, also no file outside them.
    pub fn new(limits: Limits, roots: Option<Vec<Root>>) -> Bounds {
        Bounds(Arc::new(Inner { limits, roots, began: clock().into(), ..Inner::default() }))
    }

    /// The limits of the script.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Whether file access is restricted.
    pub fn is_confined(&self) -> bool {
        self.0.roots.is_some()
    }

    /// The allowed files and folders, for an error.
    pub fn roots(&self) -> &[Root] {
        self.0.roots.as_deref().unwrap_or_default()
    }

    /// Starts a new run: resets all counts.
    pub fn begin(&self) {
        self.0.operations.store(0, Ordering::Relaxed);
        self.0.written.store(0, Ordering::Relaxed);
        self.0.began.store(clock(), Ordering::Relaxed);
    }

    /// Number of operations of this run so far; counted only under a limit.
    pub fn operations(&self) -> u64 {
        self.0.operations.load(Ordering::Relaxed)
    }

    /// Counts operations; returns an error past a limit. A script can't catch it.
    pub fn charge(&self, operations: u64) -> Result<()> {
        if let Some(limit) = self.0.limits.operations
            && self.0.operations.fetch_add(operations, Ordering::Relaxed).saturating_add(operations) > limit
        {
            let what = format!("more than {} operations", text::thousands(limit));
            return Err(Error::limit(what).help("a loop without an end?"));
        }
        // the writer may have reported the error as a disk error, which a script can catch
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
        // unused memory does not count
        memory::give_back();
        match memory::held_bytes() {
            held if held > limit => {
                let (limit, held) = (text::bytes(limit), text::bytes(held));
                Err(Error::limit(format!("more than {limit} of memory ({held} are held)")))
            }
            _ => Ok(()),
        }
    }

    /// Counts bytes before they are written to a file; returns an error past the limit. A script can't catch it.
    pub fn write(&self, bytes: u64) -> Result<()> {
        match self.0.limits.disk {
            Some(limit) if self.0.written.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > limit => {
                Err(Error::limit(format!("more than {} written to files", text::bytes(limit))))
            }
            _ => Ok(()),
        }
    }

    /// Once a millisecond: asking the system takes some microseconds, and little memory is filled in a millisecond.
    fn is_time_to_look(&self, now: u64) -> bool {
        let last = self.0.looked.load(Ordering::Relaxed);
        let due = last == 0 || now.saturating_sub(last) > nanoseconds(Duration::from_millis(1));
        if due {
            self.0.looked.store(now.max(1), Ordering::Relaxed);
        }
        due
    }

    /// Whether a script may read, or write, `path`. Links are resolved.
    pub fn allow(&self, path: &Path, write: bool) -> bool {
        let Some(roots) = &self.0.roots else { return true };
        let Some(real) = resolve(path) else { return false };
        roots
            .iter()
            .any(|root| (root.writable || !write) && resolve(&root.path).is_some_and(|root| real.starts_with(root)))
    }
}

/// A duration in the nanoseconds of [`clock`].
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The message for a run that reached its time limit.
pub fn time_text(limit: Duration) -> String {
    match limit.as_secs_f64() {
        1.0 => "more than 1 second".to_string(),
        seconds => format!("more than {seconds} seconds"),
    }
}

/// The real location of a path whose last components may not exist yet. `None` if it can't be determined: a dangling link, or
/// `..` below a missing folder.
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
