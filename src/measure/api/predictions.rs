//! Native part of `stdlib/measure/`: scores of probabilities and rankings, of multilabel items, and of entities.

use super::{labels, map, number, sides};
use crate::data::tags::{Scheme, Span, spans};
use crate::measure::calibration::Bin;
use crate::measure::entities::read_row;
use crate::measure::{MultiLabel, Predictions, Scores, entity_counts, ranking};
use crate::script::prelude::*;
use crate::tensor::{Tensor, values};

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

/// A score; a boolean is allowed for two classes.
fn score(who: &str, value: &Dynamic) -> Res<f64> {
    match value.as_bool() {
        Ok(truth) => Ok(f64::from(u8::from(truth))),
        Err(_) => number(who, "a score", value),
    }
}

/// Numbers row by row, with the row length; `None` for a flat list.
fn numbers(who: &str, given: &Dynamic) -> Res<(Vec<f64>, Option<usize>)> {
    if let Some(tensor) = given.read_lock::<Tensor>() {
        let found = values::values_f64(&tensor.value())?;
        return match tensor.shape()[..] {
            [_] => Ok((found, None)),
            [_, columns] => Ok((found, Some(columns))),
            ref dims => bail!(who, "scores of shape {dims:?} are neither [items] nor [items, classes]"),
        };
    }
    let Some(list) = given.read_lock::<List>() else {
        bail!(who, "scores are a tensor or a list of numbers, not {}", type_in_words(given));
    };
    if !list.first().is_some_and(Dynamic::is_array) {
        return Ok((list.iter().map(|value| score(who, value)).collect::<Res<_>>()?, None));
    }
    let (mut found, mut columns) = (Vec::new(), None);
    for (at, row) in list.iter().enumerate() {
        let Some(row) = row.read_lock::<List>() else { bail!(who, "item {at} is {}, not a list", type_in_words(row)) };
        if *columns.get_or_insert(row.len()) != row.len() {
            bail!(who, "item {at} has {} classes, the first one {}", row.len(), columns.unwrap_or_default());
        }
        for value in row.iter() {
            found.push(score(who, value)?);
        }
    }
    Ok((found, columns))
}

/// Expected values: a list, or a tensor of integers.
fn expected(who: &str, given: &Dynamic) -> Res<List> {
    if let Some(tensor) = given.read_lock::<Tensor>() {
        return Ok(values::values_i64(who, &tensor.value())?.into_iter().map(Dynamic::from).collect());
    }
    match given.read_lock::<List>() {
        Some(list) => Ok(list.clone()),
        None => bail!(who, "what is expected is a list of labels, not {}", type_in_words(given)),
    }
}

/// Column of each expected class: its index in `names`, or the class itself.
fn columns(who: &str, expected: &List, names: &Dynamic, classes: usize) -> Res<Vec<usize>> {
    if let Some(names) = names.read_lock::<List>() {
        let names = labels(&names);
        if names.len() != classes {
            bail!(who, "{} labels for {classes} classes", names.len());
        }
        let column = |(at, label): (usize, String)| match names.iter().position(|name| *name == label) {
            Some(column) => Ok(column),
            None => {
                let names = names.iter().map(String::as_str);
                Err(Error::unknown(who, "label", &label, names).at(format!("item {at}")).into())
            }
        };
        return labels(expected).into_iter().enumerate().map(column).collect();
    }
    let column = |(at, label): (usize, &Dynamic)| {
        let int = label.as_int().or_else(|_| label.as_bool().map(INT::from));
        match int.ok().and_then(|int| usize::try_from(int).ok()) {
            Some(column) => Ok(column),
            None => Err(Error::new(who, format!("item {at}: `{label}` is not the number of a class"))
                .help("name the classes, in the order of the columns: `#{ labels: [...] }`")
                .into()),
        }
    };
    expected.iter().enumerate().map(column).collect()
}

