//! The error type: the verb that failed, what is wrong with its values, and what to do about it.

use crate::sync::unpoisoned;
use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The result of every fallible function of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed verb. `who` is the verb as the user wrote it (`matmul`), `what` is the problem with its values, `help` is a suggested
/// fix. An error in data also carries its place. In a script an error becomes a `Fault`.
#[derive(Clone, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq)]
struct Inner {
    who: String,
    what: String,
    help: Option<String>,
    stop: Option<Stop>,
    origin: Origin,
}

/// The source of an error, for a caller that can interpret it: a script's own fault that passed through a native loop. It can be
/// taken out once, and does not count in comparing two errors.
#[derive(Clone, Default)]
struct Origin(Option<Arc<Mutex<Taken>>>);

/// A value that can be taken out once.
type Taken = Option<Box<dyn Any + Send>>;

impl PartialEq for Origin {
    fn eq(&self, _: &Origin) -> bool {
        true
    }
}

/// The `who` of interrupted work.
pub const INTERRUPTED: &str = "interrupted";

/// Why work was stopped: a script cannot catch it.
#[derive(Clone, Copy, PartialEq)]
enum Stop {
    Interrupted,
    Limit,
    Damage,
}

impl Error {
    /// An error of the verb `who` with the message `what`.
    pub fn new(who: impl Into<String>, what: impl Into<String>) -> Error {
        Error(Box::new(Inner { who: who.into(), what: what.into(), help: None, stop: None, origin: Origin::default() }))
    }

    /// Work was stopped from outside, by Ctrl-C or a cancel handle.
    pub fn interrupted() -> Error {
        let mut error = Error::new(INTERRUPTED, "stopped before the end");
        error.0.stop = Some(Stop::Interrupted);
        error
    }

    /// A script reached one of its limits.
    pub fn limit(what: impl Into<String>) -> Error {
        let mut error = Error::new("limit", what);
        error.0.stop = Some(Stop::Limit);
        error
    }

    /// Values used in the computation have changed: its results are invalid.
    pub fn damage(who: impl Into<String>, what: impl Into<String>) -> Error {
        let mut error = Error::new(who, what);
        error.0.stop = Some(Stop::Damage);
        error
    }

    /// An I/O error, named by its path.
    pub fn io(who: &str, path: impl AsRef<Path>, error: &std::io::Error) -> Error {
        // one of our own errors that came through a writer
        if let Some(own) = error.get_ref().and_then(|own| own.downcast_ref::<Error>()) {
            return own.clone();
        }
        let path = path.as_ref().display();
        match error.kind() {
            std::io::ErrorKind::NotFound => Error::new(who, format!("{path} is not there")),
            std::io::ErrorKind::PermissionDenied => Error::new(who, format!("{path}: permission denied")),
            _ => Error::new(who, format!("{path}: {}", plain(&error.to_string()))),
        }
    }

    /// `name` is not among `names`: the help suggests the nearest of them, or lists them.
    pub fn unknown<'a>(
        who: impl Into<String>,
        noun: &str,
        name: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Error {
        Error::new(who, format!("there is no {noun} `{name}`")).choose(name, names)
    }

    /// Adds as help the nearest of `names` to `name`, or the list of them.
    pub fn choose<'a>(self, name: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
        let names: Vec<&str> = names.into_iter().collect();
        let error = self.meant(name, names.iter().copied());
        if names.is_empty() { error } else { error.or_help(format!("choose from {}", listed(&names))) }
    }

    /// Adds as help the nearest of `names` to `name`, if one is near.
    pub fn meant<'a>(self, name: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
        match nearest(name, names) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// Adds help if there is none yet.
    pub fn or_help(self, help: impl Into<String>) -> Error {
        if self.0.help.is_none() { self.help(help) } else { self }
    }

    /// Sets the help.
    pub fn help(mut self, help: impl Into<String>) -> Error {
        self.0.help = Some(help.into());
        self
    }

    /// The same error attributed to another verb: the one the user called, not one that it called in turn.
    pub fn attributed_to(mut self, who: impl Into<String>) -> Error {
        if self.0.stop.is_none() {
            self.0.who = who.into();
        }
        self
    }

    /// Prefixes the message with a place: `data.jsonl:12: …`.
    pub fn at(mut self, place: impl fmt::Display) -> Error {
        self.0.what = format!("{place}: {}", self.0.what);
        self
    }

    /// Attaches the source of the error, with its place in a script and the calls that led there.
    pub fn made_of(mut self, origin: Box<dyn Any + Send>) -> Error {
        self.0.origin = Origin(Some(Arc::new(Mutex::new(Some(origin)))));
        self
    }

    /// Takes out the source of the error.
    pub fn origin<T: 'static>(&self) -> Option<Box<T>> {
        let held = self.0.origin.0.as_ref()?;
        unpoisoned(held.lock()).take()?.downcast().ok()
    }

    /// The verb that failed.
    pub fn who(&self) -> &str {
        &self.0.who
    }

    /// The message, with the values.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// A suggested fix.
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Whether work was stopped from outside.
    pub fn is_interrupted(&self) -> bool {
        self.0.stop == Some(Stop::Interrupted)
    }

    /// Whether work was stopped, by an interruption or a limit, which a script cannot catch.
    pub fn is_final(&self) -> bool {
        self.0.stop.is_some()
    }
}

/// Drops the `(os error 2)` that Rust appends.
fn plain(text: &str) -> &str {
    text.split(" (os error").next().unwrap_or(text)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.who, self.0.what)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// The nearest of `names` to a misspelled `name`, if one is near enough.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let near = |distance: usize, candidate: &str| {
        let longer = candidate.chars().count().max(name.chars().count());
        distance <= 1 + longer / 6 && distance < longer
    };
    names
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| near(*distance, candidate))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The names without duplicates, in order; of many only the first.
pub fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 16;
    let mut seen = std::collections::HashSet::new();
    let once: Vec<&str> = names.iter().copied().filter(|name| seen.insert(*name)).collect();
    match once.len() {
        0..=SHOWN => once.join(", "),
        many => format!("{}, and {} more", once[..SHOWN].join(", "), many - SHOWN),
    }
}

/// `return Err(..)` with a formatted message: `bail!("clip", "limit {limit} is not above 0")`.
#[doc(hidden)]
#[macro_export]
macro_rules! bail {
    ($who:expr, $($what:tt)+) => {
        return Err($crate::Error::new($who, format!($($what)+)).into())
    };
}
