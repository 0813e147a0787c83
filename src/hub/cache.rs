//! The cache on disk, in the layout of Hugging Face's Python library: blobs by their hash, and a folder of links per commit.

use super::name::Name;
use crate::{Error, Result, files};
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// The folder of one repository.
pub struct Repo {
    pub folder: PathBuf,
}

/// A repository in the cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Its name in scripts.
    pub name: String,
    pub folder: PathBuf,
    pub bytes: u64,
    /// Its revisions, with their commits.
    pub refs: Vec<(String, String)>,
}

impl Repo {
    pub fn new(cache: &Path, name: &Name) -> Repo {
        Repo { folder: cache.join(name.folder()) }
    }

    pub fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    fn snapshot(&self, sha: &str) -> PathBuf {
        self.folder.join("snapshots").join(sha)
    }

    /// The path of a name's file or folder at this commit.
    pub fn place(&self, sha: &str, name: &Name) -> PathBuf {
        let snapshot = self.snapshot(sha);
        name.path.as_ref().map_or_else(|| snapshot.clone(), |path| snapshot.join(path))
    }

    /// The commit of a revision at its last lookup; a commit is returned unchanged.
    pub fn commit(&self, who: &str, revision: &str) -> Result<Option<String>> {
        if self.snapshot(revision).is_dir() {
            return Ok(Some(revision.to_string()));
        }
        let place = self.folder.join("refs").join(revision);
        match fs::read_to_string(&place) {
            Ok(sha) => Ok(Some(sha.trim().to_string()).filter(|sha| !sha.is_empty())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(who, &place, &error)),
        }
    }

    /// Stores the commit of a revision.
    pub fn set_ref(&self, who: &str, revision: &str, sha: &str) -> Result<()> {
        if revision == sha || self.commit(who, revision)?.as_deref() == Some(sha) {
            return Ok(());
        }
        let place = self.folder.join("refs").join(revision);
        make_parent(who, &place)?;
        let beside = place.with_file_name(format!(".{}.new", place.file_name().unwrap_or_default().to_string_lossy()));
        let written = fs::write(&beside, sha).and_then(|()| fs::rename(&beside, &place));
        written.map_err(|error| Error::io(who, &place, &error))
    }

    /// Whether a file of a commit is complete in the cache.
    pub fn has(&self, sha: &str, path: &str, size: u64) -> bool {
        fs::metadata(self.snapshot(sha).join(path)).is_ok_and(|facts| facts.is_file() && facts.len() == size)
    }

    /// Places a blob in a commit's folder: as a link, or as a copy if the system has no links.
    pub fn link(&self, who: &str, sha: &str, path: &str, etag: &str) -> Result<()> {
        let (place, blob) = (self.snapshot(sha).join(path), self.blob(etag));
        make_parent(who, &place)?;
        let told = |error| Error::io(who, &place, &error);
        match fs::remove_file(&place) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(told(error)),
            _ => {}
        }
        let up = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_))).count() + 1;
        let target: PathBuf = std::iter::repeat_n("..", up).collect::<PathBuf>().join("blobs").join(etag);
        if symlink(&target, &place).is_ok() {
            return Ok(());
        }
        fs::copy(&blob, &place).map(drop).map_err(told)
    }

    /// Opens the partial download of a blob, for one process at a time.
    pub fn incomplete(&self, who: &str, etag: &str) -> Result<(PathBuf, File)> {
        let place = self.folder.join("blobs").join(format!("{etag}.incomplete"));
        make_parent(who, &place)?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(&place);
        let file = file.map_err(|error| Error::io(who, &place, &error))?;
        // without locks, the second process ends with a hash error
        let _ = file.lock();
        Ok((place, file))
    }

    /// Turns a finished download into a blob.
    pub fn complete(&self, who: &str, part: &Path, file: &File, etag: &str) -> Result<()> {
        let blob = self.blob(etag);
        let done = file.sync_all().and_then(|()| fs::rename(part, &blob));
        done.map_err(|error| Error::io(who, &blob, &error))
    }
}

#[cfg(unix)]
fn symlink(target: &Path, place: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, place)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn make_parent(who: &str, place: &Path) -> Result<()> {
    let Some(folder) = place.parent() else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|error| Error::io(who, folder, &error))
}

/// The repositories in a cache, sorted by name.
pub fn held(who: &str, cache: &Path) -> Result<Vec<Held>> {
    if !cache.is_dir() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for folder in files::list(who, cache)? {
        let file = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = match file.split_once("--") {
            Some(("models", rest)) => format!("hf:{}", rest.replacen("--", "/", 1)),
            Some(("datasets", rest)) => format!("hf:datasets/{}", rest.replacen("--", "/", 1)),
            _ => continue,
        };
        let bytes = size(&folder.join("blobs"));
        let mut refs = Vec::new();
        read_refs(&folder.join("refs"), "", &mut refs);
        refs.sort();
        all.push(Held { name, folder, bytes, refs });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Removes a repository from a cache; false if it is not in it.
pub fn remove(who: &str, cache: &Path, name: &Name) -> Result<bool> {
    let folder = Repo::new(cache, name).folder;
    match fs::remove_dir_all(&folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(who, &folder, &error)),
    }
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|facts| facts.len()).sum()
}

fn read_refs(folder: &Path, before: &str, refs: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{before}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read_refs(&entry.path(), &format!("{name}/"), refs);
        } else if let Ok(sha) = fs::read_to_string(entry.path()) {
            refs.push((name, sha.trim().to_string()));
        }
    }
}
