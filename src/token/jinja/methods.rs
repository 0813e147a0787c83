//! Methods of texts, lists and maps, as in Python.

use super::args::{Args, int, needed, truth};
use super::budget::{Budget, Res, fail};
use super::compare::equal;
use super::format;
use super::letters;
use super::lexer::is_space;
use super::marked::{Text, Writer};
use super::search::search;
use super::show::is_printable;
use super::value::{Dict, Sequence, Value};
use std::ops::Range;
use std::rc::Rc;

pub fn call(value: &Value, name: &str, args: Args, budget: &mut Budget) -> Res<Value> {
    match value {
        Value::Text(text) => {
            budget.spend_bytes(text.len())?;
            of_text(text, name, args, budget)
        }
        Value::Dict(dict) => of_dict(dict, name, args, budget),
        Value::List(_, list) => of_list(value, &list.items, name, args, budget),
        Value::Float(number) => {
            args.none(name)?;
            Ok(Value::Bool(number.fract() == 0.0))
        }
        other => fail!("'{}' object has no method '{name}'", other.kind()),
    }
}

fn of_dict(dict: &Rc<Dict>, name: &str, args: Args, budget: &mut Budget) -> Res<Value> {
    if name == "get" {
        let [key, default] = args.bind("get", ["key", "default"])?;
        let key = needed("get", "key", key)?;
        return Ok(dict.get(&key, budget)?.cloned().or(default).unwrap_or(Value::None));
    }
    args.none(name)?;
    budget.spend(dict.entries.len() as u64)?;
    let entries = dict.entries.iter();
    match name {
        "keys" => Value::sequence(Sequence::Keys, entries.map(|entry| entry.0.clone()).collect()),
        "values" => Value::sequence(Sequence::Values, entries.map(|entry| entry.1.clone()).collect()),
        "items" => {
            let pair = |(key, value): &(Value, Value)| Value::tuple(vec![key.clone(), value.clone()]);
            Value::sequence(Sequence::Items, entries.map(pair).collect::<Res<_>>()?)
        }
        _ => Ok(Value::Dict(dict.clone())),
    }
}

fn of_list(value: &Value, items: &[Value], name: &str, args: Args, budget: &mut Budget) -> Res<Value> {
    if name == "copy" {
        args.none(name)?;
        return Ok(value.clone());
    }
    let [wanted, start, stop] = args.bind(name, ["value", "start", "stop"])?;
    let wanted = needed(name, "value", wanted)?;
    let mut places = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if equal(item, &wanted, budget)? {
            places.push(at as i128);
        }
    }
    if name == "count" {
        return Ok(Value::Int(places.len() as i128));
    }
    let (start, stop) = (int(name, start, 0)?, int(name, stop, i128::MAX)?);
    let from_end = |bound: i128| if bound < 0 { (bound + items.len() as i128).max(0) } else { bound };
    match places.into_iter().find(|at| (from_end(start)..from_end(stop)).contains(at)) {
        Some(at) => Ok(Value::Int(at)),
        None => fail!("the value is not in the list"),
    }
}

fn of_text(text: &Text, name: &str, args: Args, budget: &mut Budget) -> Res<Value> {
    match name {
        "strip" | "lstrip" | "rstrip" => {
            let [letters] = args.bind(name, ["chars"])?;
            Ok(Value::Text(strip(text, name != "rstrip", name != "lstrip", letters.as_ref(), budget)?))
        }
        "split" | "rsplit" => {
            let [separator, most] = args.bind(name, ["sep", "maxsplit"])?;
            let parts = split(text, separator.as_ref(), int(name, most, -1)?, name == "rsplit", budget)?;
            Value::list(parts)
        }
        "splitlines" => {
            let [keep] = args.bind(name, ["keepends"])?;
            Value::list(lines(text, truth(keep, false), budget)?)
        }
        "partition" | "rpartition" => partition(text, name, args),
        "replace" => {
            let [old, new, count] = args.bind(name, ["old", "new", "count"])?;
            let (old, new) = (needed(name, "old", old)?, needed(name, "new", new)?);
            let (Value::Text(old), Value::Text(new)) = (old.defined()?, new.defined()?) else {
                fail!("replace() argument must be str")
            };
            Ok(Value::Text(replace(text, old, new, int(name, count, -1)?, budget)?))
        }
        "join" => {
            let [parts] = args.bind(name, ["iterable"])?;
            let parts = needed(name, "iterable", parts)?.walk(budget)?;
            let mut writer = Writer::default();
            for (at, part) in parts.iter().enumerate() {
                let Value::Text(part) = part.defined()? else {
                    fail!("sequence item {at}: expected str instance, {} found", part.kind())
                };
                budget.spend_bytes(text.len() + part.len())?;
                if at > 0 {
                    writer.push_text(text);
                }
                writer.push_text(part);
            }
            Ok(Value::Text(writer.finish()))
        }
        "format" => Ok(Value::Text(format::format(text, &args, budget)?)),
        "format_map" => {
            let [values] = args.bind(name, ["mapping"])?;
            let Some(Value::Dict(values)) = values else { fail!("format_map() takes a mapping") };
            let word = |(key, value): &(Value, Value)| Some((key.as_str()?.into(), value.clone()));
            let args = Args { positional: Vec::new(), named: values.entries.iter().filter_map(word).collect() };
            Ok(Value::Text(format::format(text, &args, budget)?))
        }
        "startswith" | "endswith" | "find" | "rfind" | "index" | "rindex" | "count" => search(text, name, args),
        "center" | "ljust" | "rjust" | "zfill" => pad(text, name, args, budget),
        "removeprefix" | "removesuffix" => {
            let [affix] = args.bind(name, ["affix"])?;
            let Some(Value::Text(affix)) = affix else { fail!("{name}() argument must be str") };
            let (string, affix) = (text.as_str(), affix.as_str());
            Ok(Value::Text(match name {
                "removeprefix" if string.starts_with(affix) => text.slice(affix.len()..text.len()),
                "removesuffix" if string.ends_with(affix) => text.slice(0..text.len() - affix.len()),
                _ => text.clone(),
            }))
        }
        "expandtabs" => {
            let [size] = args.bind(name, ["tabsize"])?;
            expand_tabs(text, int(name, size, 8)?, budget)
        }
        _ => {
            args.none(name)?;
            Ok(plain(text, name))
        }
    }
}

