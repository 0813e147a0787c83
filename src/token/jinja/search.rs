//! Searches in a text: `find`, `startswith`, `count` and similar.

use super::args::{Args, int, needed};
use super::budget::{Res, fail};
use super::marked::Text;
use super::value::{Sequence, Value};

/// Searches in a part of the text, given in characters.
pub fn search(text: &Text, name: &str, args: Args) -> Res<Value> {
    let [wanted, start, end] = args.bind(name, ["sub", "start", "end"])?;
    let wanted = needed(name, "sub", wanted)?;
    let bound = |value: Option<Value>| value.filter(|value| !matches!(value, Value::None));
    let string = text.as_str();
    let (start, end) = (bound(start), bound(end));
    let (from, to) = if start.is_none() && end.is_none() {
        (0, string.len())
    } else {
        let letters = string.chars().count() as i128;
        let place = |bound: i128| {
            let letter = if bound < 0 { (bound + letters).max(0) } else { bound };
            let found = usize::try_from(letter).ok().and_then(|letter| string.char_indices().nth(letter));
            found.map_or(string.len(), |found| found.0)
        };
        if int(name, start.clone(), 0)? > letters {
            return Ok(nothing(name)?.unwrap_or(Value::Bool(false)));
        }
        (place(int(name, start, 0)?), place(int(name, end, letters)?))
    };
    let part = string.get(from..to).unwrap_or_default();
    if let ("startswith" | "endswith", Value::List(Sequence::Tuple, affixes)) = (name, &wanted) {
        let fits = |affix: &Value| affix.as_str().is_some_and(|affix| is_affix(part, affix, name));
        return Ok(Value::Bool(affixes.items.iter().any(fits)));
    }
    let Value::Text(wanted) = wanted.defined()? else { fail!("{name}() argument must be str, not {}", wanted.kind()) };
    let wanted = wanted.as_str();
    let found = match name {
        "startswith" | "endswith" => return Ok(Value::Bool(is_affix(part, wanted, name))),
        "count" => return Ok(Value::Int(part.matches(wanted).count() as i128)),
        "find" | "index" => part.find(wanted),
        _ => part.rfind(wanted),
    };
    match found {
        Some(at) => Ok(Value::Int(string[..from + at].chars().count() as i128)),
        None => Ok(nothing(name)?.unwrap_or(Value::Int(-1))),
    }
}

fn is_affix(part: &str, affix: &str, name: &str) -> bool {
    if name == "startswith" { part.starts_with(affix) } else { part.ends_with(affix) }
}

/// The result of a search without a match.
fn nothing(name: &str) -> Res<Option<Value>> {
    match name {
        "index" | "rindex" => fail!("substring not found"),
        "find" | "rfind" => Ok(Some(Value::Int(-1))),
        "count" => Ok(Some(Value::Int(0))),
        _ => Ok(None),
    }
}
