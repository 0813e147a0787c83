//! `value.name`, `value[key]` and `value[a:b]`, by the rules of Jinja's sandbox.

use super::budget::{Budget, Res, fail};
use super::marked::{Text, Writer};
use super::value::{Callable, Loop, Sequence, Value};

/// Methods that a template may call, by the type that has them.
const TEXT: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];
const DICT: &[&str] = &["copy", "get", "items", "keys", "values"];
const LIST: &[&str] = &["copy", "count", "index"];

/// Mutating methods, which transformers' sandbox forbids.
const CHANGES: &[&str] =
    &["append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update"];

/// `value.name`: a method first, then an element.
pub fn attribute(value: &Value, name: &str) -> Res<Value> {
    if let Some(found) = own(value, name)? {
        return Ok(found);
    }
    if let Value::Dict(dict) = value
        && let Some(found) = dict.word(name)
    {
        return Ok(found.clone());
    }
    Ok(missing(value, name))
}

/// `value[key]`: an element first, then a method.
pub fn item(value: &Value, key: &Value, budget: &mut Budget) -> Res<Value> {
    budget.spend(1)?;
    match value.defined()? {
        Value::Dict(dict) => {
            if let Some(found) = dict.get(key, budget)? {
                return Ok(found.clone());
            }
        }
        Value::List(Sequence::List | Sequence::Tuple | Sequence::Range, list) => {
            if let Some(place) = key.as_int() {
                let place = from_end(place, list.items.len());
                return Ok(match place.and_then(|place| list.items.get(place)) {
                    Some(found) => found.clone(),
                    None => Value::undefined(format!(
                        "{} object has no element {}",
                        value.kind(),
                        key.as_int().unwrap_or(0)
                    )),
                });
            }
        }
        Value::Text(text) => {
            if let Some(place) = key.as_int() {
                return letter(text, place, budget);
            }
        }
        _ => {}
    }
    match key.as_str() {
        Some(name) => Ok(own(value, name)?.unwrap_or_else(|| missing(value, name))),
        None => Ok(Value::undefined(format!("'{} object' has no such element", value.kind()))),
    }
}

fn from_end(place: i128, length: usize) -> Option<usize> {
    usize::try_from(if place < 0 { place + length as i128 } else { place }).ok()
}

fn letter(text: &Text, place: i128, budget: &mut Budget) -> Res<Value> {
    let string = text.as_str();
    budget.spend_bytes(string.len())?;
    let found = match usize::try_from(place) {
        Ok(place) => string.char_indices().nth(place),
        Err(_) => usize::try_from(-1 - place).ok().and_then(|back| string.char_indices().nth_back(back)),
    };
    Ok(match found {
        Some((at, letter)) => Value::Text(text.slice(at..at + letter.len_utf8())),
        None => Value::undefined(format!("str object has no element {place}")),
    })
}

fn missing(value: &Value, name: &str) -> Value {
    Value::undefined(match value {
        Value::None => format!("'None' has no attribute '{name}'"),
        _ => format!("'{} object' has no attribute '{name}'", value.kind()),
    })
}

/// The attributes of a value besides its elements.
fn own(value: &Value, name: &str) -> Res<Option<Value>> {
    let defined = value.defined()?;
    // Python's private names are undefined
    if name.starts_with('_') {
        return Ok(None);
    }
    let methods = match defined {
        Value::Text(_) => TEXT,
        Value::Dict(_) => DICT,
        Value::List(Sequence::List | Sequence::Tuple | Sequence::Range, _) => LIST,
        Value::Namespace(space) => return Ok(space.get(name)),
        Value::Loop(of) => return of_loop(of, value, name),
        Value::Callable(callable) => return of_callable(callable, value, name),
        Value::Int(_) | Value::Bool(_) | Value::Float(_)
            if matches!(name, "real" | "imag" | "numerator" | "denominator") =>
        {
            return Ok(part_of_number(defined, name));
        }
        Value::Float(_) => &["is_integer"],
        _ => &[],
    };
    // a group of `groupby`
    if let (Value::List(Sequence::Tuple, list), "grouper" | "list") = (value, name)
        && list.items.len() == 2
    {
        return Ok(list.items.get(usize::from(name == "list")).cloned());
    }
    if methods.contains(&name) {
        return value.clone().method(name).map(Some);
    }
    if CHANGES.contains(&name) && matches!(value, Value::Dict(_) | Value::List(Sequence::List, _)) {
        let told = format!("the method '{name}' changes a {}: templates may not", value.kind());
        return Ok(Some(Value::undefined(told)));
    }
    Ok(None)
}

