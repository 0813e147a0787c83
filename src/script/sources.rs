//! The texts of all compiled scripts, by the name that positions refer to.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};

/// Reads a script; invalid UTF-8 is an error that names the line.
pub fn read_script(path: &Path) -> crate::Result<String> {
    Ok(plain(crate::files::text("script", path)?))
}

/// Removes what systems write before a script: the byte order mark; a `#!` line becomes a comment.
pub fn plain(text: String) -> String {
    let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
    // `///` would start a doc comment
    match text.starts_with("#!") {
        true => text.replacen("#!", "//", 1).replacen("///", "// ", 1),
        false => text,
    }
}

/// Variables and functions, with their parameter counts.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub variables: Vec<String>,
    pub functions: Vec<(String, usize)>,
}

/// A text, and the names known before it ran: at a prompt, those of earlier inputs.
#[derive(Clone)]
struct Source {
    text: Arc<str>,
    before: Arc<Names>,
}

/// The shared script texts, for the line that an error shows.
#[derive(Clone, Default)]
pub struct Sources(Arc<RwLock<HashMap<String, Source>>>);

impl Sources {
    pub fn add(&self, name: &str, text: &str) {
        self.add_after(name, text, Names::default());
    }

    /// Adds a text that runs with these known names.
    pub fn add_after(&self, name: &str, text: &str, before: Names) {
        if let Ok(mut shelf) = self.0.write() {
            shelf.insert(name.to_string(), Source { text: text.into(), before: before.into() });
        }
    }

    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        Some(self.0.read().ok()?.get(name)?.text.clone())
    }

    /// The names known before the text `name` ran.
    pub fn before(&self, name: &str) -> Arc<Names> {
        let known = self.0.read().ok().and_then(|shelf| Some(shelf.get(name)?.before.clone()));
        known.unwrap_or_default()
    }

    /// One line of a script, counted from 1.
    pub fn line(&self, name: &str, number: usize) -> Option<String> {
        self.text(name)?.lines().nth(number.checked_sub(1)?).map(str::to_string)
    }
}
