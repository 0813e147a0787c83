//! Opens only ordinary files, for confined scripts: reading a pipe may block forever, a device has arbitrary driver behavior, and
//! a file of `/proc` is the process itself.

use crate::{Error, Result, bail};
use std::fs::{File, Metadata, OpenOptions};
use std::path::Path;

/// Opens a file; an error for anything but an ordinary file or a folder.
pub fn open(who: &str, options: &OpenOptions, path: &Path) -> Result<File> {
    // opening a device may have effects, so the kind is checked before
    if let Ok(facts) = path.metadata() {
        ordinary(who, path, &facts)?;
    }
    let mut options = options.clone();
    // a pipe that replaced the file meanwhile does not block
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).map_err(|error| Error::io(who, path, &error))?;
    ordinary(who, path, &file.metadata().map_err(|error| Error::io(who, path, &error))?)?;
    if is_of_kernel(&file) {
        bail!(who, "{} is a file of the system's kernel, not an ordinary file", path.display());
    }
    Ok(file)
}

/// An error where the metadata is not of an ordinary file or a folder.
fn ordinary(who: &str, path: &Path, facts: &Metadata) -> Result<()> {
    if facts.is_file() || facts.is_dir() {
        return Ok(());
    }
    let error = Error::new(who, format!("{} is {}, not an ordinary file", path.display(), kind(facts)));
    Err(error.help("a confined script opens nothing else"))
}

#[cfg(unix)]
fn kind(facts: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = facts.file_type();
    match () {
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_socket() => "a socket",
        _ if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "something else",
    }
}

#[cfg(not(unix))]
fn kind(_: &Metadata) -> &'static str {
    "something else"
}

/// Whether Linux generates a file on reading: `/proc`, `/sys` and similar report theirs as ordinary.
#[cfg(target_os = "linux")]
fn is_of_kernel(file: &File) -> bool {
    use std::os::fd::AsRawFd;
    // proc, sysfs, debugfs, tracefs, securityfs, cgroup, cgroup2, bpf, pstore, selinux, configfs, binfmt_misc, mqueue, devpts
    const KERNEL: [u32; 14] = [
        0x9fa0,
        0x6265_6572,
        0x6462_6720,
        0x7472_6163,
        0x7363_6673,
        0x0027_e0eb,
        0x6367_7270,
        0xcafe_4a11,
        0x6165_676c,
        0xf97c_ff8c,
        0x6265_6570,
        0x4249_4e4d,
        0x1980_0202,
        0x1cd1,
    ];
    // SAFETY: fstatfs fills the struct, for which zeros are valid, and the file is open
    let facts = unsafe {
        let mut facts: libc::statfs = std::mem::zeroed();
        (libc::fstatfs(file.as_raw_fd(), &raw mut facts) == 0).then_some(facts)
    };
    facts.is_some_and(|facts| KERNEL.contains(&(facts.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_of_kernel(_: &File) -> bool {
    false
}
