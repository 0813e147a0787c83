//! An error as Rhai throws it. It is here, below all that knows the language, since Rust wants a conversion beside one of its types.

use crate::Error;
use rhai::{Dynamic, EvalAltResult, Map, Position};

impl From<Error> for Box<EvalAltResult> {
    /// Catchable in a script: `catch (e)` gives `e.who`, `e.what`, `e.help`. An interruption or a limit is not.
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

/// An error as scripts see it.
pub fn fields(error: &Error) -> Map {
    let mut fields = Map::new();
    fields.insert("who".into(), error.who().into());
    fields.insert("what".into(), error.what().into());
    fields.insert("help".into(), error.advice().map_or(Dynamic::UNIT, |help| help.to_string().into()));
    fields
}
