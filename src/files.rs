//! The gate to files: nothing else of what scripts can call opens, writes, lists or removes one.
//!
//! Every path is held against the [bounds](crate::limits) of the running script, which are those of its thread: open
//! a file there, and take the open file to helper threads. What verbs write is there whole, or not at all.
//! `who` is always the verb that errors name.

use crate::limits::{self, Bounds};
use crate::{Error, Result, bail, cancel};
use memmap2::Mmap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An error where the running script may not read `path`.
pub fn readable(who: &str, path: &Path) -> Result<()> {
    permitted(who, path, false)
}

/// An error where the running script may not write `path`.
pub fn writable(who: &str, path: &Path) -> Result<()> {
    permitted(who, path, true)
}

fn permitted(who: &str, path: &Path, write: bool) -> Result<()> {
    let bounds = limits::current();
    if bounds.allow(path, write) {
        return Ok(());
    }
    let verb = if write { "written" } else { "read" };
    let error = Error::new(who, format!("{} may not be {verb} by this script", path.display()));
    let places = bounds.roots().iter().filter(|root| root.writable || !write);
    let places: Vec<String> = places.map(|root| root.path.display().to_string()).collect();
    Err(match places.as_slice() {
        [] => error.help("it runs without any files"),
        places => error.help(format!("what may be {verb} is below {}", places.join(", "))),
    })
}

/// Opens a file for reading.
pub fn open(who: &str, path: &Path) -> Result<File> {
    readable(who, path)?;
    File::open(path).map_err(|error| Error::io(who, path, &error))
}

/// All bytes of a file.
pub fn read(who: &str, path: &Path) -> Result<Vec<u8>> {
    readable(who, path)?;
    let size = fs::metadata(path).map_or(0, |facts| facts.len());
    limits::room(who, size)?;
    fs::read(path).map_err(|error| Error::io(who, path, &error))
}

/// All bytes of a file; none where it is not there.
pub fn read_if_there(who: &str, path: &Path) -> Result<Option<Vec<u8>>> {
    readable(who, path)?;
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(who, path, &error)),
    }
}

/// The text of a file; not UTF-8 is an error that names the line.
pub fn text(who: &str, path: &Path) -> Result<String> {
    String::from_utf8(read(who, path)?).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        Error::new(who, format!("{}:{line}: not UTF-8", path.display()))
    })
}

/// Whether a file or folder is there. What may not be read is not there.
pub fn exists(path: &Path) -> bool {
    limits::current().allow(path, false) && path.exists()
}

pub fn is_file(path: &Path) -> bool {
    limits::current().allow(path, false) && path.is_file()
}

pub fn is_folder(path: &Path) -> bool {
    limits::current().allow(path, false) && path.is_dir()
}

