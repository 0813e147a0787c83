//! `hf:org/name@revision/path` and `hf:datasets/org/name`.

use crate::{Error, Result};
use std::fmt;

const PREFIX: &str = "hf:";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Model,
    Dataset,
}

/// A repository at a revision, optionally with a file, folder or pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    pub kind: Kind,
    /// `org/name`, or a single word for the oldest models.
    pub repo: String,
    pub revision: String,
    pub path: Option<String>,
}

impl Name {
    /// Parses a name; `None` for a path.
    pub fn parse(who: &str, given: &str) -> Result<Option<Name>> {
        let Some(rest) = given.strip_prefix(PREFIX) else { return Ok(None) };
        let wrong = |what: &str| {
            Error::new(who, format!("`{given}`: {what}"))
                .help("a name is hf:ORG/NAME or hf:datasets/ORG/NAME, then @REVISION and /FILE where they are wanted")
        };
        let (kind, rest) = match rest.strip_prefix("datasets/") {
            Some(rest) => (Kind::Dataset, rest),
            None => (Kind::Model, rest.strip_prefix("models/").unwrap_or(rest)),
        };
        let mut parts = rest.splitn(3, '/');
        let (org, name, path) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        // the revision follows the name, and contains no slash
        let (repo, revision) = match name {
            Some(name) => {
                let (name, revision) = name.split_once('@').unwrap_or((name, "main"));
                (format!("{org}/{name}"), revision)
            }
            None => {
                let (name, revision) = org.split_once('@').unwrap_or((org, "main"));
                (name.to_string(), revision)
            }
        };
        if !repo.split('/').all(is_word) {
            return Err(wrong("this is no name of a repository"));
        }
        if !revision.split('/').all(is_word) {
            return Err(wrong("this is no name of a revision"));
        }
        let path = path.filter(|path| !path.is_empty()).map(str::to_string);
        if path.iter().any(|path| path.split('/').any(|part| part.is_empty() || part == "." || part == "..")) {
            return Err(wrong("this is no path in a repository"));
        }
        Ok(Some(Name { kind, repo, revision: revision.into(), path }))
    }

    /// The name of its folder in the cache.
    pub fn folder(&self) -> String {
        let kind = if self.kind == Kind::Dataset { "datasets" } else { "models" };
        format!("{kind}--{}", self.repo.replace('/', "--"))
    }

    /// URL prefixes of the repository: for the API, and for files.
    pub fn prefixes(&self) -> [&'static str; 2] {
        match self.kind {
            Kind::Model => ["models", ""],
            Kind::Dataset => ["datasets", "datasets/"],
        }
    }
}

/// Letters, digits and `-_.`, and not a parent folder.
fn is_word(word: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !word.is_empty() && word.len() <= 128 && word.chars().all(fine) && !word.starts_with('.') && !word.contains("..")
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let kind = if self.kind == Kind::Dataset { "datasets/" } else { "" };
        write!(f, "{PREFIX}{kind}{}", self.repo)?;
        if self.revision != "main" {
            write!(f, "@{}", self.revision)?;
        }
        Ok(())
    }
}
