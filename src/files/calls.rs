//! The calls that change the disk, one by one, and fault injection for tests.
//!
//! `LEVAIN_TEST_FAULT=kill@17` ends the process before its 17th such call, as a kill or a power loss does. `full@17` simulates a
//! full disk from that call on: calls that free space still work. `fail@17` makes one call fail.

use crate::ranks;
use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

enum Plan {
    Kill(u64),
    Full(u64),
    Fail(u64),
}

impl Plan {
    fn read(text: &str) -> Option<Plan> {
        let (what, at) = text.split_once('@')?;
        let at = at.parse().ok()?;
        match what {
            "kill" => Some(Plan::Kill(at)),
            "full" => Some(Plan::Full(at)),
            "fail" => Some(Plan::Fail(at)),
            _ => None,
        }
    }
}

static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
/// Number of calls so far, counted only where a fault is planned.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Disk space needed by a call.
#[derive(PartialEq)]
enum Need {
    Room,
    Nothing,
}

/// Called before each call.
fn step(need: Need) -> Result<()> {
    let planned = || {
        let text = std::env::var("LEVAIN_TEST_FAULT").ok().filter(|text| !text.is_empty())?;
        let plan = Plan::read(&text);
        if plan.is_none() {
            crate::progress::warn(
                "LEVAIN_TEST_FAULT",
                format!("`{text}` is not kill@N, full@N or fail@N: nothing fails"),
            );
        }
        plan
    };
    let Some(plan) = PLAN.get_or_init(planned) else { return Ok(()) };
    let call = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    match plan {
        // without a destructor, a handler or a flush
        Plan::Kill(at) if call == *at => std::process::abort(),
        Plan::Full(at) if call >= *at && need == Need::Room => Err(Error::from(ErrorKind::StorageFull)),
        Plan::Fail(at) if call == *at => Err(Error::other("this call fails in a test")),
        _ => Ok(()),
    }
}

/// Creates a new file, which must not exist.
pub fn create_new(path: &Path, options: &mut OpenOptions) -> Result<File> {
    ranks::refuse_writing()?;
    step(Need::Room)?;
    options.write(true).create_new(true).open(path)
}

/// Called before a file is opened that is created if missing.
pub fn asked() -> Result<()> {
    ranks::refuse_writing()?;
    step(Need::Room)
}

pub fn write(to: &mut impl Write, bytes: &[u8]) -> Result<usize> {
    step(Need::Room)?;
    to.write(bytes)
}

/// Truncates a file to its length before a failed write.
pub fn cut(file: &File, length: u64) -> Result<()> {
    step(Need::Nothing)?;
    file.set_len(length)
}

/// Waits until a file is on the disk. Some file systems lack this call.
pub fn sync(file: &File) -> Result<()> {
    // space for the written data may be allocated only now
    step(Need::Room)?;
    synced(file)
}

fn synced(file: &File) -> Result<()> {
    match file.sync_all() {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

/// Waits until the names in a folder are on the disk.
pub fn sync_folder(folder: &Path) -> Result<()> {
    step(Need::Nothing)?;
    // other systems cannot open a folder
    if cfg!(unix) { synced(&File::open(folder)?) } else { Ok(()) }
}

pub fn rename(from: &Path, to: &Path) -> Result<()> {
    ranks::refuse_writing()?;
    step(Need::Nothing)?;
    fs::rename(from, to)
}

pub fn make_folder(folder: &Path) -> Result<()> {
    ranks::refuse_writing()?;
    step(Need::Room)?;
    fs::create_dir(folder)
}

pub fn remove(path: &Path) -> Result<()> {
    ranks::refuse_writing()?;
    step(Need::Nothing)?;
    fs::remove_file(path)
}

/// Removes an empty folder.
pub fn remove_empty(folder: &Path) -> Result<()> {
    ranks::refuse_writing()?;
    step(Need::Nothing)?;
    fs::remove_dir(folder)
}

/// Removes a folder and its contents; targets of links in it stay.
pub fn remove_folder(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { remove_folder(&entry.path())? } else { remove(&entry.path())? }
    }
    remove_empty(folder)
}
