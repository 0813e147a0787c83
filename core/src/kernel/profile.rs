//! Time and memory of a run, by operation.
//!
//! While off, each hook costs one relaxed load. While on, an operation is timed from its [`now`] to its [`done`]; its cost
//! excludes nested operations, so that all costs add up.

use crate::sync::unpoisoned;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

static ON: AtomicBool = AtomicBool::new(false);
static FLOPS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);
static MOST_LIVE: AtomicI64 = AtomicI64::new(0);
static BOOK: Mutex<Option<Book>> = Mutex::new(None);

/// Maximum number of operations in a trace: viewers do not open larger ones.
const EVENTS: usize = 1_000_000;

/// The pass of a step in which an operation ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pass {
    Forward,
    /// A second forward, in a block of activation checkpointing.
    Recompute,
    Backward,
    /// Neither forward nor backward: an optimizer step, a norm.
    Other,
}

impl Pass {
    pub fn name(self) -> &'static str {
        match self {
            Pass::Forward => "forward",
            Pass::Recompute => "recompute",
            Pass::Backward => "backward",
            Pass::Other => "",
        }
    }
}

/// A cost. `cpu` counts every thread of the process, `flops` the multiplications and additions of matmuls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    pub wall: Duration,
    pub cpu: Duration,
    pub flops: u64,
    pub bytes: u64,
}

impl Cost {
    fn plus(self, more: Cost) -> Cost {
        Cost {
            wall: self.wall + more.wall,
            cpu: self.cpu + more.cpu,
            flops: self.flops + more.flops,
            bytes: self.bytes + more.bytes,
        }
    }

