//! Filters of lists and maps.

use super::args::{Args, int, needed, truth};
use super::attribute::item;
use super::budget::{Budget, Res, fail};
use super::checks::check;
use super::compare::{equal, order};
use super::marked::{Text, Writer};
use super::number::arithmetic;
use super::show;
use super::value::{Key, Sequence, Value};
use std::cmp::Ordering;
use std::collections::HashSet;

/// Applies a filter by name, for `map`.
pub type Filter = fn(&str, &Value, Args, &mut Budget) -> Res<Value>;

pub fn of_sequence(name: &str, value: &Value, mut args: Args, filter: Filter, budget: &mut Budget) -> Res<Value> {
    match name {
        "list" => {
            args.none(name)?;
            Value::list(value.walk(budget)?)
        }
        "first" => {
            args.none(name)?;
            first(value, budget)
        }
        "last" => {
            args.none(name)?;
            if let Value::Generator(_) = value {
                fail!("'generator' object is not reversible");
            }
            let last = value.walk(budget)?.pop();
            Ok(last.unwrap_or_else(|| Value::undefined("No last item, sequence was empty.")))
        }
        "reverse" => {
            args.none(name)?;
            if let Value::Text(text) = value {
                budget.spend(text.len() as u64)?;
                return Ok(Value::Text(text.changed(text.as_str().chars().rev().collect::<String>())));
            }
            let mut items = value.walk(budget)?;
            items.reverse();
            Value::generator(items)
        }
        "join" => join(value, args, budget),
        "items" => {
            args.none(name)?;
            match value {
                Value::Undefined(_) => Value::generator(Vec::new()),
                Value::Dict(_) => Value::generator(pairs(value, budget)?),
                _ => fail!("Can only get item pairs from a mapping."),
            }
        }
        "dictsort" => dictsort(value, args, budget),
        "map" => map(value, args, filter, budget),
        "select" | "reject" | "selectattr" | "rejectattr" => select(name, value, args, budget),
        "sort" => {
            let [reverse, sensitive, attribute] = args.bind(name, ["reverse", "case_sensitive", "attribute"])?;
            let paths = Path::several(attribute.as_ref())?;
            let fold = !truth(sensitive, false);
            let keys = |item: &Value, budget: &mut Budget| {
                let key = |path: &Path| folded(path.of(item, None, budget)?, fold, budget);
                Value::list(paths.iter().map(key).collect::<Res<_>>()?)
            };
            Value::list(sorted(value.walk(budget)?, keys, truth(reverse, false), budget)?)
        }
        "unique" => {
            let [sensitive, attribute] = args.bind(name, ["case_sensitive", "attribute"])?;
            let (path, fold) = (Path::one(attribute.as_ref())?, !truth(sensitive, false));
            let mut seen = HashSet::new();
            let mut kept = Vec::new();
            for item in value.walk(budget)? {
                if seen.insert(Key::of(&folded(path.of(&item, None, budget)?, fold, budget)?, budget)?) {
                    kept.push(item);
                }
            }
            Value::generator(kept)
        }
        "min" | "max" => extreme(name, value, args, budget),
        "sum" => {
            let [attribute, start] = args.bind(name, ["attribute", "start"])?;
            let path = Path::one(attribute.as_ref())?;
            let mut sum = start.unwrap_or(Value::Int(0));
            for item in value.walk(budget)? {
                sum = arithmetic(super::ast::Operator::Add, &sum, &path.of(&item, None, budget)?, budget)?;
            }
            Ok(sum)
        }
        "groupby" => groupby(value, args, budget),
        _ => {
            let fill = args.take("fill_with");
            let [count, second] =
                args.bind(name, [if name == "batch" { "linecount" } else { "slices" }, "fill_with"])?;
            let count = usize::try_from(int(name, count, 0)?).ok().filter(|count| *count > 0);
            let Some(count) = count else { fail!("{name}: the number of parts has to be above 0") };
            let fill = second.or(fill).filter(|fill| !matches!(fill, Value::None));
            parts(name, value.walk(budget)?, count, fill, budget)
        }
    }
}

fn first(value: &Value, budget: &mut Budget) -> Res<Value> {
    let first = match value {
        Value::Generator(generator) => generator.items.borrow_mut().pop_front(),
        Value::List(_, list) => list.items.first().cloned(),
        _ => value.walk(budget)?.into_iter().next(),
    };
    Ok(first.unwrap_or_else(|| Value::undefined("No first item, sequence was empty.")))
}

