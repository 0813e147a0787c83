//! Atomic writes: the files of a function are complete or absent, even after a kill.
//!
//! A single file is written beside its destination under a temporary name, synced to the disk, and renamed. Several files of one
//! folder are written to a temporary folder inside it, which is renamed to `.levain-commit` when all of them are on the disk:
//! from then on they are committed, and the next process to come, this one or another, moves them to their destinations.

use super::part::{Part, sweep};
use super::sums::{self, SUMS, Sum};
use super::{Counted, calls, folder_of, make, open_as, writable};
use crate::{Error, Result, bail, progress, ranks};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Committed files that are not yet at their destinations.
const COMMIT: &str = ".levain-commit";
/// In it: names of files to remove when these arrive.
const REMOVED: &str = ".levain-removed";
/// Maximum number of other processes' commits moved before ours.
const TRIES: usize = 100;
const BUFFER: usize = 1 << 20;
/// Maximum time that the other ranks wait until files are at their destinations.
const MOVED_WITHIN: Duration = Duration::from_secs(60);

/// Writes a file beside `path` and renames it when it is complete, so that a fault or a kill at any instant leaves the previous
/// file. Missing parent folders are created. A link is followed; a device or a pipe is written to directly.
///
/// Of several ranks, rank 0 writes it and the others wait.
pub fn write(who: &str, path: &Path, fill: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>) -> Result<()> {
    ranks::first(&format!("{who} {}", path.display()), || write_here(who, path, fill))
}

fn write_here(who: &str, path: &Path, fill: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>) -> Result<()> {
    let fault = |error: io::Error| Error::io(who, path, &error);
    writable(who, path)?;
    if path.is_dir() {
        return Err(Error::new(who, format!("{} is a folder", path.display())));
    }
    let place = if path.is_symlink() { path.canonicalize().unwrap_or(path.into()) } else { path.into() };
    if place.exists() && !place.is_file() {
        let mut out = BufWriter::new(Counted::new(open_as(who, OpenOptions::new().write(true), &place)?));
        fill(&mut out)?;
        return out.flush().map_err(fault);
    }
    let folder = folder_of(&place);
    make(who, folder, path)?;
    let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if matches!(sums::read_table(folder), Ok(Some(table)) if table.contains_key(name)) {
        let stage = Stage::begin(who, folder)?;
        stage.write(name, fill)?;
        return stage.commit();
    }
    sweep(folder);
    let part = Part::file(folder).map_err(fault)?;
    filled(part.open().map_err(fault)?, &fault, fill)?;
    if let Ok(facts) = place.metadata() {
        // a file readable by its owner alone stays so
        fs::set_permissions(part.path(), facts.permissions()).map_err(fault)?;
    }
    part.rename(&place).map_err(|(_, error)| fault(error))?;
    calls::sync_folder(folder).map_err(fault)
}

/// [`write`] of bytes in memory.
pub fn write_all(who: &str, path: &Path, bytes: &[u8]) -> Result<()> {
    write(who, path, |out| out.write_all(bytes).map_err(|error| Error::io(who, path, &error)))
}

/// An error where a later write to the file would fail; changes nothing.
pub fn probe(who: &str, path: &Path) -> Result<()> {
    ranks::first(&format!("{who} {}", path.display()), || probe_here(who, path))
}

fn probe_here(who: &str, path: &Path) -> Result<()> {
    writable(who, path)?;
    make(who, folder_of(path), path)?;
    match path.exists() {
        true if path.is_dir() => Err(Error::new(who, format!("{} is a folder", path.display()))),
        true if !path.is_file() => Ok(()),
        _ => Part::file(folder_of(path)).map(drop).map_err(|error| Error::io(who, path, &error)),
    }
}

/// A folder inside `folder`, removed when the result is dropped: on the same disk, with the same write permissions. Leftovers of
/// a killed process are removed by the next process that writes there.
pub fn temporary_folder(who: &str, folder: &Path) -> Result<Part> {
    writable(who, folder)?;
    sweep(folder);
    Part::folder(folder).map_err(|error| Error::io(who, folder, &error))
}