/// `number.real` and similar.
fn part_of_number(value: &Value, name: &str) -> Option<Value> {
    match (name, value.as_int(), value) {
        ("real" | "numerator", Some(whole), _) => Some(Value::Int(whole)),
        ("imag", Some(_), _) => Some(Value::Int(0)),
        ("denominator", Some(_), _) => Some(Value::Int(1)),
        ("real", _, Value::Float(_)) => Some(value.clone()),
        ("imag", _, Value::Float(_)) => Some(Value::Float(0.0)),
        _ => None,
    }
}

/// The properties of a loop that need no lookahead.
fn of_loop(of: &Loop, value: &Value, name: &str) -> Res<Option<Value>> {
    let index0 = of.index0.get() as i128;
    Ok(Some(match name {
        "index0" => Value::Int(index0),
        "index" => Value::Int(index0 + 1),
        "first" => Value::Bool(index0 == 0),
        "depth0" => Value::Int(of.level as i128),
        "depth" => Value::Int(of.level as i128 + 1),
        "previtem" => match of.around.borrow()[0].clone() {
            Some(item) => item,
            None => Value::undefined("there is no previous item"),
        },
        "cycle" | "changed" => value.clone().method(name)?,
        _ => return Ok(None),
    }))
}

fn of_callable(callable: &Callable, value: &Value, name: &str) -> Res<Option<Value>> {
    Ok(match (callable, name) {
        (Callable::Macro(closure), "name") => Some(Value::text(&closure.defined.name)),
        (Callable::Global("dict"), "fromkeys") => Some(value.clone().method(name)?),
        (Callable::Cycler(values, at), "current") => values.get(at.get() % values.len().max(1)).cloned(),
        (Callable::Cycler(..), "next" | "reset") => Some(value.clone().method(name)?),
        _ => None,
    })
}

/// `value[start:stop:step]`
pub fn slice(value: &Value, bounds: [Option<Value>; 3], budget: &mut Budget) -> Res<Value> {
    let mut numbers = [None; 3];
    for (number, bound) in numbers.iter_mut().zip(&bounds) {
        *number = match bound {
            None | Some(Value::None) => None,
            Some(bound) => match bound.defined()?.as_int() {
                Some(whole) => Some(whole),
                None => fail!("slice indices must be integers or None"),
            },
        };
    }
    let step = numbers[2].unwrap_or(1);
    if step == 0 {
        fail!("slice step cannot be zero");
    }
    match value.defined()? {
        Value::Text(text) => {
            budget.spend_bytes(text.len())?;
            if step == 1 {
                return Ok(Value::Text(part(text, numbers[0], numbers[1])));
            }
            budget.spend(text.len() as u64)?;
            let letters: Vec<(usize, char)> = text.as_str().char_indices().collect();
            let mut writer = Writer::default();
            for place in places(letters.len(), numbers[0], numbers[1], step) {
                let (at, letter) = letters[place];
                writer.push_part(text, at..at + letter.len_utf8());
            }
            Ok(Value::Text(writer.finish()))
        }
        Value::List(kind @ (Sequence::List | Sequence::Tuple | Sequence::Range), list) => {
            let places = places(list.items.len(), numbers[0], numbers[1], step);
            budget.spend(places.len() as u64)?;
            Value::sequence(*kind, places.into_iter().map(|place| list.items[place].clone()).collect())
        }
        other => Ok(Value::undefined(format!("'{} object' can't be sliced", other.kind()))),
    }
}

/// A part of a text, in characters.
fn part(text: &Text, start: Option<i128>, stop: Option<i128>) -> Text {
    let string = text.as_str();
    let below = |bound: Option<i128>| bound.is_some_and(|bound| bound < 0);
    let letters = if below(start) || below(stop) { string.chars().count() } else { usize::MAX };
    let place = |bound: Option<i128>, otherwise: usize| match bound {
        None => otherwise,
        Some(bound) => {
            let letter = if bound < 0 { (bound + letters as i128).max(0) } else { bound };
            let letter = usize::try_from(letter).unwrap_or(usize::MAX);
            string.char_indices().nth(letter).map_or(string.len(), |found| found.0)
        }
    };
    let (start, stop) = (place(start, 0), place(stop, string.len()));
    text.slice(start..stop.max(start))
}

/// The indices of a slice.
fn places(length: usize, start: Option<i128>, stop: Option<i128>, step: i128) -> Vec<usize> {
    let length = length as i128;
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |bound: Option<i128>, otherwise: i128| match bound {
        None => otherwise,
        Some(bound) => (if bound < 0 { bound.saturating_add(length) } else { bound }).clamp(low, high),
    };
    let (mut at, stop) =
        if step > 0 { (clamp(start, low), clamp(stop, high)) } else { (clamp(start, high), clamp(stop, low)) };
    let mut places = Vec::new();
    while if step > 0 { at < stop } else { at > stop } {
        places.push(at as usize);
        at = at.saturating_add(step);
    }
    places
}
