//! Test texts that occur in the training texts.

use crate::clean::leaks::{Leak, LeakPlan, leaks};
use crate::data::{Cell, Dataset, Stream, TableBuilder};
use crate::script::prelude::*;

const WHO: &str = "clean::leaks";

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

fn rows(found: Vec<Leak>) -> Res<Dataset> {
    let mut rows = TableBuilder::with_names(["test", "train", "kind", "share", "text"].map(Into::into));
    for leak in found {
        rows.column("test").push(Cell::Int(leak.test as i64));
        rows.column("train").push(Cell::Int(leak.train as i64));
        rows.column("kind").push(Cell::Text(leak.kind.name()));
        rows.column("share").push(Cell::Float((leak.share * 1e4).round() / 1e4));
        rows.column("text").push(Cell::Text(&leak.text));
        rows.end_row().map_err(|what| Error::new(WHO, what))?;
    }
    Ok(rows.finish().into())
}

/// The text field: the named one, the only one, or `text`.
fn field(data: &Dataset, named: Option<&str>) -> Res<String> {
    let at = match named {
        Some(name) => data.field(WHO, name)?,
        None => data.text_field(WHO)?,
    };
    Ok(data.fields()[at].to_string())
}

fn plan(given: &Map) -> Res<LeakPlan> {
    let count = |name: &str| -> Res<usize> {
        match given.get(name).map(Dynamic::as_int) {
            Some(Ok(count)) if count > 0 => Ok(count as usize),
            _ => bail!(WHO, "option `{name}` is a whole number above 0"),
        }
    };
    let near = given.get("near").filter(|near| !near.is_unit());
    let number = |near: &Dynamic| -> Res<f64> {
        match as_number(near) {
            Some(near) => Ok(near),
            None => bail!(WHO, "option `near` is a number or (), not {}", type_in_words(near)),
        }
    };
    let near = near.map(number).transpose()?;
    Ok(LeakPlan { words: count("ngram")?, characters: count("characters")?, near })
}

#[export_module]
mod verbs {
    /// Finds test texts that occur in the training texts, for `clean::leaks`.
    ///
    /// inner
    #[rhai_fn(name = "_leaks", return_raw)]
    pub fn find(train: Dynamic, test: Dataset, given: Map) -> Res<Dataset> {
        let plan = super::plan(&given)?;
        let named = given.get("field").filter(|field| !field.is_unit()).map(ToString::to_string);
        let of_test = super::field(&test, named.as_deref())?;
        let found = match (train.read_lock::<Dataset>(), train.read_lock::<Stream>()) {
            (Some(data), _) => {
                let of_train = super::field(&data, named.as_deref())?;
                leaks(std::iter::once(Ok(data.clone())), &test, (&of_train, &of_test), plan)?
            }
            (_, Some(stream)) => {
                let Some(first) = stream.first()? else { return super::rows(Vec::new()) };
                let of_train = super::field(&first, named.as_deref())?;
                leaks(stream.blocks()?, &test, (&of_train, &of_test), plan)?
            }
            _ => bail!(WHO, "the texts of the training are a dataset or a stream, not {}", type_in_words(&train)),
        };
        super::rows(found)
    }
}