/// Booleans: which items are positive, or which labels an item has.
fn truths(who: &str, list: &List) -> Res<Vec<bool>> {
    let truth = |(at, value): (usize, &Dynamic)| match (value.as_bool(), value.as_int(), value.as_float()) {
        (Ok(on), ..) => Ok(on),
        (_, Ok(0), _) => Ok(false),
        (_, Ok(1), _) => Ok(true),
        (.., Ok(number)) if number == 0.0 || number == 1.0 => Ok(number == 1.0),
        _ => Err(Error::new(who, format!("item {at}: `{value}` is neither true nor false, neither 1 nor 0"))
            .help("name the positive label: `#{ positive: … }`")
            .into()),
    };
    list.iter().enumerate().map(truth).collect()
}

/// Rows of booleans, and their length.
fn truth_rows(who: &str, given: &Dynamic) -> Res<(Vec<bool>, usize)> {
    let (numbers, columns) = numbers(who, given)?;
    let Some(columns) = columns else { bail!(who, "an item is a list of truth values, one for each label") };
    Ok((truths(who, &numbers.into_iter().map(Dynamic::from_float).collect())?, columns))
}

/// Probabilities or logits with the expected classes. Flat probabilities are those of class 1 of two.
fn predictions(
    who: &str,
    given: &Dynamic,
    wanted: &Dynamic,
    names: &Dynamic,
    logits: bool,
) -> Res<(Predictions, bool)> {
    let (mut found, classes) = numbers(who, given)?;
    let flat = classes.is_none();
    if flat {
        // logits of class 1 against 0
        found = found.iter().flat_map(|p| if logits { [0.0, *p] } else { [1.0 - p, *p] }).collect();
    }
    let classes = classes.unwrap_or(2);
    let right = columns(who, &expected(who, wanted)?, names, classes)?;
    let make = if logits { Predictions::of } else { Predictions::probabilities };
    Ok((make(who, found, classes, right)?, flat))
}

/// Tags, row by row.
fn tag_rows(who: &str, rows: &List) -> Res<Vec<Vec<String>>> {
    let tags = |(at, row): (usize, &Dynamic)| match row.read_lock::<List>() {
        Some(row) => Ok(labels(&row)),
        None => bail!(who, "row {at} is {}, not a list of tags", type_in_words(row)),
    };
    rows.iter().enumerate().map(tags).collect()
}

fn named(label: &str, scores: Scores) -> Dynamic {
    let mut row = map(scores);
    row.insert("label".into(), label.into());
    row.into()
}

fn span_map(span: Span) -> Dynamic {
    let fields: [(&str, Dynamic); 3] =
        [("label", span.label.into()), ("start", (span.start as INT).into()), ("end", (span.end as INT).into())];
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>().into()
}

fn bin_map(bin: &Bin) -> Dynamic {
    let fields: [(&str, Dynamic); 5] = [
        ("low", bin.low.into()),
        ("high", bin.high.into()),
        ("count", (bin.count as INT).into()),
        ("confidence", bin.confidence.into()),
        ("accuracy", bin.accuracy.into()),
    ];
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>().into()
}

/// One-vs-rest AUC of each class, with its support.
fn one_against_rest(who: &str, numbers: &[f64], classes: usize, right: &[usize]) -> Res<Vec<(f64, usize)>> {
    if numbers.len() != classes * right.len() {
        bail!(who, "{} rows of scores for {} expected", numbers.len() / classes.max(1), right.len());
    }
    if let Some(at) = right.iter().position(|right| *right >= classes) {
        bail!(who, "item {at} is of class {}, and there are {classes}", right[at]);
    }
    let area = |class: usize| {
        let scores: Vec<f64> = numbers.iter().skip(class).step_by(classes).copied().collect();
        let positive: Vec<bool> = right.iter().map(|right| *right == class).collect();
        let area = ranking::roc_auc(&scores, &positive).map_err(|error| error.at(format!("class {class}")))?;
        Ok((area, positive.iter().filter(|positive| **positive).count()))
    };
    (0..classes).map(area).collect()
}

