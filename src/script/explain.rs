//! What the language's own errors mean, in our words.

use rhai::{EvalAltResult, Map};

/// The message (`verb: what is wrong`) and the help of an error.
pub fn explain(error: &EvalAltResult) -> (String, Option<String>) {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => thrown(value),
        EvalAltResult::ErrorTerminated(..) => ("interrupted".to_string(), None),
        EvalAltResult::ErrorParsing(error, _) => (error.to_string(), None),
        other => {
            let mut plain = rhai_clone(other);
            plain.truncate(plain.find(" (line ").unwrap_or(plain.len()));
            (plain, None)
        }
    }
}

fn rhai_clone(error: &EvalAltResult) -> String {
    error.to_string()
}

/// What a script or a verb threw: our own errors are maps, a script may throw anything.
fn thrown(value: &rhai::Dynamic) -> (String, Option<String>) {
    let Some(fields) = value.read_lock::<Map>() else { return (value.to_string(), None) };
    let field = |name: &str| fields.get(name).filter(|value| !value.is_unit()).map(|value| value.to_string());
    match (field("who"), field("what")) {
        (Some(who), Some(what)) => (format!("{who}: {what}"), field("help")),
        (None, Some(what)) => (what, field("help")),
        _ => (field("message").unwrap_or_else(|| value.to_string()), field("help")),
    }
}
