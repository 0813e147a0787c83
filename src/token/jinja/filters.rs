//! `value|filter`: Jinja's filters that make sense for plain text.

use super::args::{Args, int, needed, truth};
use super::attribute::attribute;
use super::budget::{Budget, Res, fail};
use super::float::{rounded, truncated};
use super::json;
use super::letters;
use super::lexer::is_space;
use super::marked::{Text, Writer};
use super::methods;
use super::names::{FILTERS, REFUSED, SEQUENCES};
use super::percent;
use super::sequences;
use super::show;
use super::value::{Dict, Value};
use std::rc::Rc;

pub fn filter(name: &str, value: &Value, args: Args, budget: &mut Budget) -> Res<Value> {
    budget.spend(1)?;
    match name {
        "default" | "d" => {
            let [default, boolean] = args.bind(name, ["default_value", "boolean"])?;
            let missing = value.is_undefined() || truth(boolean, false) && !value.is_true();
            Ok(if missing { default.unwrap_or_else(|| Value::text("")) } else { value.clone() })
        }
        "tojson" => json::dumps(value, args, budget),
        "length" | "count" => {
            args.none(name)?;
            length(value, budget)
        }
        "int" | "float" => {
            if let Value::Text(text) = value {
                budget.spend(text.len() as u64 / 8)?;
            }
            if name == "int" { to_int(value, args) } else { to_float(value, args) }
        }
        "abs" => {
            args.none(name)?;
            match (value.defined()?.as_int(), value) {
                (Some(whole), _) => Ok(Value::Int(whole.saturating_abs())),
                (_, Value::Float(number)) => Ok(Value::Float(number.abs())),
                (_, other) => fail!("bad operand type for abs(): '{}'", other.kind()),
            }
        }
        "round" => round(value, args),
        "attr" => {
            let [name] = args.bind(name, ["name"])?;
            match (needed("attr", "name", name)?.as_str(), value) {
                // an element is not an attribute
                (Some(name), Value::Dict(_)) if !matches!(name, "get" | "items" | "keys" | "values" | "copy") => {
                    Ok(Value::undefined(format!("'dict object' has no attribute '{name}'")))
                }
                (Some(name), _) => attribute(value, name),
                _ => fail!("the name of an attribute is a text"),
            }
        }
        _ if SEQUENCES.contains(&name) => sequences::of_sequence(name, value, args, filter, budget),
        _ if FILTERS.contains(&name) => of_text(name, &show::text(value, budget)?, args, budget),
        _ if REFUSED.contains(&name) => fail!("the filter `{name}` is not for chat templates, which are plain text"),
        _ => fail!("No filter named '{name}'."),
    }
}

/// Filters of texts: other values are converted to text.
fn of_text(name: &str, text: &Text, args: Args, budget: &mut Budget) -> Res<Value> {
    budget.spend_bytes(text.len())?;
    let string = text.as_str();
    if let "upper" | "lower" | "capitalize" | "title" | "string" | "safe" | "e" | "escape" | "wordcount" = name {
        args.none(name)?;
        return Ok(match name {
            "upper" => Value::Text(text.changed(string.to_uppercase())),
            "lower" => Value::Text(text.changed(string.to_lowercase())),
            "capitalize" => Value::Text(text.changed(letters::capitalized(string))),
            "title" => Value::Text(text.changed(titled(string))),
            "e" | "escape" => Value::Text(text.changed(escaped(string))),
            "wordcount" => {
                budget.spend(text.len() as u64 / 8)?;
                Value::Int(letters::words(string) as i128)
            }
            _ => Value::Text(text.clone()),
        });
    }
    match name {
        "trim" => {
            let [letters] = args.bind(name, ["chars"])?;
            Ok(Value::Text(methods::strip(text, true, true, letters.as_ref(), budget)?))
        }
        "replace" => {
            let [old, new, count] = args.bind(name, ["old", "new", "count"])?;
            let (old, new) = (needed(name, "old", old)?, needed(name, "new", new)?);
            let (old, new) = (show::text(&old, budget)?, show::text(&new, budget)?);
            let count = int(name, count.filter(|count| !matches!(count, Value::None)), -1)?;
            Ok(Value::Text(methods::replace(text, &old, &new, count, budget)?))
        }
        "center" => {
            let [width] = args.bind(name, ["width"])?;
            let positional = vec![width.unwrap_or(Value::Int(80))];
            methods::pad(text, name, Args { positional, ..Args::default() }, budget)
        }
        "indent" => indent(text, args, budget),
        "truncate" => truncate(text, args),
        _ if args.named.is_empty() => {
            let given = Value::tuple(args.positional)?;
            Ok(Value::Text(percent::format(text, &given, budget)?))
        }
        _ if args.positional.is_empty() => {
            let named = args.named.into_iter().map(|(name, value)| (Value::text(&name), value)).collect();
            let given = Value::Dict(Rc::new(Dict::new(named, budget)?));
            Ok(Value::Text(percent::format(text, &given, budget)?))
        }
        _ => fail!("can't handle positional and keyword arguments at the same time"),
    }
}

