//! Files that users' verbs write: whole, or not at all.

use crate::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes a file beside `path` and renames it when it is whole, so that a fault or a kill at any instant
/// leaves what was there. Folders on the way are made. `who` is the verb that errors name.
pub fn write(who: &str, path: &Path, fill: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>) -> Result<()> {
    let fault = |error: std::io::Error| Error::io(who, path, &error);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return Err(Error::new(who, format!("{} is a folder", path.display())));
    }
    std::fs::create_dir_all(folder).map_err(fault)?;
    let part = beside(folder).map_err(fault)?;
    let mut out = BufWriter::with_capacity(1 << 20, part);
    fill(&mut out)?;
    let part = out.into_inner().map_err(|error| fault(error.into_error()))?;
    part.persist(path).map_err(|error| fault(error.error))?;
    Ok(())
}

/// A temporary file with the rights of an ordinary one: tempfile's own are the owner's alone.
fn beside(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
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