/// Methods without arguments.
fn plain(text: &Text, name: &str) -> Value {
    let string = text.as_str();
    match name {
        "upper" => Value::Text(text.changed(string.to_uppercase())),
        "lower" => Value::Text(text.changed(string.to_lowercase())),
        "casefold" => Value::Text(text.changed(letters::folded(string))),
        "capitalize" => Value::Text(text.changed(letters::capitalized(string))),
        "title" => Value::Text(text.changed(letters::titled(string))),
        "swapcase" => Value::Text(text.changed(letters::swapped(string))),
        "isspace" => Value::Bool(!string.is_empty() && string.chars().all(is_space)),
        "isprintable" => Value::Bool(string.chars().all(is_printable)),
        "isascii" => Value::Bool(string.is_ascii()),
        "islower" => Value::Bool(letters::is_lower(string)),
        "isupper" => Value::Bool(letters::is_upper(string)),
        "istitle" => Value::Bool(letters::is_titled(string)),
        _ => Value::Bool(letters::is_kind(name, string)),
    }
}

/// A text stripped of white space, or of these characters, at its ends.
pub fn strip(text: &Text, start: bool, end: bool, letters: Option<&Value>, budget: &mut Budget) -> Res<Text> {
    let cut: Box<dyn Fn(char) -> bool> = match letters {
        None | Some(Value::None) => Box::new(is_space),
        Some(Value::Text(letters)) => {
            budget.spend_bytes(text.len().saturating_mul(letters.len()))?;
            let letters = letters.shared();
            Box::new(move |letter| letters.contains(letter))
        }
        Some(other) => fail!("strip arg must be None or str, not {}", other.defined()?.kind()),
    };
    let string = text.as_str();
    let from = if start { string.len() - string.trim_start_matches(&cut).len() } else { 0 };
    let to = if end { from + string[from..].trim_end_matches(&cut).len() } else { string.len() };
    Ok(text.slice(from..to))
}

fn split(text: &Text, separator: Option<&Value>, most: i128, right: bool, budget: &mut Budget) -> Res<Vec<Value>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let string = text.as_str();
    let mut ranges: Vec<Range<usize>> = match separator {
        None | Some(Value::None) => words(string, most, right),
        Some(Value::Text(separator)) if separator.is_empty() => fail!("empty separator"),
        Some(Value::Text(separator)) => {
            let separator = separator.as_str();
            let found: Vec<usize> = if right {
                let mut found: Vec<usize> = string.rmatch_indices(separator).take(most).map(|found| found.0).collect();
                found.reverse();
                found
            } else {
                string.match_indices(separator).take(most).map(|found| found.0).collect()
            };
            let starts = std::iter::once(0).chain(found.iter().map(|at| at + separator.len()));
            starts.zip(found.iter().copied().chain([string.len()])).map(|(start, end)| start..end).collect()
        }
        Some(other) => fail!("must be str or None, not {}", other.defined()?.kind()),
    };
    budget.spend(ranges.len() as u64)?;
    Ok(ranges.drain(..).map(|range| Value::Text(text.slice(range))).collect())
}

