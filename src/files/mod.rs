//! The gate to files: scripts open, write, list and remove files only through this module.
//!
//! Every path is checked against the [bounds](crate::limits) of the running script, which belong to its thread: open a file
//! there, and pass the open file to helper threads. Written files are complete (`whole.rs`) or absent, and files saved by levain
//! are verified against their [checksums](self::sums) on reading. `who` is always the function that errors name.

mod calls;
pub mod http;
mod part;
pub mod sums;
mod whole;

pub use part::clear_parts;
pub use whole::{Stage, begin, probe, settle, temporary_folder, write, write_all};

use crate::limits::{self, Bounds};
use crate::{Error, Result, bail, cancel, regular};
use memmap2::Mmap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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
    let file = open_as(who, OpenOptions::new().read(true), path)?;
    if sums::expected(who, path)?.is_some() {
        sums::verify(who, path, &mapped(&file).map_err(|error| Error::io(who, path, &error))?)?;
    }
    Ok(file)
}

/// Opens a file within the bounds; for confined scripts, ordinary files only.
fn open_as(who: &str, options: &OpenOptions, path: &Path) -> Result<File> {
    match limits::current().is_confined() {
        true => regular::open(who, options, path),
        false => options.open(path).map_err(|error| Error::io(who, path, &error)),
    }
}

/// An error where a file differs from what levain saved, according to the checksums of its folder.
pub fn verify(who: &str, path: &Path) -> Result<()> {
    if is_file(path) { open(who, path).map(drop) } else { Ok(()) }
}

/// All bytes of a file.
pub fn read(who: &str, path: &Path) -> Result<Vec<u8>> {
    readable(who, path)?;
    let mut file = open_as(who, OpenOptions::new().read(true), path)?;
    limits::room(who, file.metadata().map_or(0, |facts| facts.len()), path.display())?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| Error::io(who, path, &error))?;
    sums::verify(who, path, &bytes)?;
    Ok(bytes)
}

/// All bytes of a file; `None` if it does not exist.
pub fn read_if_there(who: &str, path: &Path) -> Result<Option<Vec<u8>>> {
    readable(who, path)?;
    match path.metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        _ => read(who, path).map(Some),
    }
}

/// The text of a file; invalid UTF-8 is an error that names the line.
pub fn text(who: &str, path: &Path) -> Result<String> {
    String::from_utf8(read(who, path)?).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        Error::new(who, format!("{}:{line}: not UTF-8", path.display()))
    })
}

/// Whether a file or folder exists. An unreadable one counts as missing.
pub fn exists(path: &Path) -> bool {
    limits::current().allow(path, false) && path.exists()
}

pub fn is_file(path: &Path) -> bool {
    limits::current().allow(path, false) && path.is_file()
}

pub fn is_folder(path: &Path) -> bool {
    limits::current().allow(path, false) && path.is_dir()
}

/// The contents of a folder, in name order.
pub fn list(who: &str, folder: &Path) -> Result<Vec<PathBuf>> {
    readable(who, folder)?;
    let entries = fs::read_dir(folder).map_err(|error| Error::io(who, folder, &error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// The names beside `path`, for suggestions in errors.
pub fn beside(path: &Path) -> Vec<String> {
    let names = list("list", folder_of(path)).unwrap_or_default();
    names.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_string())).collect()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The path without links and `..`, if it exists.
pub fn full(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

/// The modification time of a file.
pub fn modified(path: &Path) -> Option<std::time::SystemTime> {
    path.metadata().and_then(|facts| facts.modified()).ok()
}

/// Size of a file in bytes, if it exists.
pub fn size(path: &Path) -> Option<u64> {
    path.metadata().map(|facts| facts.len()).ok()
}

/// Creates a folder and its missing parents.
pub fn make_folder(who: &str, folder: &Path) -> Result<()> {
    make(who, folder, folder)
}

/// Creates a folder for `path`, which errors name.
fn make(who: &str, folder: &Path, path: &Path) -> Result<()> {
    writable(who, folder)?;
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(file) = folder.ancestors().find(|path| path.is_file()) {
        if file == path {
            bail!(who, "{} is a file, not a folder", file.display());
        }
        bail!(who, "{} can't be written: {} is a file, not a folder", path.display(), file.display());
    }
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|place| !place.as_os_str().is_empty() && !place.exists()).collect();
    for place in missing.into_iter().rev() {
        let made = match calls::make_folder(place) {
            // another process was faster
            Err(error) if error.kind() == ErrorKind::AlreadyExists && place.is_dir() => Ok(()),
            made => made.and_then(|()| calls::sync_folder(folder_of(place))),
        };
        made.map_err(|error| Error::io(who, path, &error))?;
    }
    Ok(())
}

/// Memory-maps a file for reading.
pub fn map(who: &str, path: &Path) -> Result<Mmap> {
    let file = open(who, path)?;
    if file.metadata().is_ok_and(|facts| facts.is_dir()) {
        bail!(who, "{} is a folder", path.display());
    }
    mapped(&file).map_err(|error| Error::io(who, path, &error))
}

/// Memory-maps an open file.
pub fn mapped(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the mapping is only read. Nobody may truncate the file while it is open; levain replaces files by renaming, which
    // leaves a mapping unchanged, and writes a scratch file only after the part that was read of it.
    unsafe { Mmap::map(file) }
}

/// Reads bytes at an offset of a file: threads that share it do not wait for one another.
#[cfg(unix)]
pub fn read_at(file: &File, start: u64, into: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, start)
}

/// Reads bytes at an offset of a file.
#[cfg(windows)]
pub fn read_at(file: &File, mut start: u64, mut into: &mut [u8]) -> std::io::Result<()> {
    while !into.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, into, start)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        start += count as u64;
        into = &mut into[count..];
    }
    Ok(())
}

