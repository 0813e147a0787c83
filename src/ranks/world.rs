//! The ranks of this run, and messages between them.

use super::launcher::{Launch, Launcher, launch, number_told};
use super::library::{Library, Request};
use super::watchdog::Watchdog;
use crate::{Error, Result, bail, progress};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

const WHO: &str = "ranks";
/// Default time limit in seconds for a rank that does not answer.
const PATIENCE: u64 = 1800;
/// Duration of busy waiting.
const SPIN: Duration = Duration::from_millis(2);
const REST: Duration = Duration::from_micros(100);
/// Time in which only rank 0 may report.
const GRACE: Duration = Duration::from_millis(1500);

/// This process as a rank.
pub struct World {
    library: Library,
    pub rank: usize,
    pub count: usize,
    /// The thread that communicates: the script's.
    thread: ThreadId,
    dog: Watchdog,
    patience: Option<Duration>,
}

/// Unset until this process joins other ranks.
static WORLD: OnceLock<World> = OnceLock::new();
static STEP: AtomicU64 = AtomicU64::new(0);
/// Whether rank 0 works alone while the others wait.
static ON_ITS_OWN: AtomicBool = AtomicBool::new(false);

/// Joins the other ranks, if a launcher started this process with others. For the binary only, at its start, on the thread that
/// runs the script.
pub fn begin() -> Result<()> {
    let Launch::Together { by, count } = launch(|name| std::env::var(name).ok())? else { return Ok(()) };
    let patience = patience()?;
    let path = std::env::var("LEVAIN_MPI").ok().filter(|path| !path.is_empty());
    let (library, rank, found) = Library::start(by, path.as_deref())?;
    agrees(by, count, found)?;
    let told = number_told(|name| std::env::var(name).ok());
    if told != rank {
        return Err(Error::new(
            WHO,
            format!("{} started this process as rank {told}, and the library of MPI says {rank}", by.name()),
        )
        .help("LEVAIN_MPI=/path/libmpi.so names the library of the launcher's MPI"));
    }
    let dog = Watchdog::start(rank);
    let world = World { library, rank, count: found, thread: thread::current().id(), dog, patience };
    if WORLD.set(world).is_err() {
        bail!(WHO, "this process has joined the others already");
    }
    if rank > 0 {
        progress::silence();
    }
    Ok(())
}

/// Returns an error if the library's number of processes differs from the launcher's.
fn agrees(by: Launcher, told: Option<usize>, found: usize) -> Result<()> {
    let launcher = by.name();
    match told {
        Some(told) if told != found => Err(Error::new(
            WHO,
            format!(
                "{launcher} started {told} processes, and the library of MPI sees {found}: they are not of one MPI"
            ),
        )
        .help("LEVAIN_MPI=/path/libmpi.so names the library of the launcher's MPI")),
        _ => Ok(()),
    }
}

fn patience() -> Result<Option<Duration>> {
    let Some(text) = std::env::var("LEVAIN_RANKS_TIMEOUT").ok().filter(|text| !text.is_empty()) else {
        return Ok(Some(Duration::from_secs(PATIENCE)));
    };
    match text.parse::<f64>() {
        Ok(0.0) => Ok(None),
        Ok(seconds) if seconds > 0.0 && seconds < 1e9 => Ok(Some(Duration::from_secs_f64(seconds))),
        _ => Err(Error::new("LEVAIN_RANKS_TIMEOUT", format!("`{text}` is not a number of seconds"))
            .help("it is how long ranks wait for one that does not answer, 1800 where it is not set, 0 for ever")),
    }
}

/// The other ranks, if there are any and this thread does not work alone.
pub fn world() -> Option<&'static World> {
    WORLD.get().filter(|_| !is_on_its_own())
}

/// Gives rank 0 time to report alone.
pub fn grace() {
    thread::sleep(GRACE);
}

/// Waits briefly if the launcher numbers this process after another, which may report the same.
pub fn wait_for_first() {
    if number_told(|name| std::env::var(name).ok()) > 0 {
        grace();
    }
}

/// The ranks, whether or not this one works alone.
pub fn joined() -> Option<&'static World> {
    WORLD.get()
}

/// The number of ranks; 1 in a process without a launcher.
pub fn count() -> usize {
    WORLD.get().map_or(1, |world| world.count)
}