fn length(value: &Value, budget: &mut Budget) -> Res<Value> {
    if let Value::Text(text) = value {
        budget.spend_bytes(text.len())?;
    }
    Ok(Value::Int(match value {
        Value::Undefined(_) => 0,
        Value::Text(text) => text.as_str().chars().count() as i128,
        Value::List(_, list) => list.items.len() as i128,
        Value::Dict(dict) => dict.entries.len() as i128,
        other => fail!("object of type '{}' has no len()", other.kind()),
    }))
}

/// Python's `int(text, base)`.
fn parse_int(text: &str, base: u32) -> Option<i128> {
    let trimmed = text.trim_matches(is_space);
    let (below, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let has_prefix = !prefix.is_empty() && digits.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let digits = if has_prefix { &digits[2..] } else { digits };
    let joined = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    if joined || digits.starts_with(['+', '-']) {
        return None;
    }
    let whole = i128::from_str_radix(&digits.replace('_', ""), base).ok()?;
    Some(if below { -whole } else { whole })
}

/// Python's `float(text)`.
fn parse_float(text: &str) -> Option<f64> {
    let trimmed = text.trim_matches(is_space);
    let known = trimmed.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let joined = known.starts_with('_') || known.ends_with('_') || known.contains("__");
    let is_number = known.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    if joined || !(is_number || ["inf", "infinity", "nan"].contains(&known.as_str())) {
        return None;
    }
    trimmed.replace('_', "").parse().ok()
}

fn to_int(value: &Value, args: Args) -> Res<Value> {
    let [default, base] = args.bind("int", ["default", "base"])?;
    let base = int("int", base, 10)?;
    let whole = match value {
        Value::Text(text) => {
            let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base)).unwrap_or(10);
            let text = letters::with_digits(text.as_str());
            match parse_int(&text, base) {
                None => parse_float(&text).filter(|number| number.is_finite()).map(truncated).transpose()?,
                whole => whole,
            }
        }
        Value::Float(number) if number.is_finite() => Some(truncated(*number)?),
        other => other.defined()?.as_int(),
    };
    Ok(whole.map(Value::Int).or(default).unwrap_or(Value::Int(0)))
}

fn to_float(value: &Value, args: Args) -> Res<Value> {
    let [default] = args.bind("float", ["default"])?;
    let number = match value {
        Value::Text(text) => parse_float(&letters::with_digits(text.as_str())),
        other => other.defined()?.as_number(),
    };
    Ok(number.map(Value::Float).or(default).unwrap_or(Value::Float(0.0)))
}