/// Replaces the file at `path` with a new file of these bytes, open for appending.
pub fn begin(who: &str, path: &Path, first: &[u8]) -> Result<Counted<File>> {
    let fault = |error: io::Error| Error::io(who, path, &error);
    writable(who, path)?;
    make(who, folder_of(path), path)?;
    if path.exists() && !path.is_file() {
        let mut file = Counted::new(open_as(who, OpenOptions::new().write(true), path)?);
        file.write_all(first).map_err(fault)?;
        return Ok(file);
    }
    sweep(folder_of(path));
    let part = Part::file(folder_of(path)).map_err(fault)?;
    filled(part.open().map_err(fault)?, &fault, |out| out.write_all(first).map_err(fault))?;
    let file = part.rename(path).map_err(|(_, error)| fault(error))?;
    calls::sync_folder(folder_of(path)).map_err(fault)?;
    file.map(Counted::new).ok_or_else(|| fault(io::Error::from(ErrorKind::NotFound)))
}

/// Fills a file and waits until it is on the disk.
fn filled(
    file: &File,
    fault: &dyn Fn(io::Error) -> Error,
    fill: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
) -> Result<Sum> {
    let mut out =
        Summed { to: BufWriter::with_capacity(BUFFER, Counted::new(file)), hasher: Default::default(), bytes: 0 };
    fill(&mut out)?;
    out.flush().map_err(fault)?;
    calls::sync(file).map_err(fault)?;
    Ok(Sum { bytes: out.bytes, crc32: out.hasher.finalize() })
}

/// Computes the checksum of the bytes written through it.
struct Summed<W> {
    to: W,
    hasher: crc32fast::Hasher,
    bytes: u64,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Files of one folder that are committed together.
pub struct Stage<'a> {
    who: &'a str,
    folder: &'a Path,
    /// Where they are written; `None`: in the folder itself, which is new.
    part: Option<Part>,
    /// The result replaces the folder, and has no checksums: people will edit its files.
    is_start: bool,
    sums: RefCell<BTreeMap<String, Sum>>,
    removed: Vec<String>,
}

impl<'a> Stage<'a> {
    /// An empty stage. Creates the folder; its contents do not change before the commit.
    pub fn begin(who: &'a str, folder: &'a Path) -> Result<Stage<'a>> {
        if folder.is_file() {
            bail!(who, "{} is a file, not a folder", folder.display());
        }
        make(who, folder, folder)?;
        settle(who, folder)?;
        sweep(folder);
        let part = Part::folder(folder).map_err(|error| Error::io(who, folder, &error))?;
        Ok(Stage { who, folder, part: Some(part), is_start: false, sums: RefCell::default(), removed: Vec::new() })
    }

    /// A new folder, which nobody reads before it is complete.
    pub fn begin_new(who: &'a str, folder: &'a Path) -> Result<Stage<'a>> {
        make(who, folder_of(folder), folder)?;
        // its name is synced to the disk when it has its final one
        calls::make_folder(folder).map_err(|error| Error::io(who, folder, &error))?;
        Ok(Stage { who, folder, part: None, is_start: false, sums: RefCell::default(), removed: Vec::new() })
    }

    /// A new folder for people to edit, without checksums: it appears when it is complete.
    pub fn begin_start(who: &'a str, folder: &'a Path) -> Result<Stage<'a>> {
        make(who, folder_of(folder), folder)?;
        sweep(folder_of(folder));
        let part = Part::folder(folder_of(folder)).map_err(|error| Error::io(who, folder, &error))?;
        Ok(Stage { who, folder, part: Some(part), is_start: true, sums: RefCell::default(), removed: Vec::new() })
    }

    /// Writes one of the files. The name may include a subfolder.
    pub fn write(&self, name: &str, fill: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>) -> Result<()> {
        let fault = |error: io::Error| Error::io(self.who, self.folder.join(name), &error);
        let path = self.part.as_ref().map_or(self.folder, Part::path).join(name);
        make(self.who, folder_of(&path), &self.folder.join(name))?;
        let file = calls::create_new(&path, &mut OpenOptions::new()).map_err(fault)?;
        let sum = filled(&file, &fault, fill)?;
        if let Ok(facts) = self.folder.join(name).metadata() {
            fs::set_permissions(&path, facts.permissions()).map_err(fault)?;
        }
        self.sums.borrow_mut().insert(name.to_string(), sum);
        Ok(())
    }

    /// [`Stage::write`] of bytes in memory.
    pub fn write_all(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let fault = |error: io::Error| Error::io(self.who, self.folder.join(name), &error);
        self.write(name, |out| out.write_all(bytes).map_err(fault))
    }

    /// Creates a subfolder, which may stay empty.
    pub fn make_folder(&self, name: &str) -> Result<()> {
        let path = self.part.as_ref().map_or(self.folder, Part::path).join(name);
        make(self.who, &path, &self.folder.join(name))
    }

    /// The path that an error of a file names.
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Marks a file of the folder for removal on commit.
    pub fn remove(&mut self, name: &str) {
        self.removed.push(name.to_string());
    }

    /// Commits the files: moves all of them to their destinations, even if a kill interrupts it.
    pub fn commit(mut self) -> Result<()> {
        let (who, folder) = (self.who, self.folder);
        let fault = |error: io::Error| Error::io(who, folder, &error);
        if self.is_start {
            let Some(part) = self.part else { return Ok(()) };
            let renamed = part.rename(folder).map_err(|(_, error)| error);
            return renamed.and_then(|_| calls::sync_folder(folder_of(folder))).map_err(fault);
        }
        self.add_sums()?;
        if !self.removed.is_empty() {
            let names = std::mem::take(&mut self.removed).join("\n");
            self.write_all(REMOVED, names.as_bytes())?;
        }
        let Some(mut part) = self.part else { return calls::sync_folder(folder).map_err(fault) };
        calls::sync_folder(part.path()).map_err(fault)?;
        for _ in 0..TRIES {
            settle(who, folder)?;
            part = match part.rename(&folder.join(COMMIT)) {
                Ok(_) => {
                    calls::sync_folder(folder).map_err(fault)?;
                    return settle(who, folder);
                }
                // another process saves into the same folder
                Err((part, error))
                    if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) =>
                {
                    part
                }
                Err((_, error)) => return Err(fault(error)),
            };
        }
        bail!(who, "{}: other processes save into it all the time", folder.display())
    }

    /// Adds the checksums, with those of other files of the folder.
    fn add_sums(&self) -> Result<()> {
        let mut known = match sums::read_table(self.folder) {
            Ok(table) => table.unwrap_or_default(),
            Err(what) => {
                progress::warn(self.who, format_args!("{what}: it is written anew, without the files saved earlier"));
                BTreeMap::new()
            }
        };
        known.retain(|name, _| !self.removed.contains(name));
        known.extend(self.sums.borrow().iter().map(|(name, sum)| (name.clone(), *sum)));
        self.write_all(SUMS, (sums::table(known) + "\n").as_bytes())
    }
}