    fn less(self, other: Cost) -> Cost {
        Cost {
            wall: self.wall.saturating_sub(other.wall),
            cpu: self.cpu.saturating_sub(other.cpu),
            flops: self.flops.saturating_sub(other.flops),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// One line of the profile.
#[derive(Clone, Debug)]
pub struct Line {
    pub name: &'static str,
    pub pass: Pass,
    pub calls: u64,
    pub cost: Cost,
}

/// One operation of a trace: `start` and `end` are since the profile began.
#[derive(Clone, Debug)]
pub struct Event {
    pub name: &'static str,
    pub pass: Pass,
    pub thread: u32,
    pub start: Duration,
    pub end: Duration,
    pub flops: u64,
    pub bytes: u64,
    /// Bytes in use at its end.
    pub live: i64,
}

/// The profile of a run, most expensive operation first.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    pub total: Cost,
    pub lines: Vec<Line>,
    /// The most bytes in use at once, beyond those in use when the profile began.
    pub most_live: u64,
    /// Empty without a trace.
    pub events: Vec<Event>,
    /// Operations beyond the limit of the trace.
    pub untraced: u64,
}

struct Book {
    began: Instant,
    cpu: Duration,
    lines: HashMap<(&'static str, Pass), (u64, Cost)>,
    events: Option<Vec<Event>>,
    untraced: u64,
}

thread_local! {
    /// The exclusive costs of this thread's operations so far.
    static SPENT: Cell<Cost> = const { Cell::new(Cost { wall: Duration::ZERO, cpu: Duration::ZERO, flops: 0, bytes: 0 }) };
    static THREAD: u32 = {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        NEXT.fetch_add(1, Relaxed)
    };
}

/// Whether profiling is on.
#[inline]
pub fn on() -> bool {
    ON.load(Relaxed)
}

/// Begins a profile; with `trace` also a list of every operation.
pub fn begin(trace: bool) {
    let book = Book {
        began: Instant::now(),
        cpu: cpu_time(),
        lines: HashMap::new(),
        events: trace.then(Vec::new),
        untraced: 0,
    };
    FLOPS.store(0, Relaxed);
    ALLOCATED.store(0, Relaxed);
    LIVE.store(0, Relaxed);
    MOST_LIVE.store(0, Relaxed);
    *lock() = Some(book);
    ON.store(true, Relaxed);
}

/// Ends the profile started by [`begin`].
pub fn end() -> Profile {
    ON.store(false, Relaxed);
    let Some(book) = lock().take() else { return Profile::default() };
    let total = Cost { wall: book.began.elapsed(), ..counters() }.less(Cost { cpu: book.cpu, ..Cost::default() });
    let line = |((name, pass), (calls, cost))| Line { name, pass, calls, cost };
    let mut lines: Vec<Line> = book.lines.into_iter().map(line).collect();
    lines.sort_by_key(|line| (std::cmp::Reverse(line.cost.wall), line.name, line.pass));
    let most_live = MOST_LIVE.load(Relaxed).max(0) as u64;
    Profile { total, lines, most_live, events: book.events.unwrap_or_default(), untraced: book.untraced }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Book>> {
    unpoisoned(BOOK.lock())
}

/// All counters except the wall clock.
fn counters() -> Cost {
    Cost { wall: Duration::ZERO, cpu: cpu_time(), flops: FLOPS.load(Relaxed), bytes: ALLOCATED.load(Relaxed) }
}

/// The start of an operation.
#[derive(Clone, Copy)]
pub struct Timestamp {
    at: Instant,
    counters: Cost,
    spent: Cost,
}

pub fn now() -> Timestamp {
    Timestamp { at: Instant::now(), counters: counters(), spent: SPENT.get() }
}

/// Ends an operation that began at `start` on this thread.
pub fn done(name: &'static str, pass: Pass, start: Timestamp) {
    let all = Cost { wall: start.at.elapsed(), ..counters().less(start.counters) };
    let own = all.less(SPENT.get().less(start.spent));
    SPENT.set(SPENT.get().plus(own));
    let mut book = lock();
    let Some(book) = &mut *book else { return };
    let (calls, cost) = book.lines.entry((name, pass)).or_default();
    (*calls, *cost) = (*calls + 1, cost.plus(own));
    let Some(events) = &mut book.events else { return };
    if events.len() == EVENTS {
        book.untraced += 1;
        return;
    }
    let begun = start.at.saturating_duration_since(book.began);
    events.push(Event {
        name,
        pass,
        thread: THREAD.with(|thread| *thread),
        start: begun,
        end: begun + all.wall,
        flops: all.flops,
        bytes: all.bytes,
        live: LIVE.load(Relaxed),
    });
}

/// An operation that ends when this is dropped.
pub struct Span(Option<(&'static str, Pass, Timestamp)>);

pub fn span(name: &'static str, pass: Pass) -> Span {
    Span(on().then(|| (name, pass, now())))
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some((name, pass, start)) = self.0.take() {
            done(name, pass, start);
        }
    }
}

/// Counts the multiplications and additions of a product of `[m, n, k]`.
#[inline]
pub fn count_matmul([m, n, k]: [usize; 3]) {
    if on() {
        FLOPS.fetch_add(2 * (m * n * k) as u64, Relaxed);
    }
}

#[inline]
pub(super) fn allocated(size: usize) {
    if on() {
        ALLOCATED.fetch_add(size as u64, Relaxed);
        let live = LIVE.fetch_add(size as i64, Relaxed) + size as i64;
        MOST_LIVE.fetch_max(live, Relaxed);
    }
}

/// A block was resized in place.
#[inline]
pub(super) fn grown(from: usize, to: usize) {
    if to > from {
        allocated(to - from);
    } else {
        freed(from - to);
    }
}

#[inline]
pub(super) fn freed(size: usize) {
    if on() {
        LIVE.fetch_sub(size as i64, Relaxed);
    }
}

/// The processor time of all threads of this process; 0 if the system does not report it.
fn cpu_time() -> Duration {
    #[cfg(unix)]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call fills the given struct
        if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) } == 0 {
            return Duration::new(time.tv_sec as u64, time.tv_nsec as u32);
        }
    }
    Duration::ZERO
}
