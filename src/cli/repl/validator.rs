//! Detects whether an input is complete.

use super::helper::Helpers;
use super::inputs::is_whole;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};

impl Validator for Helpers {
    fn validate(&self, input: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        let accepts = self.asked.get() || is_whole(input.input());
        Ok(if accepts { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}