fn join(value: &Value, args: Args, budget: &mut Budget) -> Res<Value> {
    let [between, attribute] = args.bind("join", ["d", "attribute"])?;
    let between = match between {
        Some(between) => show::text(&between, budget)?,
        None => Text::plain(""),
    };
    let path = Path::one(attribute.as_ref())?;
    let mut writer = Writer::default();
    for (at, item) in value.walk(budget)?.iter().enumerate() {
        if at > 0 {
            budget.spend_bytes(between.len())?;
            writer.push_text(&between);
        }
        show::show(&path.of(item, None, budget)?, &mut writer, budget)?;
    }
    Ok(Value::Text(writer.finish()))
}

/// The path to the value that a filter uses: `a.0.b`.
struct Path(Vec<Value>);

impl Path {
    fn read(attribute: &str) -> Path {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let part = |part: &str| match part.parse().ok().filter(|_| digits(part)) {
            Some(place) => Value::Int(place),
            None => Value::text(part),
        };
        Path(attribute.split('.').map(part).collect())
    }

    fn one(attribute: Option<&Value>) -> Res<Path> {
        match attribute {
            None | Some(Value::None) => Ok(Path(Vec::new())),
            Some(Value::Text(text)) => Ok(Path::read(text.as_str())),
            Some(other) if other.as_int().is_some() => Ok(Path(vec![other.clone()])),
            Some(other) => fail!("an attribute is a text or a number, not {}", other.kind()),
        }
    }

    fn several(attribute: Option<&Value>) -> Res<Vec<Path>> {
        match attribute {
            Some(Value::Text(text)) => Ok(text.as_str().split(',').map(Path::read).collect()),
            other => Ok(vec![Path::one(other)?]),
        }
    }

    fn of(&self, value: &Value, default: Option<&Value>, budget: &mut Budget) -> Res<Value> {
        let mut found = value.clone();
        for part in &self.0 {
            found = item(&found, part, budget)?;
            if let Some(default) = default
                && found.is_undefined()
            {
                found = default.clone();
            }
        }
        Ok(found)
    }
}

/// Folds case for comparison.
fn folded(value: Value, fold: bool, budget: &mut Budget) -> Res<Value> {
    match value {
        Value::Text(text) if fold => {
            budget.spend_bytes(text.len())?;
            Ok(Value::Text(text.changed(text.as_str().to_lowercase())))
        }
        other => Ok(other),
    }
}

/// Sorts by keys, stably, with errors and unordered values (NaN).
fn sorted(
    items: Vec<Value>,
    key: impl Fn(&Value, &mut Budget) -> Res<Value>,
    reverse: bool,
    budget: &mut Budget,
) -> Res<Vec<Value>> {
    let mut run: Vec<(Value, Value)> = Vec::with_capacity(items.len());
    for item in items {
        run.push((key(&item, budget)?, item));
    }
    let mut width = 1;
    while width < run.len() {
        let mut merged = Vec::with_capacity(run.len());
        for pair in run.chunks(2 * width) {
            let (mut left, mut right) = pair.split_at(width.min(pair.len()));
            while let (Some(one), Some(two)) = (left.first(), right.first()) {
                let wanted = if reverse { Ordering::Greater } else { Ordering::Less };
                if order(&two.0, &one.0, "<", budget)? == Some(wanted) {
                    merged.push(two.clone());
                    right = &right[1..];
                } else {
                    merged.push(one.clone());
                    left = &left[1..];
                }
            }
            merged.extend(left.iter().chain(right).cloned());
        }
        run = merged;
        width *= 2;
    }
    Ok(run.into_iter().map(|pair| pair.1).collect())
}

fn pairs(value: &Value, budget: &mut Budget) -> Res<Vec<Value>> {
    let Value::Dict(dict) = value.defined()? else { fail!("'{} object' has no attribute 'items'", value.kind()) };
    budget.spend(dict.entries.len() as u64)?;
    dict.entries.iter().map(|(key, value)| Value::tuple(vec![key.clone(), value.clone()])).collect()
}

fn dictsort(value: &Value, args: Args, budget: &mut Budget) -> Res<Value> {
    let [sensitive, by, reverse] = args.bind("dictsort", ["case_sensitive", "by", "reverse"])?;
    let place = match by.as_ref().map(|by| by.as_str()) {
        None | Some(Some("key")) => 0,
        Some(Some("value")) => 1,
        _ => fail!("You can only sort by either \"key\" or \"value\""),
    };
    let fold = !truth(sensitive, false);
    let key = |pair: &Value, budget: &mut Budget| folded(item(pair, &Value::Int(place), budget)?, fold, budget);
    Value::list(sorted(pairs(value, budget)?, key, truth(reverse, false), budget)?)
}