#[export_module]
mod verbs {
    /// Computes a score of probabilities.
    #[rhai_fn(name = "_probability_score", return_raw)]
    pub fn probability_score(which: &str, given: Dynamic, wanted: Dynamic, names: Dynamic, bins: INT) -> Res<Dynamic> {
        let who = format!("measure::{which}");
        let (found, flat) = predictions(&who, &given, &wanted, &names, which == "temperature")?;
        let Ok(bins) = usize::try_from(bins) else { bail!(who, "option `bins` is {bins}") };
        let attributed = |error: Error| error.attributed_to(who.as_str());
        Ok(match which {
            "log_loss" => found.log_loss().into(),
            "brier" if flat => (found.brier() / 2.0).into(),
            "brier" => found.brier().into(),
            "ece" => found.ece(bins).map_err(attributed)?.into(),
            "temperature" => found.temperature().map_err(attributed)?.into(),
            _ => found.reliability(bins).map_err(attributed)?.iter().map(bin_map).collect::<List>().into(),
        })
    }

    /// Computes a score of a ranking of positive and negative items.
    #[rhai_fn(name = "_ranking_score", return_raw)]
    pub fn ranking_score(which: &str, given: Dynamic, wanted: Dynamic, positive: Dynamic) -> Res<FLOAT> {
        let who = format!("measure::{which}");
        let (found, columns) = numbers(&who, &given)?;
        if let Some(columns) = columns {
            bail!(who, "scores are one number an item, not {columns}");
        }
        let wanted = expected(&who, &wanted)?;
        let truth = if positive.is_unit() {
            truths(&who, &wanted)?
        } else {
            let positive = positive.to_string();
            labels(&wanted).iter().map(|label| *label == positive).collect()
        };
        let score = match which {
            "roc_auc" => ranking::roc_auc(&found, &truth),
            _ => ranking::average_precision(&found, &truth),
        };
        Ok(score.map_err(|error| error.attributed_to(who))?)
    }

    /// Whether scores have a column for each class.
    #[rhai_fn(name = "_has_classes", return_raw)]
    pub fn has_classes(given: Dynamic) -> Res<bool> {
        Ok(numbers("measure::roc_auc", &given)?.1.is_some())
    }

    /// Computes the mean one-vs-rest area under the ROC curve.
    #[rhai_fn(name = "_roc_auc_of_classes", return_raw)]
    pub fn roc_auc_of_classes(given: Dynamic, wanted: Dynamic, names: Dynamic, weighted: bool) -> Res<FLOAT> {
        const WHO: &str = "measure::roc_auc";
        let (found, classes) = numbers(WHO, &given)?;
        let classes = classes.unwrap_or(1);
        let right = columns(WHO, &expected(WHO, &wanted)?, &names, classes)?;
        let areas = one_against_rest(WHO, &found, classes, &right)?;
        let weight = |count: usize| if weighted { count as f64 } else { 1.0 };
        let whole: f64 = areas.iter().map(|(_, count)| weight(*count)).sum();
        Ok(areas.iter().map(|(area, count)| area * weight(*count)).sum::<f64>() / whole)
    }

    /// Finds the threshold of each label with the best F1: its number, the threshold and its F1.
    #[rhai_fn(name = "_thresholds", return_raw)]
    pub fn thresholds(given: Dynamic, wanted: Dynamic) -> Res<List> {
        const WHO: &str = "measure::thresholds";
        let (found, columns) = numbers(WHO, &given)?;
        let Some(columns) = columns else { bail!(WHO, "an item is a list of scores, one for each label") };
        let (truth, own) = truth_rows(WHO, &wanted)?;
        if own != columns || truth.len() != found.len() {
            let rows = |count: usize, columns: usize| count / columns.max(1);
            bail!(
                WHO,
                "scores of {} items with {columns} labels, and {} expected with {own}",
                rows(found.len(), columns),
                rows(truth.len(), own)
            );
        }
        let of = |label: usize| -> Res<Dynamic> {
            let scores: Vec<f64> = found.iter().skip(label).step_by(columns).copied().collect();
            let truth: Vec<bool> = truth.iter().skip(label).step_by(columns).copied().collect();
            let best = ranking::best_threshold(&scores, &truth);
            let (threshold, f1) = best.map_err(|error| error.attributed_to(WHO).at(format!("label {label}")))?;
            let fields: [(&str, Dynamic); 3] =
                [("label", (label as INT).into()), ("threshold", threshold.into()), ("f1", f1.into())];
            Ok(fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>().into())
        };
        (0..columns).map(of).collect()
    }

