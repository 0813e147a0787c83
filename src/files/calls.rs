//! The calls that change what is on the disk, one by one, and the faults that tests put into them.
//!
//! `LEVAIN_TEST_FAULT=kill@17` ends the process before its 17th such call, as a kill or a loss of power does. `full@17` is a disk
//! without room from that call on: what frees room still works. `fail@17` is one call that fails.

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
/// Calls so far, counted only where a fault is planned.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// What a call asks of the disk.
#[derive(PartialEq)]
enum Need {
    Room,
    Nothing,
}

/// Stands before each call.
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

/// A new file, which must not be there.
pub fn create_new(path: &Path, options: &mut OpenOptions) -> Result<File> {
    ranks::refuse_writing()?;
    step(Need::Room)?;
    options.write(true).create_new(true).open(path)
}

/// Stands before a file is opened that is made where it is not there.
pub fn asked() -> Result<()> {
    ranks::refuse_writing()?;
    step(Need::Room)
}

pub fn write(to: &mut impl Write, bytes: &[u8]) -> Result<usize> {
    step(Need::Room)?;
    to.write(bytes)
}

/// Cuts a file to what was there before a write failed.
pub fn cut(file: &File, length: u64) -> Result<()> {
    step(Need::Nothing)?;
    file.set_len(length)
}

/// Waits until a file is on the disk. Some file systems have no such call.
pub fn sync(file: &File) -> Result<()> {
    // what was written may get its place only now
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
    // elsewhere a folder can't be opened
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

/// Removes a folder with all that is in it; what a link in it leads to stays.
pub fn remove_folder(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { remove_folder(&entry.path())? } else { remove(&entry.path())? }
    }
    remove_empty(folder)
}
