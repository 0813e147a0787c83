//! Conversion of an error to Rhai's error type. It is in this crate because Rust requires the conversion next to one of the two
//! types.

use crate::Error;
use rhai::{Dynamic, EvalAltResult, Map, Position};

impl From<Error> for Box<EvalAltResult> {
    /// Catchable in a script: `catch (e)` has `e.who`, `e.what`, `e.help`. An interruption or a limit is not.
    fn from(error: Error) -> Self {
        if let Some(own) = error.origin::<EvalAltResult>() {
            return own;
        }
        let fields = fields(&error).into();
        match error.is_final() {
            true => EvalAltResult::ErrorTerminated(fields, Position::NONE).into(),
            false => EvalAltResult::ErrorRuntime(fields, Position::NONE).into(),
        }
    }
}

/// The fields of an error in scripts.
pub fn fields(error: &Error) -> Map {
    let mut fields = Map::new();
    fields.insert("who".into(), error.who().into());
    fields.insert("what".into(), error.what().into());
    fields.insert("help".into(), error.advice().map_or(Dynamic::UNIT, |help| help.to_string().into()));
    fields
}