    /// Computes scores of items with several labels each.
    #[rhai_fn(name = "_multilabel", return_raw)]
    pub fn multilabel(predicted: Dynamic, wanted: Dynamic, names: Dynamic) -> Res<Map> {
        const WHO: &str = "measure::multilabel";
        let ((found, columns), (truth, own)) = (truth_rows(WHO, &predicted)?, truth_rows(WHO, &wanted)?);
        if columns != own {
            bail!(WHO, "items with {columns} labels for items with {own}");
        }
        let names = match names.read_lock::<List>() {
            Some(names) if names.len() != columns => bail!(WHO, "{} labels for {columns} columns", names.len()),
            Some(names) => labels(&names),
            None => (0..columns).map(|at| at.to_string()).collect(),
        };
        let all = MultiLabel::of(&found, &truth, columns).map_err(|error| error.attributed_to(WHO))?;
        let scores = all.scores();
        let fields: [(&str, Dynamic); 7] = [
            ("classes", names.iter().zip(&scores).map(|(name, one)| named(name, *one)).collect::<List>().into()),
            ("micro", map(all.micro_average()).into()),
            ("macro", map(Scores::macro_average(&scores)).into()),
            ("weighted", map(Scores::weighted_average(&scores)).into()),
            ("samples", map(all.samples_average()).into()),
            ("subset_accuracy", all.subset_accuracy().into()),
            ("hamming_loss", all.hamming_loss().into()),
        ];
        Ok(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Computes scores of the entities of rows of tags.
    #[rhai_fn(name = "_entity_scores", return_raw)]
    pub fn entity_scores(predicted: Dynamic, wanted: Dynamic, scheme: &str, strict: bool) -> Res<Map> {
        const WHO: &str = "measure::entity_scores";
        let [predicted, wanted] = sides(WHO, &predicted, &wanted)?;
        let scheme = Scheme::named(WHO, scheme)?;
        let (predicted, wanted) = (tag_rows(WHO, &predicted)?, tag_rows(WHO, &wanted)?);
        let found = entity_counts(&predicted, &wanted, scheme, strict).map_err(|error| error.attributed_to(WHO))?;
        let scores = found.scores();
        let rows = |rows: &[usize]| rows.iter().map(|row| Dynamic::from(*row as INT)).collect::<List>();
        let fields: [(&str, Dynamic); 7] = [
            ("classes", found.labels.keys().zip(&scores).map(|(name, one)| named(name, *one)).collect::<List>().into()),
            ("micro", map(found.micro_average()).into()),
            ("macro", map(Scores::macro_average(&scores)).into()),
            ("weighted", map(Scores::weighted_average(&scores)).into()),
            ("token_accuracy", found.token_accuracy().into()),
            ("malformed_predicted", rows(&found.malformed.0).into()),
            ("malformed_expected", rows(&found.malformed.1).into()),
        ];
        Ok(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Returns the entities of a row of tags.
    #[rhai_fn(name = "_entities", return_raw)]
    pub fn entities(tags: List, scheme: &str, strict: bool) -> Res<List> {
        const WHO: &str = "measure::entities";
        let (scheme, tags) = (Scheme::named(WHO, scheme)?, labels(&tags));
        let read = read_row(WHO, scheme, 0, &tags)?;
        Ok(spans(&read, scheme, strict).into_iter().map(span_map).collect())
    }
}
