//! Targets of heads, read from a batch and validated.

use crate::model::config::{Config, Problem};
use crate::model::rows::TokenRows;
use crate::model::spec::Targets;
use crate::{Error, Result, bail};
use std::borrow::Cow;

const WHO: &str = "loss";

/// The labels of all tokens, each below `classes` or -100. Padding has none.
pub fn of_tokens(rows: &TokenRows, classes: usize) -> Result<Targets> {
    let Some(labels) = rows.labels else {
        return Err(
            Error::new(WHO, "there are no labels").help("give `#{ ids: …, labels: … }`, a class for each token")
        );
    };
    check_count(rows, labels.len())?;
    if let Some(label) = labels.iter().find(|&&label| label != -100 && !(0..classes as i64).contains(&label)) {
        return Err(Error::new(WHO, format!("label {label}, and this head has {classes} classes"))
            .help("tokens without a loss have the label -100"));
    }
    Ok(in_place(rows, labels))
}

/// Target token ids, each in the vocabulary or -100: without labels all tokens are targets.
pub fn of_vocabulary<'a>(rows: &TokenRows<'a>, vocab: usize) -> Result<Cow<'a, [i64]>> {
    let Some(labels) = rows.labels else {
        return Ok(Cow::Owned(rows.ids.iter().map(|&id| i64::from(id)).collect()));
    };
    check_count(rows, labels.len())?;
    if let Some(label) = labels.iter().find(|&&label| label != -100 && !(0..vocab as i64).contains(&label)) {
        return Err(Error::new(WHO, format!("label {label} is outside the embeddings of {vocab} rows")).help(
            "text of a larger tokenizer needs `net.resize_embeddings(tok.len())`; tokens without a loss have the label -100",
        ));
    }
    Ok(Cow::Borrowed(labels))
}

/// Labels in place: padding has none.
pub fn in_place(rows: &TokenRows, labels: &[i64]) -> Targets {
    let padding = |at: usize| rows.segments.is_some_and(|segments| segments.get(at) == Some(&0));
    let ids: Vec<i64> = (0..labels.len()).map(|at| if padding(at) { -100 } else { labels[at] }).collect();
    Targets { count: ids.iter().filter(|&&target| target >= 0).count(), ids, ..Targets::default() }
}

fn check_count(rows: &TokenRows, labels: usize) -> Result<()> {
    if labels != rows.rows * rows.length {
        bail!(WHO, "{labels} labels for {} rows of {}", rows.rows, rows.length);
    }
    Ok(())
}

/// The targets of whole sequences.
pub fn of_sequences(rows: &TokenRows, config: &Config) -> Result<Targets> {
    let sequences = rows.sequences().len();
    if config.problem == Problem::SingleLabel {
        return classes(rows, sequences, config.labels);
    }
    let given = given(rows)?;
    if given.len() != sequences * config.labels {
        bail!(WHO, "{} targets for {sequences} sequences, each of {} numbers", given.len(), config.labels);
    }
    let fits = |value: &&f64| match config.problem {
        Problem::MultiLabel => (0.0..=1.0).contains(*value),
        _ => value.is_finite(),
    };
    if let Some(odd) = given.iter().find(|value| !fits(value)) {
        let wanted = if config.problem == Problem::MultiLabel { "from 0 to 1" } else { "a finite number" };
        bail!(WHO, "target {odd} is not {wanted}");
    }
    Ok(Targets { values: given.iter().map(|&value| value as f32).collect(), count: given.len(), ..Targets::default() })
}

/// One of `classes` classes for each sequence, or -100.
pub fn classes(rows: &TokenRows, sequences: usize, classes: usize) -> Result<Targets> {
    let given = given(rows)?;
    if given.len() != sequences {
        bail!(WHO, "{} targets for {sequences} sequences", given.len());
    }
    let class = |&value: &f64| match value {
        -100.0 => Ok(-100),
        _ if value.fract() == 0.0 && (0.0..classes as f64).contains(&value) => Ok(value as i64),
        _ => bail!(WHO, "target {value}, and this head has {classes} classes"),
    };
    let ids = given.iter().map(class).collect::<Result<Vec<i64>>>()?;
    Ok(Targets { count: ids.iter().filter(|&&id| id >= 0).count(), ids, ..Targets::default() })
}

fn given<'a>(rows: &TokenRows<'a>) -> Result<&'a [f64]> {
    rows.targets.ok_or_else(|| {
        Error::new(WHO, "there are no targets").help("give `#{ ids: …, targets: … }`, one for each sequence")
    })
}
