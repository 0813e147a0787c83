//! Zip archives, by the crate of that name: a list of the files at the end, with their positions. Stored, deflated, or compressed
//! by zstd.

use super::{Budget, FilePosition, Input, LIST, Member, Members, is_own};
use crate::data::read::charset;
use crate::{Error, Result, limits, progress};
use self_cell::{MutBorrow, self_cell};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zip::read::ZipFile;
use zip::result::ZipError;
use zip::{SUPPORTED_COMPRESSION_METHODS, ZipArchive};

/// Bytes of the list between two memory checks, and its factor in memory.
const LOOK: u64 = 1 << 20;
const TIMES: u64 = 16;

/// The file, whose bytes are counted until the list is read.
#[derive(Clone)]
struct Body(Arc<Counted>);

struct Counted {
    file: File,
    listed: AtomicU64,
    place: FilePosition,
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = (&self.0.file).read(into)?;
        self.0.count(count as u64).map_err(std::io::Error::other)?;
        Ok(count)
    }
}

impl Seek for Body {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        (&self.0.file).seek(to)
    }
}

impl Counted {
    fn count(&self, bytes: u64) -> Result<()> {
        let listed = self.listed.load(Ordering::Relaxed);
        // the list has been read
        if listed > LIST {
            return Ok(());
        }
        let now = listed + bytes;
        self.listed.store(now, Ordering::Relaxed);
        if now > LIST {
            return Err(self.place.error("its list of files takes more than 1 GB"));
        }
        if now / LOOK > listed / LOOK {
            limits::room(self.place.who, TIMES * LOOK, self.place.path.display())?;
        }
        Ok(())
    }
}

type Opened<'f> = ZipFile<'f, Body>;

self_cell!(
    /// The archive's current file, together with the archive.
    struct Owned {
        owner: MutBorrow<ZipArchive<Body>>,
        #[not_covariant]
        dependent: Opened,
    }
);

/// The contents of a file; errors name it.
struct Content {
    file: Owned,
    name: String,
    place: FilePosition,
}

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.with_dependent_mut(|_, file| file.read(into));
        count.map_err(|error| std::io::Error::other(broken(&self.place, &self.name, error)))
    }
}

pub fn members(file: File, budget: &Budget, place: &FilePosition) -> Result<Members> {
    let body = Body(Arc::new(Counted { file, listed: AtomicU64::new(0), place: place.clone() }));
    let archive = ZipArchive::new(body.clone()).map_err(|error| no_zip(place, error))?;
    body.0.listed.store(u64::MAX, Ordering::Relaxed);
    if archive.has_duplicate_names() {
        let what = "files have the name of another in it: the last of a name is read, as when it is unpacked";
        progress::warn(place.who, format!("{}: {what}", place.path.display()));
    }
    let (budget, place) = (budget.clone(), place.clone());
    let each = (0..archive.len()).map(move |at| member(&archive, at, &budget, &place));
    Ok(Box::new(each.filter_map(Result::transpose)))
}

fn no_zip(place: &FilePosition, error: ZipError) -> Error {
    match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => place.io(&error),
        ZipError::UnsupportedArchive(what) => place.error(format!("such zip files are not read: {what}")),
        error => place.error(format!("it is no zip file, or its end is missing ({error})")),
    }
}

fn broken(place: &FilePosition, name: &str, error: impl Into<std::io::Error>) -> Error {
    let error = error.into();
    match error.to_string() {
        _ if is_own(&error) => place.io(&error),
        what if what == "Invalid checksum" => {
            place.error(format!("{name}: broken zip: it is not what its checksum says"))
        }
        what => place.error(format!("{name}: broken zip: {what}")),
    }
}

/// A file of the list; `None` if it is a folder.
fn member(archive: &ZipArchive<Body>, at: usize, budget: &Budget, place: &FilePosition) -> Result<Option<Member>> {
    let entry = archive.by_index_data(at).map_err(|error| broken(place, "a file", error))?;
    let raw = entry.name_raw();
    if raw.ends_with(b"/") || raw.ends_with(b"\\") {
        return Ok(None);
    }
    let name = match std::str::from_utf8(raw) {
        Ok(name) => name.to_string(),
        // from an older program, in the encoding of its system
        Err(_) => charset::lossy(raw, None),
    };
    let refused = |what: String| Err(place.error(format!("{name}: {what}")).help("unpack it, and read the folder"));
    if entry.encrypted() {
        return refused("it is encrypted, and there is no password here".into());
    }
    if !SUPPORTED_COMPRESSION_METHODS.contains(&entry.compression()) {
        let method = entry.compression();
        return refused(format!("it is packed by method {method}, and what is read is stored, deflated or by zstd"));
    }
    let opened = Owned::try_new(MutBorrow::new(archive.clone()), |archive| archive.borrow_mut().by_index(at));
    let file = opened.map_err(|error| broken(place, &name, error))?;
    let content: Input = Box::new(Content { file, name: name.clone(), place: place.clone() });
    Ok(Some(Member { name, input: budget.guard(content) }))
}
