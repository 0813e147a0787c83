//! The helper of the line editor, which completes, hints, highlights and validates while the user types.

use super::Shared;
use super::keys::Keys;
use rustyline::Helper;
use std::cell::{Cell, RefCell};

/// The state behind completion, hints, highlighting and validation.
pub struct Helpers {
    pub notebook: Shared,
    /// The last seen state of the line.
    pub seen: RefCell<String>,
    /// A script requested this line, which is not a script itself.
    pub asked: Cell<bool>,
    pub keys: Keys,
}

impl Helpers {
    pub fn new(notebook: Shared, keys: &Keys) -> Helpers {
        Helpers { notebook, seen: RefCell::default(), asked: Cell::new(false), keys: keys.clone() }
    }

    /// Starts a new line: an input, or an answer to a script.
    pub fn begin(&self, asked: bool) {
        self.seen.borrow_mut().clear();
        self.asked.set(asked);
    }
}

impl Helper for Helpers {}