fn map(value: &Value, mut args: Args, filter: Filter, budget: &mut Budget) -> Res<Value> {
    // an empty value of any type has no items
    let items = if value.is_true() { value.walk(budget)? } else { Vec::new() };
    let mut mapped = Vec::with_capacity(items.len());
    if args.positional.is_empty() {
        let (attribute, default) = (args.take("attribute"), args.take("default"));
        args.none("map")?;
        if attribute.is_none() {
            fail!("map requires a filter argument");
        }
        let path = Path::one(attribute.as_ref())?;
        for item in &items {
            mapped.push(path.of(item, default.as_ref(), budget)?);
        }
        return Value::generator(mapped);
    }
    let name = args.positional.remove(0);
    let Some(name) = name.as_str() else { fail!("map takes the name of a filter") };
    for item in &items {
        let args = Args { positional: args.positional.clone(), named: args.named.clone() };
        mapped.push(filter(name, item, args, budget)?);
    }
    Value::generator(mapped)
}

fn select(name: &str, value: &Value, mut args: Args, budget: &mut Budget) -> Res<Value> {
    let path = if name.ends_with("attr") {
        if args.positional.is_empty() {
            fail!("Missing parameter for attribute name");
        }
        Path::one(Some(&args.positional.remove(0)))?
    } else {
        Path(Vec::new())
    };
    let test = if args.positional.is_empty() { None } else { Some(args.positional.remove(0)) };
    let mut kept = Vec::new();
    for item in if value.is_true() { value.walk(budget)? } else { Vec::new() } {
        let looked = path.of(&item, None, budget)?;
        let passes = match &test {
            None => looked.is_true(),
            Some(test) => {
                let Some(test) = test.as_str() else { fail!("{name} takes the name of a test") };
                let args = Args { positional: args.positional.clone(), named: args.named.clone() };
                check(test, &looked, args, budget)?
            }
        };
        if passes != name.starts_with("reject") {
            kept.push(item);
        }
    }
    Value::generator(kept)
}

fn extreme(name: &str, value: &Value, args: Args, budget: &mut Budget) -> Res<Value> {
    let [sensitive, attribute] = args.bind(name, ["case_sensitive", "attribute"])?;
    let (path, fold) = (Path::one(attribute.as_ref())?, !truth(sensitive, false));
    let (sign, wanted) = if name == "min" { ("<", Ordering::Less) } else { (">", Ordering::Greater) };
    let mut best: Option<(Value, Value)> = None;
    for item in value.walk(budget)? {
        let key = folded(path.of(&item, None, budget)?, fold, budget)?;
        let better = match &best {
            None => true,
            Some((known, _)) => order(&key, known, sign, budget)? == Some(wanted),
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(|| Value::undefined("No aggregated item, sequence was empty."), |best| best.1))
}

fn groupby(value: &Value, args: Args, budget: &mut Budget) -> Res<Value> {
    let [attribute, default, sensitive] = args.bind("groupby", ["attribute", "default", "case_sensitive"])?;
    let path = Path::one(Some(&needed("groupby", "attribute", attribute)?))?;
    let (default, fold) = (default.as_ref(), !truth(sensitive, false));
    let key = |item: &Value, budget: &mut Budget| folded(path.of(item, default, budget)?, fold, budget);
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for item in sorted(value.walk(budget)?, key, false, budget)? {
        let key = key(&item, budget)?;
        match groups.last_mut() {
            Some((known, group)) if equal(known, &key, budget)? => group.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    let mut found = Vec::with_capacity(groups.len());
    for (_, group) in groups {
        let key = match group.first() {
            Some(first) => path.of(first, default, budget)?,
            None => Value::None,
        };
        found.push(Value::sequence(Sequence::Tuple, vec![key, Value::list(group)?])?);
    }
    Value::list(found)
}

/// `batch`: parts of `count` items; `slice`: `count` parts.
fn parts(name: &str, items: Vec<Value>, count: usize, fill: Option<Value>, budget: &mut Budget) -> Res<Value> {
    let mut parts = Vec::new();
    if name == "batch" {
        for part in items.chunks(count) {
            let mut part = part.to_vec();
            if let Some(fill) = &fill {
                budget.spend((count - part.len()) as u64)?;
                part.resize(count, fill.clone());
            }
            parts.push(Value::list(part)?);
        }
        return Value::generator(parts);
    }
    budget.spend(count as u64)?;
    let (each, more) = (items.len() / count, items.len() % count);
    let mut start = 0;
    for number in 0..count {
        let end = start + each + usize::from(number < more);
        let mut part = items[start..end].to_vec();
        if number >= more {
            part.extend(fill.clone());
        }
        parts.push(Value::list(part)?);
        start = end;
    }
    Value::generator(parts)
}
