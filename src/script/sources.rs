//! The text of every script that was compiled, by the name that positions refer to.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};

/// Reads a script; not UTF-8 is an error that names the line.
pub fn read_script(path: &Path) -> crate::Result<String> {
    Ok(plain(crate::files::text("script", path)?))
}

/// A script without what systems write before it: a byte order mark, and the `#!` of a command, which begins a comment.
pub fn plain(text: String) -> String {
    let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
    // `///` would begin a doc
    match text.starts_with("#!") {
        true => text.replacen("#!", "//", 1).replacen("///", "// ", 1),
        false => text,
    }
}

/// A shared shelf of script texts, for the line that an error shows.
#[derive(Clone, Default)]
pub struct Sources(Arc<RwLock<HashMap<String, Arc<str>>>>);

impl Sources {
    pub fn add(&self, name: &str, text: &str) {
        if let Ok(mut shelf) = self.0.write() {
            shelf.insert(name.to_string(), text.into());
        }
    }

    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        self.0.read().ok()?.get(name).cloned()
    }

    /// One line of a script, counted from 1.
    pub fn line(&self, name: &str, number: usize) -> Option<String> {
        self.text(name)?.lines().nth(number.checked_sub(1)?).map(str::to_string)
    }
}
