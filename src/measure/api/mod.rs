//! Script API of measuring.

mod bench;
mod compare;
mod likelihood;
mod predictions;
mod resampled;
mod retrieval;
mod scorer;
mod scores;

use crate::data::api::listed;
use crate::measure::Scores;
use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    bench::register(host);
    compare::register(host);
    likelihood::register(host);
    predictions::register(host);
    resampled::register(host);
    retrieval::register(host);
    scorer::register(host);
    scores::register(host);
}

/// Labels of any kind, as printed.
fn labels(list: &List) -> Vec<String> {
    list.iter().map(Dynamic::to_string).collect()
}

/// Predicted and expected values, as lists.
fn sides(who: &'static str, predicted: &Dynamic, expected: &Dynamic) -> Res<[List; 2]> {
    Ok([listed(who, "predicted labels", predicted)?, listed(who, "expected labels", expected)?])
}

/// Reads a number of a script; `what` names it in the error message.
fn number(who: &str, what: &str, value: &Dynamic) -> Res<f64> {
    match as_number(value) {
        Some(number) => Ok(number),
        None => bail!(who, "{what} is {}, not a number", type_in_words(value)),
    }
}

fn map(scores: Scores) -> Map {
    let mut map = Map::new();
    map.insert("precision".into(), scores.precision.into());
    map.insert("recall".into(), scores.recall.into());
    map.insert("f1".into(), scores.f1.into());
    map.insert("support".into(), (scores.support as INT).into());
    map
}