/// An unnamed file, where the system supports it, to write and then to read from its start; closing it deletes it.
pub fn scratch(who: &str) -> Result<Counted<File>> {
    let made = tempfile::tempfile();
    made.map(Counted::new).map_err(|error| Error::new(who, format!("no temporary file can be made: {error}")))
}

/// Creates a new file; `None` if it exists: of several processes, one creates it.
pub fn create_new(who: &str, path: &Path) -> Result<Option<File>> {
    writable(who, path)?;
    make(who, folder_of(path), path)?;
    match calls::create_new(path, &mut OpenOptions::new()) {
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

/// The boot ID of the kernel: the same for all containers of a machine, new after each boot.
pub fn boot() -> Option<String> {
    let told = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(told.trim().to_string()).filter(|told| !told.is_empty())
}

/// Whether a process of this system may be running; true where that cannot be determined.
pub fn may_run(process: u32) -> bool {
    !Path::new("/proc/self").exists() || Path::new("/proc").join(process.to_string()).exists()
}

/// Opens a file for appending and reading; created if missing.
pub fn append(who: &str, path: &Path) -> Result<Counted<File>> {
    writable(who, path)?;
    make(who, folder_of(path), path)?;
    calls::asked().map_err(|error| Error::io(who, path, &error))?;
    open_as(who, OpenOptions::new().read(true).append(true).create(true), path).map(Counted::new)
}

/// Opens an existing file for reading and overwriting; `None` if it does not exist.
pub fn change(who: &str, path: &Path) -> Result<Option<File>> {
    writable(who, path)?;
    calls::asked().map_err(|error| Error::io(who, path, &error))?;
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(who, path, &error)),
    }
}

/// The time by the clock of a folder's file system, which may differ from this machine's; `None` where the folder is not
/// writable.
pub fn time_in(folder: &Path) -> Option<SystemTime> {
    writable("claim", folder).ok()?;
    tempfile::Builder::new()
        .prefix(".levain-")
        .suffix(".part")
        .tempfile_in(folder)
        .ok()?
        .as_file()
        .metadata()
        .ok()?
        .modified()
        .ok()
}

/// Time since a file was written, by the clock of its file system.
pub fn age(path: &Path) -> Option<Duration> {
    time_in(folder_of(path))?.duration_since(modified(path)?).ok()
}

/// A writer whose bytes count against the bounds of the script that opened it, on any thread, and that can be interrupted like a
/// loop.
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

    /// The underlying writer.
    pub fn into_inner(self) -> W {
        self.to
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let may = cancel::check().and_then(|()| self.bounds.write(bytes.len() as u64));
        may.map_err(std::io::Error::other)?;
        calls::write(&mut self.to, bytes)
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
pub fn sync(who: &str, path: &Path, file: &File) -> Result<()> {
    calls::sync(file).map_err(|error| Error::io(who, path, &error))
}

/// Truncates a file to its length before a failed write.
pub fn cut(who: &str, path: &Path, file: &File, length: u64) -> Result<()> {
    calls::cut(file, length).map_err(|error| Error::io(who, path, &error))
}

/// Renames a file or folder. The new name is on the disk after [`sync_names`].
pub fn rename(who: &str, from: &Path, to: &Path) -> Result<()> {
    writable(who, from)?;
    writable(who, to)?;
    calls::rename(from, to).map_err(|error| Error::io(who, to, &error))
}

/// Waits until the name of `path` in its folder is on the disk.
pub fn sync_names(who: &str, path: &Path) -> Result<()> {
    calls::sync_folder(folder_of(path)).map_err(|error| Error::io(who, path, &error))
}

pub fn remove(who: &str, path: &Path) -> Result<()> {
    writable(who, path)?;
    calls::remove(path).map_err(|error| Error::io(who, path, &error))
}

/// Removes a folder and its contents, if it exists.
pub fn remove_folder(who: &str, folder: &Path) -> Result<()> {
    writable(who, folder)?;
    match calls::remove_folder(folder) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(Error::io(who, folder, &error)),
    }
}