fn round(value: &Value, args: Args) -> Res<Value> {
    let [precision, method] = args.bind("round", ["precision", "method"])?;
    let places = int("round", precision, 0)?;
    let method = method.as_ref().and_then(Value::as_str).unwrap_or("common");
    let Some(number) = value.defined()?.as_number() else { fail!("type {} doesn't define __round__", value.kind()) };
    if method == "common" {
        return Ok(match value.as_int() {
            Some(whole) if places >= 0 => Value::Int(whole),
            Some(whole) => Value::Int(rounded_whole(whole, places)),
            None => Value::Float(rounded(number, places)),
        });
    }
    let scale = 10f64.powi(i32::try_from(places.clamp(-400, 400)).unwrap_or(0));
    let scaled = match method {
        "ceil" => (number * scale).ceil(),
        "floor" => (number * scale).floor(),
        _ => fail!("method must be common, ceil or floor"),
    };
    // as if from an integer, which has no -0
    Ok(Value::Float((scaled + 0.0) / scale))
}

/// Rounds to tens, hundreds and so on, half to even.
fn rounded_whole(whole: i128, places: i128) -> i128 {
    let Some(unit) = u32::try_from(-places).ok().and_then(|zeros| 10i128.checked_pow(zeros)) else { return 0 };
    let (down, rest) = (whole.div_euclid(unit), whole.rem_euclid(unit));
    let up = rest > unit - rest || rest == unit - rest && down % 2 != 0;
    (down + i128::from(up)).saturating_mul(unit)
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&#34;").replace('\'', "&#39;")
}

/// Words begin after white space, a hyphen or a bracket, and each is lowercased separately.
fn titled(text: &str) -> String {
    let ends = |letter: char| is_space(letter) || "-({[<".contains(letter);
    let mut titled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|letter| ends(letter) != ends(first)).unwrap_or(rest.len());
        titled.extend(first.to_uppercase());
        titled.push_str(&rest[first.len_utf8()..end].to_lowercase());
        rest = &rest[end..];
    }
    titled
}

fn indent(text: &Text, args: Args, budget: &mut Budget) -> Res<Value> {
    let [width, first, blank] = args.bind("indent", ["width", "first", "blank"])?;
    let (first, blank) = (truth(first, false), truth(blank, false));
    let space = match width {
        Some(Value::Text(space)) => space,
        width => {
            let width = usize::try_from(int("indent", width, 4)?).unwrap_or(0);
            budget.spend_bytes(width)?;
            Text::plain(" ".repeat(width))
        }
    };
    let whole = Value::Text(text.changed(format!("{}\n", text.as_str())));
    let args = Args::default();
    let lines = methods::call(&whole, "splitlines", args, budget)?.walk(budget)?;
    let mut writer = Writer::default();
    let mut at = 0;
    for (number, line) in lines.iter().filter_map(Value::as_str).enumerate() {
        budget.spend_bytes(space.len() + line.len())?;
        if number > 0 {
            writer.push("\n");
        }
        let indented = if number == 0 { first } else { blank || !line.is_empty() };
        if indented {
            writer.push_text(&space);
        }
        // the sources of the same bytes
        let found = text.as_str()[at..].find(line).map_or(at, |found| at + found);
        writer.push_part(text, found..found + line.len());
        at = found + line.len();
    }
    Ok(Value::Text(writer.finish()))
}

fn truncate(text: &Text, args: Args) -> Res<Value> {
    let [length, kill, end, leeway] = args.bind("truncate", ["length", "killwords", "end", "leeway"])?;
    let (length, leeway) = (int("truncate", length, 255)?, int("truncate", leeway, 5)?);
    let end = match end {
        Some(Value::Text(end)) => end,
        _ => Text::plain("..."),
    };
    let letters = |text: &Text| text.as_str().chars().count() as i128;
    if length < letters(&end) || leeway < 0 {
        fail!("truncate: a length of {length} has no room for the end");
    }
    if letters(text) <= length + leeway {
        return Ok(Value::Text(text.clone()));
    }
    let kept = usize::try_from(length - letters(&end)).unwrap_or(0);
    let mut cut = text.as_str().char_indices().nth(kept).map_or(text.len(), |found| found.0);
    if !truth(kill, false) {
        cut = text.as_str()[..cut].rfind(' ').unwrap_or(cut);
    }
    let mut writer = Writer::default();
    writer.push_part(text, 0..cut);
    writer.push_text(&end);
    Ok(Value::Text(writer.finish()))
}
