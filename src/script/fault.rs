//! Faults: from the library's error to what a script can catch, and to what a person reads.

use crate::Error;
use rhai::{Dynamic, EvalAltResult, Map, Position};

/// What a native function that can fail returns to a script.
pub type Res<T> = Result<T, Box<EvalAltResult>>;

impl From<Error> for Box<EvalAltResult> {
    /// Catchable in a script: `catch (e)` gives `e.who`, `e.what`, `e.help`. An interruption is not.
    fn from(error: Error) -> Self {
        if error.is_interrupted() {
            return EvalAltResult::ErrorTerminated(error.to_string().into(), Position::NONE).into();
        }
        let mut fields = Map::new();
        fields.insert("who".into(), error.who().into());
        fields.insert("what".into(), error.what().into());
        fields.insert("help".into(), error.advice().map_or(Dynamic::UNIT, |help| help.to_string().into()));
        EvalAltResult::ErrorRuntime(fields.into(), Position::NONE).into()
    }
}