/// Moves committed files of a folder to their destinations after a kill interrupted it.
pub fn settle(who: &str, folder: &Path) -> Result<()> {
    let from = folder.join(COMMIT);
    // a link may point anywhere
    let is_pending = || from.symlink_metadata().is_ok_and(|facts| facts.is_dir());
    if !is_pending() {
        return Ok(());
    }
    if !ranks::is_first() {
        // rank 0 also gets here, and moves them
        let begun = Instant::now();
        while is_pending() && begun.elapsed() < MOVED_WITHIN {
            thread::sleep(Duration::from_millis(20));
        }
        return Ok(());
    }
    writable(who, &from)?;
    let settled = move_all(&from, folder).and_then(|()| {
        let names = fs::read_to_string(from.join(REMOVED)).unwrap_or_default();
        // names of files of this folder alone: it may come from anywhere
        for name in names.lines().filter(|name| Path::new(name).file_name().is_some_and(|own| own == *name)) {
            if_there(calls::remove(&folder.join(name)))?;
        }
        if_there(calls::remove(&from.join(REMOVED)))?;
        // no need to wait for the disk: all of this would be repeated
        if_there(calls::remove_empty(&from))
    });
    settled.map_err(|error| {
        let what = format!("{}: a save was cut off, and can't be completed: {error}", folder.display());
        Error::new(who, what).help(format!("the files of {} belong into the folder", from.display()))
    })
}

fn move_all(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries.into_iter().filter(|entry| entry.file_name() != REMOVED) {
        let place = to.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            if_there(calls::rename(&entry.path(), &place))?;
            continue;
        }
        match calls::make_folder(&place) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made?,
        }
        move_all(&entry.path(), &place)?;
        if_there(calls::remove_empty(&entry.path()))?;
    }
    Ok(())
}

/// Ignores a step that another process has already done.
fn if_there(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
