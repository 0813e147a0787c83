//! The helper of the line editor, which completes, hints, highlights and validates while the user types.

use super::Shared;
use rustyline::Helper;
use std::cell::RefCell;

/// The state behind completion, hints, highlighting and validation.
pub struct Helpers {
    pub notebook: Shared,
    /// The line as it was last seen.
    pub seen: RefCell<String>,
}

impl Helper for Helpers {}
