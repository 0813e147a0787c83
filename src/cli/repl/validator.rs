//! Whether an input is whole, or more has to come: the parser says.

use super::helper::Helpers;
use crate::script::notebook::scan;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};

impl Validator for Helpers {
    fn validate(&self, input: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(input.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// A command is whole on one line; of `:time EXPR` the expression decides.
pub fn is_whole(text: &str) -> bool {
    match text.trim_start().split_once(char::is_whitespace) {
        Some((":time", expression)) => !scan::is_incomplete(expression),
        _ => text.trim_start().starts_with([':', '?']) || !scan::is_incomplete(text),
    }
}

/// How deep the next line stands.
pub fn indent(text: &str) -> usize {
    scan::indent(text)
}
