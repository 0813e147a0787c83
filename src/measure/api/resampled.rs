//! Native part of `measure::f1_interval`: the contribution of each item to the counts of classes.

use super::{labels, sides};
use crate::data::tags::{Scheme, Tag, spans};
use crate::measure::entities::read_row;
use crate::measure::resampled::{Average, ItemCounts, Resampling, resampled_f1};
use crate::measure::{Count, Interval};
use crate::script::prelude::*;
use std::collections::HashMap;

const WHO: &str = "measure::f1_interval";

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

/// Numbers of classes, in order of first appearance.
#[derive(Default)]
struct Numbers(HashMap<String, usize>);

impl Numbers {
    fn of(&mut self, label: &str) -> usize {
        let next = self.0.len();
        *self.0.entry(label.to_string()).or_insert(next)
    }
}

/// Counts of items with one class each.
fn classes(predicted: &List, expected: &List, numbers: &mut Numbers) -> ItemCounts {
    let item = |(predicted, expected): (String, String)| {
        let right = u64::from(predicted == expected);
        let own = (numbers.of(&predicted), Count { right, predicted: 1, expected: right });
        match right {
            1 => vec![own],
            _ => vec![own, (numbers.of(&expected), Count { right: 0, predicted: 0, expected: 1 })],
        }
    };
    labels(predicted).into_iter().zip(labels(expected)).map(item).collect()
}

/// Counts of items with any number of labels, as lists.
fn sets(predicted: &List, expected: &List, numbers: &mut Numbers) -> Res<ItemCounts> {
    let set = |at: usize, row: &Dynamic| -> Res<Vec<String>> {
        match row.read_lock::<List>() {
            Some(row) => Ok(labels(&row)),
            None => bail!(WHO, "item {at} is {}, not a list of labels", type_in_words(row)),
        }
    };
    let mut items = Vec::new();
    for (at, (predicted, expected)) in predicted.iter().zip(expected.iter()).enumerate() {
        let (predicted, expected) = (set(at, predicted)?, set(at, expected)?);
        let mut counts = Vec::new();
        for label in &predicted {
            let right = u64::from(expected.contains(label));
            counts.push((numbers.of(label), Count { right, predicted: 1, expected: 0 }));
        }
        for label in &expected {
            counts.push((numbers.of(label), Count { right: 0, predicted: 0, expected: 1 }));
        }
        items.push(counts);
    }
    Ok(items)
}

/// Counts of the entities of rows of tags.
fn entities(predicted: &List, expected: &List, numbers: &mut Numbers, scheme: Scheme, strict: bool) -> Res<ItemCounts> {
    let read = |at: usize, row: &Dynamic| -> Res<Vec<String>> {
        match row.read_lock::<List>() {
            Some(row) => Ok(labels(&row)),
            None => bail!(WHO, "row {at} is {}, not a list of tags", type_in_words(row)),
        }
    };
    let mut items = Vec::new();
    for (at, (predicted, expected)) in predicted.iter().zip(expected.iter()).enumerate() {
        let (predicted, expected) = (read(at, predicted)?, read(at, expected)?);
        if predicted.len() != expected.len() {
            bail!(WHO, "row {at}: {} tags predicted for {} expected", predicted.len(), expected.len());
        }
        let find = |tags: &[Tag]| spans(tags, scheme, strict);
        let own = find(&read_row(WHO, scheme, at, &predicted)?);
        let gold = find(&read_row(WHO, scheme, at, &expected)?);
        let mut counts = Vec::new();
        for span in &own {
            let right = u64::from(gold.contains(span));
            counts.push((numbers.of(&span.label), Count { right, predicted: 1, expected: 0 }));
        }
        for span in &gold {
            counts.push((numbers.of(&span.label), Count { right: 0, predicted: 0, expected: 1 }));
        }
        items.push(counts);
    }
    Ok(items)
}

fn interval(found: Interval, name: &str) -> Map {
    let ends = [(name, found.mean), ("low", found.low), ("high", found.high)];
    ends.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[export_module]
mod verbs {
    /// Computes the intervals of an F1, and of its difference from a baseline.
    #[rhai_fn(name = "_f1_interval", return_raw)]
    pub fn f1_interval(predicted: Dynamic, wanted: Dynamic, o: Map) -> Res<Map> {
        let [predicted, wanted] = sides(WHO, &predicted, &wanted)?;
        let text = |name: &str| o.get(name).map(|value| value.to_string()).unwrap_or_default();
        let int = |name: &str| o.get(name).and_then(|value| value.as_int().ok()).unwrap_or(0);
        let scheme = Scheme::named(WHO, &text("scheme"))?;
        let mut numbers = Numbers::default();
        let mut arms = Vec::new();
        let other = o.get("baseline").and_then(|other| other.read_lock::<List>().map(|list| list.clone()));
        for arm in std::iter::once(&predicted).chain(&other) {
            if arm.len() != wanted.len() {
                bail!(WHO, "{} predicted for {} expected", arm.len(), wanted.len());
            }
            arms.push(match text("kind").as_str() {
                "classes" => classes(arm, &wanted, &mut numbers),
                "multilabel" => sets(arm, &wanted, &mut numbers)?,
                _ => entities(arm, &wanted, &mut numbers, scheme, text("mode") == "strict")?,
            });
        }
        let average = match text("average").as_str() {
            "micro" => Average::Micro,
            "weighted" => Average::Weighted,
            _ => Average::Macro,
        };
        let level = o.get("level").and_then(|level| level.as_float().ok()).unwrap_or(0.95);
        let samples = usize::try_from(int("samples")).unwrap_or(0);
        let how = Resampling { average, samples, level, seed: int("seed") as u64 };
        let mut found =
            resampled_f1(&arms, numbers.0.len(), &how).map_err(|error| error.attributed_to(WHO))?.into_iter();
        let mut map = found.next().map(|first| interval(first.score, "f1")).unwrap_or_default();
        if let Some(other) = found.next() {
            map.insert("baseline".into(), interval(other.score, "f1").into());
            if let Some(apart) = other.difference {
                map.insert("difference".into(), interval(apart, "mean").into());
            }
        }
        Ok(map)
    }
}
