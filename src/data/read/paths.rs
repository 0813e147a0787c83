//! Expands a path to files: itself, those of a folder, or those that match a pattern.

use super::{ENDINGS, split_packing};
use crate::{Error, Result, bail, files, hub, progress, text};
use std::path::{Path, PathBuf};

/// Maximum folder depth: links may be circular.
const DEEP: usize = 32;

/// The files of a path, sorted by name. A folder means all data files in it and below; `*` matches within a name, `**` any
/// folders, `{a,b}` either. `hf:datasets/ORG/NAME` is a dataset on a hub, optionally followed by a path in it.
pub fn expand(who: &str, given: &str) -> Result<Vec<PathBuf>> {
    let given = &*hub::local_text(who, given, hub::Want::Data)?;
    let path = Path::new(given);
    let is_pattern = given.contains(['*', '{']) && !files::exists(path);
    if !is_pattern && !files::is_folder(path) {
        return Ok(vec![path.into()]);
    }
    let mut found = Vec::new();
    if is_pattern {
        for pattern in alternatives(given) {
            let (root, parts) = rooted(&pattern);
            matching(who, &root, &parts, 0, &mut found)?;
        }
        found.sort();
        found.dedup();
        if found.is_empty() {
            return Err(
                Error::new(who, format!("no file matches {given}")).help("`*` is within a name, `**` any folders")
            );
        }
        return Ok(found);
    }
    let mut others = 0;
    below(who, path, 0, &mut |file| {
        if has_ending(&file) {
            found.push(file);
        } else {
            others += 1;
        }
    })?;
    found.sort();
    if found.is_empty() {
        bail!(
            who,
            "{given} has no data files: .jsonl .json .csv .tsv .parquet .txt .html or .warc, or a .zip or .tar of them"
        );
    }
    if others > 0 {
        let files = text::counted(others, "file");
        progress::warn(who, format!("{given}: {files} of other endings are left out"));
    }
    Ok(found)
}

/// Whether the name has a data file extension, compressed or not.
fn has_ending(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let (inner, _) = split_packing(&name);
    inner.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.iter().any(|(known, _)| *known == ending))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// All files in a folder and below, except hidden ones.
fn below(who: &str, folder: &Path, depth: usize, found: &mut dyn FnMut(PathBuf)) -> Result<()> {
    if depth > DEEP {
        bail!(who, "{}: folders {DEEP} deep, or a link in a circle", folder.display());
    }
    crate::cancel::check()?;
    for path in files::list(who, folder)? {
        if is_hidden(&path) {
            continue;
        }
        if files::is_folder(&path) {
            below(who, &path, depth + 1, found)?;
        } else if files::is_file(&path) {
            found(path);
        }
    }
    Ok(())
}

/// Expands a pattern's `{a,b}`.
fn alternatives(pattern: &str) -> Vec<String> {
    let Some((open, close)) = pattern.find('{').and_then(|open| Some((open, open + pattern[open..].find('}')?))) else {
        return vec![pattern.to_string()];
    };
    let (before, after) = (&pattern[..open], &pattern[close + 1..]);
    let inside = pattern[open + 1..close].split(',');
    inside.flat_map(|word| alternatives(&format!("{before}{word}{after}"))).collect()
}

/// The base folder of a pattern, and its parts.
fn rooted(pattern: &str) -> (PathBuf, Vec<String>) {
    let (root, rest) = match pattern.strip_prefix('/') {
        Some(rest) => (PathBuf::from("/"), rest),
        None => (PathBuf::new(), pattern),
    };
    (root, rest.split('/').filter(|part| !part.is_empty()).map(str::to_string).collect())
}

fn matching(who: &str, at: &Path, parts: &[String], depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let here = if at.as_os_str().is_empty() { Path::new(".") } else { at };
    if depth > DEEP {
        bail!(who, "{}: folders {DEEP} deep, or a link in a circle", at.display());
    }
    crate::cancel::check()?;
    let Some((part, rest)) = parts.split_first() else {
        if files::is_file(at) {
            found.push(at.into());
        }
        return Ok(());
    };
    if !part.contains('*') {
        let next = at.join(part);
        return if files::exists(&next) { matching(who, &next, rest, depth + 1, found) } else { Ok(()) };
    }
    if part == "**" {
        matching(who, at, rest, depth + 1, found)?;
    }
    if !files::is_folder(here) {
        return Ok(());
    }
    for path in files::list(who, here)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let next = at.join(name);
        if part == "**" {
            if files::is_folder(&next) {
                matching(who, &next, parts, depth + 1, found)?;
            }
        } else if text::glob(part, name) {
            matching(who, &next, rest, depth + 1, found)?;
        }
    }
    Ok(())
}
