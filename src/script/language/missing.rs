//! What is said of a key that a map does not have. The engine takes it as a text, which is read again where it is told.

use crate::Error;
use rhai::Map;

/// Behind the name of a property that is assigned to.
pub const ASSIGNED: char = '\u{1}';

/// What an error says of a missing key, between the key and the keys that there are.
const MISSING: &str = ": the map has no such key; ";
/// No more keys are named in an error.
const NAMED: usize = 40;

/// A map is read strictly: a misspelt key would else be a silent `()`.
pub fn missing(map: &Map, name: &str) -> String {
    if map.is_empty() {
        return format!("{name}{MISSING}the map is empty");
    }
    let names: Vec<&str> = map.keys().take(NAMED).map(|key| key.as_str()).collect();
    let more = map.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{name}{MISSING}it has {}{more}", names.join(", "))
}

/// The error that a text of [`missing`] stands for.
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

/// The first few names, and how many more there are.
fn first(names: &[&str], more: usize) -> String {
    const SHOWN: usize = 12;
    let left = names.len().saturating_sub(SHOWN) + more;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if left > 0 { format!("{shown} and {left} more") } else { shown }
}
