//! Downloads one file from a hub: skips existing data, and checks the result's size and hash.

use super::cache::Repo;
use super::name::Name;
use super::remote::{Remote, RemoteFile};
use crate::plot::progress::{Progress, Tick};
use crate::{Error, Result, cancel, text};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::thread;

/// Maximum number of retries without progress.
const TRIES: usize = 4;
/// Bytes per progress step.
const STEP: u64 = 1 << 20;

/// Downloads a file of a commit into the cache.
pub fn file(who: &str, remote: &Remote, repo: &Repo, name: &Name, sha: &str, file: &RemoteFile) -> Result<()> {
    if repo.has(sha, &file.path, file.size) {
        return Ok(());
    }
    if std::fs::metadata(repo.blob(&file.etag)).is_ok_and(|facts| facts.len() == file.size) {
        return repo.link(who, sha, &file.path, &file.etag);
    }
    let (place, part) = repo.incomplete(who, &file.etag)?;
    let mut download = Download { who, remote, name, sha, file, part };
    download.run()?;
    if let Err(error) = download.verify() {
        // a wrong partial download can't be completed
        let _ = std::fs::remove_file(&place);
        return Err(error);
    }
    repo.complete(who, &place, &download.part, &file.etag)?;
    repo.link(who, sha, &file.path, &file.etag)
}

struct Download<'a> {
    who: &'a str,
    remote: &'a Remote,
    name: &'a Name,
    sha: &'a str,
    file: &'a RemoteFile,
    part: File,
}

/// The reason why a transfer broke off.
enum Break {
    /// It may resume where it broke off.
    Again(Error),
    Final(Error),
}

impl Download<'_> {
    fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::new(self.who, format!("{} {}: {what}", self.name, self.file.path))
    }

    fn here(&self) -> Result<u64> {
        self.part.metadata().map(|facts| facts.len()).map_err(|error| self.error(error))
    }

    /// Downloads the whole file. A transfer that made progress resumes where it broke off; repeated transfers without progress
    /// are an error.
    fn run(&mut self) -> Result<()> {
        let label = format!("get {}", self.file.name());
        let start = self.here()?;
        let quiet = self.file.size < 4 * STEP;
        let progress = Progress::new(&label, self.file.size.div_ceil(STEP), start / STEP, quiet);
        let mut vain = 0;
        loop {
            let before = self.here()?;
            if before >= self.file.size {
                break;
            }
            let error = match self.transfer(before, &progress) {
                Ok(()) => continue,
                Err(Break::Final(error)) => return Err(error),
                Err(Break::Again(error)) => error,
            };
            vain = if self.here()? > before { 0 } else { vain + 1 };
            if vain == TRIES {
                return Err(error);
            }
            cancel::check()?;
            thread::sleep(self.remote.pause * (1 << vain));
        }
        progress.done();
        Ok(())
    }

    /// One request, starting at byte `from`.
    fn transfer(&mut self, from: u64, progress: &Progress) -> std::result::Result<(), Break> {
        let mut headers = self.remote.headers();
        if from > 0 {
            headers.push(("range", format!("bytes={from}-")));
        }
        let url = self.remote.url(self.name, self.sha, self.file);
        let answer = self.remote.client.get(self.who, &url, &headers).map_err(Break::Again)?;
        match answer.status {
            206 => self.check_range(from, answer.header("content-range"))?,
            // the whole file, regardless of the requested range
            200 => self.part.set_len(0).map_err(|error| Break::Final(self.error(error)))?,
            429 | 500..=599 => return Err(Break::Again(self.remote.refusal(self.name, Some(self.file), &answer))),
            _ => return Err(Break::Final(self.remote.refusal(self.name, Some(self.file), &answer))),
        }
        self.receive(answer.reader(), progress)
    }

    fn check_range(&self, from: u64, range: Option<&str>) -> std::result::Result<(), Break> {
        let start = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok());
        match start == Some(from) {
            true => Ok(()),
            false => Err(Break::Final(self.error(format!("the hub sent other bytes than those from {from} on")))),
        }
    }

    fn receive(&mut self, mut body: impl Read, progress: &Progress) -> std::result::Result<(), Break> {
        let mut buffer = vec![0; 1 << 16];
        let mut here = self.here().map_err(Break::Final)?;
        loop {
            cancel::check().map_err(Break::Final)?;
            let count = body.read(&mut buffer).map_err(|error| {
                let sizes = format!("after {} of {}", text::bytes(here), text::bytes(self.file.size));
                Break::Again(self.error(format!("the transfer stalled or broke off {sizes}: {error}")))
            })?;
            if count == 0 {
                break;
            }
            let after = here + count as u64;
            if after > self.file.size {
                let size = text::bytes(self.file.size);
                // the existing part does not fit the file
                let _ = self.part.set_len(0);
                return Err(Break::Final(self.error(format!("the hub sent more than the {size} that it announced"))));
            }
            self.part.write_all(&buffer[..count]).map_err(|error| Break::Final(self.error(error)))?;
            for _ in here / STEP..after / STEP {
                progress.tick(Tick { bytes: STEP, ..Tick::default() });
            }
            here = after;
        }
        if here < self.file.size {
            let sizes = format!("{} of {}", text::bytes(here), text::bytes(self.file.size));
            return Err(Break::Again(self.error(format!("the transfer ended after {sizes}"))));
        }
        Ok(())
    }

    /// Checks the file against the hash that the hub announced.
    fn verify(&mut self) -> Result<()> {
        let Some(wanted) = self.file.sha256.clone() else { return Ok(()) };
        let told = |download: &Self, error: std::io::Error| download.error(error);
        self.part.seek(SeekFrom::Start(0)).map_err(|error| told(self, error))?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            cancel::check()?;
            let count = self.part.read(&mut buffer).map_err(|error| told(self, error))?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
        }
        let made: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        match made == wanted {
            true => Ok(()),
            false => Err(self
                .error(format!("its sha256 is {made}, and the hub announced {wanted}"))
                .help("it was deleted: get it again, or from another HF_ENDPOINT")),
        }
    }
}