/// Words separated by white space, with at most `most` splits.
fn words(string: &str, most: usize, right: bool) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut from, mut to) = (0, string.len());
    loop {
        let rest = &string[from..to];
        if right {
            to -= rest.len() - rest.trim_end_matches(is_space).len();
        } else {
            from += rest.len() - rest.trim_start_matches(is_space).len();
        }
        let rest = &string[from..to];
        if rest.is_empty() {
            break;
        }
        if ranges.len() == most {
            ranges.push(from..to);
            break;
        }
        if right {
            let start = rest.char_indices().rev().find(|(_, letter)| is_space(*letter));
            let start = start.map_or(from, |(at, letter)| from + at + letter.len_utf8());
            ranges.push(start..to);
            to = start;
        } else {
            let end = from + rest.find(is_space).unwrap_or(rest.len());
            ranges.push(from..end);
            from = end;
        }
    }
    if right {
        ranges.reverse();
    }
    ranges
}

fn lines(text: &Text, keep: bool, budget: &mut Budget) -> Res<Vec<Value>> {
    const ENDS: [char; 10] =
        ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    let string = text.as_str();
    let mut lines = Vec::new();
    let mut at = 0;
    while at < string.len() {
        budget.spend(1)?;
        let rest = &string[at..];
        let end = rest.find(ENDS).unwrap_or(rest.len());
        let length = match rest[end..].chars().next() {
            Some('\r') if rest[end..].starts_with("\r\n") => 2,
            letter => letter.map_or(0, char::len_utf8),
        };
        lines.push(Value::Text(text.slice(at..at + end + if keep { length } else { 0 })));
        at += end + length;
    }
    Ok(lines)
}

fn partition(text: &Text, name: &str, args: Args) -> Res<Value> {
    let [separator] = args.bind(name, ["sep"])?;
    let Some(Value::Text(separator)) = separator else { fail!("{name}() argument must be str") };
    let (string, separator) = (text.as_str(), separator.as_str());
    if separator.is_empty() {
        fail!("empty separator");
    }
    let found = if name == "partition" { string.find(separator) } else { string.rfind(separator) };
    let end = text.len();
    let parts = match found {
        Some(at) => [0..at, at..at + separator.len(), at + separator.len()..end],
        None if name == "partition" => [0..end, end..end, end..end],
        None => [0..0, 0..0, 0..end],
    };
    Value::tuple(parts.into_iter().map(|part| Value::Text(text.slice(part))).collect())
}

pub fn replace(text: &Text, old: &Text, new: &Text, count: i128, budget: &mut Budget) -> Res<Text> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let string = text.as_str();
    let mut writer = Writer::default();
    let mut at = 0;
    for (found, _) in string.match_indices(old.as_str()).take(most) {
        budget.spend_bytes(new.len())?;
        writer.push_part(text, at..found);
        writer.push_text(new);
        at = found + old.len();
    }
    writer.push_part(text, at..string.len());
    Ok(writer.finish())
}

/// A text centered or aligned in a width.
pub fn pad(text: &Text, name: &str, args: Args, budget: &mut Budget) -> Res<Value> {
    let [width, fill] = args.bind(name, ["width", "fillchar"])?;
    let width = usize::try_from(int(name, width, 0)?).unwrap_or(0);
    let letters = text.as_str().chars().count();
    let missing = width.saturating_sub(letters);
    budget.spend_bytes(missing)?;
    let fill = match fill {
        None => " ".to_string(),
        Some(Value::Text(fill)) if fill.as_str().chars().count() == 1 => fill.as_str().to_string(),
        Some(_) => fail!("The fill character must be exactly one character long"),
    };
    let mut writer = Writer::default();
    if name == "zfill" {
        let sign = usize::from(text.as_str().starts_with(['+', '-']));
        writer.push_part(text, 0..sign);
        writer.push(&"0".repeat(missing));
        writer.push_part(text, sign..text.len());
        return Ok(Value::Text(writer.finish()));
    }
    let before = match name {
        "ljust" => 0,
        "rjust" => missing,
        // as in Python: with an odd width the extra space is on the left
        _ => missing / 2 + (missing & width & 1),
    };
    writer.push(&fill.repeat(before));
    writer.push_text(text);
    writer.push(&fill.repeat(missing - before));
    Ok(Value::Text(writer.finish()))
}

fn expand_tabs(text: &Text, size: i128, budget: &mut Budget) -> Res<Value> {
    let size = usize::try_from(size).unwrap_or(0);
    let (mut expanded, mut column) = (String::new(), 0);
    for letter in text.as_str().chars() {
        match letter {
            '\t' if size > 0 => {
                let width = size - column % size;
                budget.spend_bytes(width)?;
                expanded.extend(std::iter::repeat_n(' ', width));
                column += width;
            }
            '\t' => {}
            _ => {
                column = if matches!(letter, '\n' | '\r') { 0 } else { column + 1 };
                expanded.push(letter);
            }
        }
    }
    Ok(Value::Text(text.changed(expanded)))
}
