//! The error for a missing map key. The engine carries it as a text, which is parsed again when it is reported.

use crate::Error;
use rhai::Map;

/// Mark after the name of an assigned property.
pub const ASSIGNED: char = '\u{1}';

/// The text between the missing key and the existing keys.
const MISSING: &str = ": the map has no such key; ";
/// Maximum number of keys named in an error.
const NAMED: usize = 40;

/// Maps are read strictly: otherwise a misspelled key would silently be `()`.
pub fn missing(map: &Map, name: &str) -> String {
    if map.is_empty() {
        return format!("{name}{MISSING}the map is empty");
    }
    let names: Vec<&str> = map.keys().take(NAMED).map(|key| key.as_str()).collect();
    let more = map.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{name}{MISSING}it has {}{more}", names.join(", "))
}

/// Parses a text of [`missing`] back into its error.
pub fn read(text: &str) -> Option<Error> {
    let (name, held) = text.split_once(MISSING)?;
    let (list, more) =
        match held.rsplit_once(" and ").and_then(|(list, more)| Some((list, more.strip_suffix(" more")?))) {
            Some((list, more)) => (list, more.parse().unwrap_or(0)),
            None => (held, 0),
        };
    let names: Vec<&str> = list.strip_prefix("it has ").map_or(Vec::new(), |list| list.split(", ").collect());
    let error = Error::new(name, "the map has no such key").meant(name, names.iter().copied());
    let held =
        if names.is_empty() { "the map is empty".to_string() } else { format!("it has {}", first(&names, more)) };
    Some(error.or_help(format!("{held}; `map.get(\"key\")` returns `()` for a missing key")))
}

/// The first few names, and the number of the others.
fn first(names: &[&str], more: usize) -> String {
    const SHOWN: usize = 12;
    let left = names.len().saturating_sub(SHOWN) + more;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if left > 0 { format!("{shown} and {left} more") } else { shown }
}