/// The rank of this process, from 0.
pub fn rank() -> usize {
    WORLD.get().map_or(0, |world| world.rank)
}

/// Whether this is the rank that prints and writes.
pub fn is_first() -> bool {
    rank() == 0
}

/// Whether this rank works alone, while the others wait or after they have ended.
fn is_on_its_own() -> bool {
    ON_ITS_OWN.load(Ordering::Relaxed)
}

/// While this exists, rank 0 works alone, on all its threads.
pub struct OnItsOwn;

impl OnItsOwn {
    pub fn begin() -> OnItsOwn {
        ON_ITS_OWN.store(true, Ordering::Relaxed);
        OnItsOwn
    }
}

impl Drop for OnItsOwn {
    fn drop(&mut self) {
        ON_ITS_OWN.store(false, Ordering::Relaxed);
    }
}

/// Records the current step, for messages.
pub fn set_step(step: u64) {
    STEP.store(step, Ordering::Relaxed);
}

pub fn step() -> u64 {
    STEP.load(Ordering::Relaxed)
}

/// Returns an error for a disk write in a rank that must not write: a backstop behind the verbs.
pub fn refuse_writing() -> std::io::Result<()> {
    match rank() {
        0 => Ok(()),
        rank => Err(std::io::Error::other(Error::new(
            WHO,
            format!("rank {rank} writes a file, which rank 0 alone does: this verb can't be used under a launcher yet"),
        ))),
    }
}

/// How to wait in an exchange.
#[derive(Clone, Copy, PartialEq)]
pub enum Pace {
    /// For ranks that may still be working: yields the processor.
    Patient,
    /// For bytes in transit.
    Busy,
}

/// An exchange: its purpose, and how it waits.
pub struct Occasion<'a> {
    pub what: &'a str,
    pub pace: Pace,
    /// Factor of the usual time limit, for work that one rank does alone.
    pub times: u32,
}

impl World {
    /// Finalizes MPI, together with all ranks, after the last meeting.
    pub fn finalize(&self) {
        ON_ITS_OWN.store(true, Ordering::Relaxed);
        self.library.finalize();
    }

    /// Ends all ranks with an exit code.
    pub fn abort(&self, code: u8) {
        self.library.abort(code);
    }

    /// Whether this is the thread that may communicate.
    pub fn is_here(&self) -> bool {
        thread::current().id() == self.thread
    }

    /// Sends and receives, and returns when all messages are complete.
    pub fn exchange(
        &self,
        occasion: &Occasion,
        sends: &[(usize, &[u8])],
        receives: &mut [(usize, &mut [u8])],
    ) -> Result<()> {
        if !self.is_here() {
            bail!(
                WHO,
                "{}: ranks meet in the script alone, not in a closure that runs on several threads",
                occasion.what
            );
        }
        let mut open: Vec<(usize, Request)> = Vec::new();
        for (from, bytes) in receives.iter_mut().filter(|(_, bytes)| !bytes.is_empty()) {
            // SAFETY: the bytes are borrowed until this function returns, which it does when all messages are complete; an MPI
            // error ends all ranks, since no other error handler is set
            open.push((*from, unsafe { self.library.receive(*from, bytes)? }));
        }
        for (to, bytes) in sends.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            // SAFETY: as above
            open.push((*to, unsafe { self.library.send(*to, bytes)? }));
        }
        let missing: Vec<usize> = open.iter().map(|(rank, _)| *rank).collect();
        self.dog.begin(occasion.what, step(), missing, self.patience.map(|patience| patience * occasion.times));
        let done = self.wait(open, occasion.pace);
        self.dog.end();
        done
    }

    fn wait(&self, mut open: Vec<(usize, Request)>, pace: Pace) -> Result<()> {
        let mut since = Instant::now();
        while !open.is_empty() {
            let before = open.len();
            let mut at = 0;
            while at < open.len() {
                if self.library.is_done(&mut open[at].1)? {
                    self.dog.answered(open[at].0);
                    open.swap_remove(at);
                } else {
                    at += 1;
                }
            }
            if open.len() < before {
                since = Instant::now();
            } else if pace == Pace::Patient && since.elapsed() > SPIN {
                thread::sleep(REST);
            } else {
                thread::yield_now();
            }
        }
        Ok(())
    }
}
