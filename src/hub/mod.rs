//! Models and datasets by name, from a hub with Hugging Face's protocol, into the cache of its Python library.

mod cache;
mod download;
mod name;
mod remote;
mod settings;

pub use cache::{Held, held, remove};
pub use name::{Kind, Name};
pub use settings::Settings;

use crate::files::http;
use crate::{Error, Result, bail, text};
use remote::{Remote, RemoteFile};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The requested part of a repository.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Want {
    /// Weights, config and tokenizer.
    Model,
    /// The tokenizer alone.
    Tokenizer,
    /// Data files.
    Data,
    /// Everything.
    All,
}

/// The path that a script gave; a `hf:` name is downloaded and resolved to its local path.
pub fn local<'a>(who: &str, given: &'a str, want: Want) -> Result<Cow<'a, Path>> {
    match Name::parse(who, given)? {
        Some(name) => Ok(Cow::Owned(fetch(who, &name, want, &Settings::from_environment(who)?)?)),
        None => Ok(Cow::Borrowed(Path::new(given))),
    }
}

/// [`local`] as text.
pub fn local_text<'a>(who: &str, given: &'a str, want: Want) -> Result<Cow<'a, str>> {
    Ok(match local(who, given, want)? {
        Cow::Borrowed(_) => Cow::Borrowed(given),
        Cow::Owned(path) => Cow::Owned(path.display().to_string()),
    })
}

/// Downloads the missing requested files of `name`, and returns its folder or file.
pub fn fetch(who: &str, name: &Name, want: Want, settings: &Settings) -> Result<PathBuf> {
    http::permitted(who)?;
    let repo = cache::Repo::new(&settings.cache, name);
    if settings.offline {
        return known(who, name, &repo)?.ok_or_else(|| {
            Error::new(who, format!("{name} is not in {}", settings.cache.display()))
                .help("HF_HUB_OFFLINE is set: without it, it would be downloaded")
        });
    }
    let remote = Remote::new(who, settings);
    let sha = match remote.commit(name) {
        Ok(sha) => sha,
        // the hub can't be reached: use the cached files
        Err(remote::Fault::Away(error)) => match known(who, name, &repo)? {
            Some(path) => {
                crate::progress::warn(who, format!("{name} is taken from the cache: {}", error.what()));
                return Ok(path);
            }
            None => return Err(error),
        },
        Err(remote::Fault::Told(error)) => return Err(error),
    };
    let files = remote.files(name, &sha)?;
    let chosen: Vec<&RemoteFile> = files.iter().filter(|file| is_wanted(file, &files, name, want)).collect();
    if want == Want::Model && name.path.is_none() && !chosen.iter().any(|file| is_weights(file.name(), &files)) {
        return Err(no_weights(who, name, &files));
    }
    if chosen.is_empty() {
        let named = name.path.as_deref().map(|path| format!(" that `{path}` names")).unwrap_or_default();
        let near = name.path.as_deref().and_then(|path| crate::nearest(path, files.iter().map(|file| &*file.path)));
        let error =
            Error::new(who, format!("{name} has no file{named} among its {}", text::counted(files.len(), "file")));
        return Err(match near {
            Some(near) => error.help(format!("`{near}` is meant?")),
            None => error,
        });
    }
    for file in chosen {
        download::file(who, &remote, &repo, name, &sha, file)?;
    }
    repo.set_ref(who, &name.revision, &sha)?;
    Ok(repo.place(&sha, name))
}

/// The cached path of a name, by the commit of its revision at the last lookup.
fn known(who: &str, name: &Name, repo: &cache::Repo) -> Result<Option<PathBuf>> {
    let Some(sha) = repo.commit(who, &name.revision)? else { return Ok(None) };
    let place = repo.place(&sha, name);
    let pattern = name.path.as_deref().is_some_and(|path| path.contains(['*', '{']));
    Ok((pattern || place.exists()).then_some(place))
}

fn is_wanted(file: &RemoteFile, all: &[RemoteFile], name: &Name, want: Want) -> bool {
    let path = file.path.as_str();
    if let Some(named) = &name.path {
        let inside = path.strip_prefix(named.as_str()).is_some_and(|rest| rest.starts_with('/'));
        return path == named || inside || matches(named, path);
    }
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match want {
        Want::All => true,
        Want::Data => {
            !file.starts_with("dataset_info")
                && ["jsonl", "json", "csv", "tsv", "parquet", "txt", "html", "warc"].iter().any(|ending| {
                    let inner = file.strip_suffix(".gz").or_else(|| file.strip_suffix(".zst")).unwrap_or(file);
                    inner.rsplit_once('.').is_some_and(|(_, own)| own.eq_ignore_ascii_case(ending))
                })
        }
        Want::Tokenizer => folder.is_empty() && is_of_tokenizer(file),
        Want::Model => {
            // parts of sentence-transformers are numbered folders, the rest are other programs' formats
            let own = folder.is_empty() || folder.starts_with(|c: char| c.is_ascii_digit());
            own && (is_of_tokenizer(file) || file.ends_with(".json") || is_weights(file, all))
        }
    }
}

/// Whether a pattern matches a path: `*` within a name, `**` any folders.
fn matches(pattern: &str, path: &str) -> bool {
    let (first, rest) = pattern.split_once('/').map_or((pattern, None), |(first, rest)| (first, Some(rest)));
    let (name, inside) = path.split_once('/').map_or((path, None), |(name, inside)| (name, Some(inside)));
    match (first, rest, inside) {
        ("**", Some(rest), inside) => matches(rest, path) || inside.is_some_and(|inside| matches(pattern, inside)),
        (_, Some(rest), Some(inside)) => text::glob(first, name) && matches(rest, inside),
        (_, None, None) => text::glob(first, name),
        _ => false,
    }
}

fn is_of_tokenizer(file: &str) -> bool {
    const NAMES: [&str; 9] = [
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
        "added_tokens.json",
        "special_tokens_map.json",
        "tekken.json",
        "config.json",
    ];
    NAMES.contains(&file)
        || file.ends_with(".model")
        || file.ends_with(".tiktoken")
        || file.starts_with("chat_template")
}

fn no_weights(who: &str, name: &Name, files: &[RemoteFile]) -> Error {
    let error = Error::new(who, format!("{name} has no weights in safetensors or by PyTorch"));
    let gguf: Vec<&str> = files.iter().map(|file| &*file.path).filter(|path| path.ends_with(".gguf")).collect();
    match gguf.first() {
        Some(first) => {
            error.help(format!("it has {}: `{name}/{first}` is one", text::counted(gguf.len(), "GGUF file")))
        }
        None => error,
    }
}

/// Safetensors, or otherwise PyTorch's files. Mistral's own format of the same weights is skipped.
fn is_weights(file: &str, all: &[RemoteFile]) -> bool {
    let safe = |file: &str| file.ends_with(".safetensors") && !file.contains('/') && !file.starts_with("consolidated");
    match all.iter().any(|file| safe(&file.path)) {
        true => safe(file),
        false => file.starts_with("pytorch_model") && file.ends_with(".bin"),
    }
}

/// Parses a hub name, with or without `hf:`; a path is an error.
pub fn named(who: &str, given: &str) -> Result<Name> {
    let whole = if given.starts_with("hf:") { given.to_string() } else { format!("hf:{given}") };
    match Name::parse(who, &whole)? {
        Some(name) => Ok(name),
        None => bail!(who, "`{given}` is not a name"),
    }
}
