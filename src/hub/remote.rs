//! A hub's API for repositories.

use super::name::Name;
use super::settings::Settings;
use crate::files::http::{Answer, Client};
use crate::{Error, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Maximum size of a file list.
const LISTED: usize = 64 << 20;
/// Maximum number of pages of a file list.
const PAGES: usize = 1000;

pub struct Remote {
    who: String,
    pub client: Client,
    endpoint: String,
    token: Option<String>,
    /// Pause before the first retry of a request without progress; doubles with each retry.
    pub pause: Duration,
}

/// A file of a repository, as the hub describes it.
#[derive(Clone, Debug)]
pub struct RemoteFile {
    pub path: String,
    pub size: u64,
    /// The name of its blob in the cache: sha256 for large files, git's hash otherwise.
    pub etag: String,
    pub sha256: Option<String>,
}

/// The reason for a failed request: the hub could not be reached, or it refused.
pub enum Fault {
    Away(Error),
    Told(Error),
}

impl Remote {
    pub fn new(who: &str, settings: &Settings) -> Remote {
        let (endpoint, token) = (settings.endpoint.clone(), settings.token.clone());
        Remote { who: who.into(), client: Client::new(settings.wait), endpoint, token, pause: settings.pause }
    }

    /// Headers of every request.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let token = self.token.iter().map(|token| ("authorization", format!("Bearer {token}")));
        token.chain([("accept-encoding", "identity".to_string())]).collect()
    }

    /// The commit of a revision.
    pub fn commit(&self, name: &Name) -> std::result::Result<String, Fault> {
        let url = format!("{}/api/{}/{}/revision/{}", self.endpoint, name.prefixes()[0], name.repo, name.revision);
        let answer = self.client.get(&self.who, &url, &self.headers()).map_err(Fault::Away)?;
        if answer.status >= 500 {
            return Err(Fault::Away(self.refusal(name, None, &answer)));
        }
        if answer.status != 200 {
            return Err(Fault::Told(self.refusal(name, None, &answer)));
        }
        let json = self.json(answer).map_err(Fault::Told)?;
        match json["sha"].as_str() {
            Some(sha) if is_sha(sha) => Ok(sha.to_string()),
            _ => Err(Fault::Told(Error::new(&self.who, format!("{name}: the hub names no commit")))),
        }
    }

    /// All files at a commit.
    pub fn files(&self, name: &Name, sha: &str) -> Result<Vec<RemoteFile>> {
        let base = format!("{}/api/{}/{}/tree/{sha}", self.endpoint, name.prefixes()[0], name.repo);
        let mut next = Some(format!("{base}?recursive=true&expand=false"));
        let (mut files, mut pages) = (Vec::new(), 0);
        while let Some(url) = next.take() {
            pages += 1;
            let answer = self.client.get(&self.who, &url, &self.headers())?;
            if answer.status != 200 {
                return Err(self.refusal(name, None, &answer));
            }
            // the next page must be on the same hub
            next = answer
                .header("link")
                .and_then(next_page)
                .filter(|url| url.starts_with(&self.endpoint) && pages < PAGES);
            let Value::Array(list) = self.json(answer)? else {
                bail!(self.who.as_str(), "{name}: the hub lists no files")
            };
            files.extend(list.iter().filter_map(RemoteFile::read));
        }
        Ok(files)
    }

    fn json(&self, answer: Answer) -> Result<Value> {
        let bytes = answer.bytes(&self.who, LISTED)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::new(&self.who, format!("{}: no JSON: {error}", self.endpoint)))
    }

    pub fn url(&self, name: &Name, sha: &str, file: &RemoteFile) -> String {
        format!("{}/{}{}/resolve/{sha}/{}", self.endpoint, name.prefixes()[1], name.repo, encoded(&file.path))
    }

    /// The error for an unsuccessful response.
    pub fn refusal(&self, name: &Name, file: Option<&RemoteFile>, answer: &Answer) -> Error {
        let code = answer.header("x-error-code").unwrap_or_default().to_string();
        let page = format!("{}/{}{}", self.endpoint, name.prefixes()[1], name.repo);
        let of_file = file.is_some();
        let file = file.map(|file| format!(" {}", file.path)).unwrap_or_default();
        let error = |what: &str| Error::new(&self.who, format!("{name}{file}: {what}"));
        let login = match self.token {
            Some(_) => "the token in HF_TOKEN has to have access",
            None => "HF_TOKEN is the token of an account that has access",
        };
        match (answer.status, code.as_str()) {
            (401 | 403, "GatedRepo") => {
                error("access is granted on request").help(format!("ask for it at {page}; {login}"))
            }
            (_, "RevisionNotFound") => error(&format!("there is no revision `{}`", name.revision)),
            (401 | 404, _) if !of_file && (code.is_empty() || code == "RepoNotFound") => {
                error("there is no such repository, or it is private")
                    .help(format!("the name is that of {page}; {login}"))
            }
            (401 | 403, _) => error("access is denied").help(login.to_string()),
            (404, _) => error("there is no such file"),
            (429, _) => error("the hub has had too many requests from here: try again later"),
            (status, _) => error(&format!("the hub answered with status {status}")),
        }
    }
}

fn is_sha(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The URL of `<…>; rel="next"`.
fn next_page(link: &str) -> Option<String> {
    let part = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    Some(part.split_once('<')?.1.split_once('>')?.0.to_string())
}

/// A path encoded for a URL.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl RemoteFile {
    /// Its name, without its folder.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// `None` for folders, and for invalid entries: a path that leads outside, a malformed hash.
    fn read(entry: &Value) -> Option<RemoteFile> {
        let path = entry["path"].as_str().filter(|_| entry["type"] == "file")?;
        let inside = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':']);
        if Path::new(path).is_absolute() || !path.split('/').all(inside) {
            return None;
        }
        let lfs = &entry["lfs"];
        let sha256 = lfs["oid"].as_str().map(|oid| oid.trim_start_matches("sha256:").to_lowercase());
        let etag = sha256.clone().or_else(|| entry["oid"].as_str().map(str::to_string))?;
        let hash = etag.len() >= 8 && etag.len() <= 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = lfs["size"].as_u64().or_else(|| entry["size"].as_u64())?;
        hash.then(|| RemoteFile { path: path.into(), size, etag, sha256 })
    }
}