/// What is in a folder, in name order.
pub fn list(who: &str, folder: &Path) -> Result<Vec<PathBuf>> {
    readable(who, folder)?;
    let entries = fs::read_dir(folder).map_err(|error| Error::io(who, folder, &error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// The names beside `path`, for what was probably meant.
pub fn beside(path: &Path) -> Vec<String> {
    let names = list("list", folder_of(path)).unwrap_or_default();
    names.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_string())).collect()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The path without links and `..`, where it is there.
pub fn full(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

/// When a file was written last.
pub fn modified(path: &Path) -> Option<std::time::SystemTime> {
    path.metadata().and_then(|facts| facts.modified()).ok()
}

/// Bytes of a file, where it is there.
pub fn size(path: &Path) -> Option<u64> {
    path.metadata().map(|facts| facts.len()).ok()
}

/// Makes a folder, and those on the way.
pub fn make_folder(who: &str, folder: &Path) -> Result<()> {
    make(who, folder, folder)
}

/// Makes a folder for `path`, which errors name.
fn make(who: &str, folder: &Path, path: &Path) -> Result<()> {
    writable(who, folder)?;
    fs::create_dir_all(folder).map_err(|error| match folder.ancestors().find(|path| path.is_file()) {
        Some(file) => Error::new(who, format!("{} is a file, not a folder", file.display())),
        None => Error::io(who, path, &error),
    })
}

/// A folder inside of `folder` that is removed when the result is dropped: on the same disk, and with the same
/// rights to write.
pub fn temporary_folder(who: &str, folder: &Path) -> Result<tempfile::TempDir> {
    writable(who, folder)?;
    tempfile::Builder::new().prefix(".levain-").tempdir_in(folder).map_err(|error| Error::io(who, folder, &error))
}

/// A file to read as if it were memory.
pub fn map(who: &str, path: &Path) -> Result<Mmap> {
    let file = open(who, path)?;
    if file.metadata().is_ok_and(|facts| facts.is_dir()) {
        bail!(who, "{} is a folder", path.display());
    }
    mapped(&file).map_err(|error| Error::io(who, path, &error))
}

/// An open file as if it were memory.
pub fn mapped(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the mapping is only read. Nobody may cut the file while it is open; we ourselves replace files by
    // renaming, which leaves a mapping as it was, and write a scratch file only behind what was read of it.
    unsafe { Mmap::map(file) }
}

/// A file without a name, where the system keeps such, to write and then to read from its start; it is gone when it
/// is closed.
pub fn scratch(who: &str) -> Result<Counted<File>> {
    let made = tempfile::tempfile();
    made.map(Counted::new).map_err(|error| Error::new(who, format!("no temporary file can be made: {error}")))
}

/// A new file, empty, in place of what is there.
pub fn create(who: &str, path: &Path) -> Result<Counted<File>> {
    writable(who, path)?;
    make(who, folder_of(path), path)?;
    File::create(path).map(Counted::new).map_err(|error| Error::io(who, path, &error))
}

/// A new file, or nothing where there is one already: of several processes one makes it.
pub fn create_new(who: &str, path: &Path) -> Result<Option<File>> {
    writable(who, path)?;
    make(who, folder_of(path), path)?;
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(Error::io(who, path, &error)),
    }
}

/// The name of this machine.
pub fn host() -> String {
    let told =
        ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().find_map(|path| fs::read_to_string(path).ok());
    let told = told.or_else(|| ["COMPUTERNAME", "HOSTNAME"].into_iter().find_map(|name| std::env::var(name).ok()));
    told.map_or_else(|| "this machine".into(), |name| name.trim().to_string())
}

/// A file to write behind its end, which may be read too; made where it is not there.
pub fn append(who: &str, path: &Path) -> Result<Counted<File>> {
    writable(who, path)?;
    make(who, folder_of(path), path)?;
    let opened = OpenOptions::new().read(true).append(true).create(true).open(path);
    opened.map(Counted::new).map_err(|error| Error::io(who, path, &error))
}

/// What is written through it counts against the bounds of the script that opened it, on whichever thread, and can be
/// stopped as a loop can.
#[derive(Debug)]
pub struct Counted<W> {
    to: W,
    bounds: Bounds,
}

impl<W> Counted<W> {
    fn new(to: W) -> Counted<W> {
        Counted { to, bounds: limits::current() }
    }

    pub fn get_ref(&self) -> &W {
        &self.to
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.to
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let may = cancel::check().and_then(|()| self.bounds.write(bytes.len() as u64));
        may.map_err(std::io::Error::other)?;
        self.to.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

impl<W: Read> Read for Counted<W> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.to.read(bytes)
    }
}

impl<W: Seek> Seek for Counted<W> {
    fn seek(&mut self, place: SeekFrom) -> std::io::Result<u64> {
        self.to.seek(place)
    }
}

/// Waits until a file is on the disk.
pub fn sync(who: &str, path: &Path) -> Result<()> {
    open(who, path)?.sync_all().map_err(|error| Error::io(who, path, &error))
}

pub fn rename(who: &str, from: &Path, to: &Path) -> Result<()> {
    writable(who, from)?;
    writable(who, to)?;
    fs::rename(from, to).map_err(|error| Error::io(who, to, &error))
}

pub fn remove(who: &str, path: &Path) -> Result<()> {
    writable(who, path)?;
    fs::remove_file(path).map_err(|error| Error::io(who, path, &error))
}

/// Removes a folder with all that is in it, if it is there.
pub fn remove_folder(who: &str, folder: &Path) -> Result<()> {
    writable(who, folder)?;
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(Error::io(who, folder, &error)),
    }
}

/// Writes a file beside `path` and renames it when it is whole, so that a fault or a kill at any instant
/// leaves what was there. Folders on the way are made.
pub fn write(who: &str, path: &Path, fill: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>) -> Result<()> {
    let fault = |error: std::io::Error| Error::io(who, path, &error);
    writable(who, path)?;
    if path.is_dir() {
        return Err(Error::new(who, format!("{} is a folder", path.display())));
    }
    let folder = folder_of(path);
    make(who, folder, path)?;
    let part = part_in(folder).map_err(fault)?;
    let mut out = BufWriter::with_capacity(1 << 20, Counted::new(part));
    fill(&mut out)?;
    let part = out.into_inner().map_err(|error| fault(error.into_error()))?.into_inner();
    part.persist(path).map_err(|error| fault(error.error))?;
    Ok(())
}

/// A temporary file with the rights of an ordinary one: tempfile's own are the owner's alone.
fn part_in(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".levain-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// [`write`] of what is all there.
pub fn write_all(who: &str, path: &Path, bytes: &[u8]) -> Result<()> {
    write(who, path, |out| out.write_all(bytes).map_err(|error| Error::io(who, path, &error)))
}
