//! Script API of cleaning.

mod chinese;
mod duplicates;
mod fetch;
mod languages;
mod leaks;
mod lines;
mod pages;
mod parts;
mod pii;
mod quality;
mod run;
pub mod score;
mod texts;

use super::Rewrite;
use crate::data::{Dataset, Stream};
use crate::script::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

pub fn register(host: &mut Host) {
    texts::register(host);
    pages::register(host);
    duplicates::register(host);
    parts::register(host);
    quality::register(host);
    lines::register(host);
    languages::register(host);
    pii::register(host);
    run::register(host);
    score::register(host);
    leaks::register(host);
    fetch::register(host);
    chinese::register(host);
}

const INTO: Opt =
    opt("into", Kind::Text, "", "field for the result; by default the text's own").also(&["output", "new_column"]);

/// What a verb does with texts, wherever they are.
type Change = Box<dyn Fn(&str) -> Cow<'_, str> + Send + Sync>;

/// Builds a step that changes the field `field`.
fn rewrite(verb: &'static str, field: &str, options: &Options, how: String, change: Change) -> Res<Rewrite> {
    let into = options.maybe("into", Options::text)?.map_or_else(|| field.to_string(), |into| into.to_string());
    Ok(Rewrite { verb, how, field: field.into(), into, change })
}

fn of_dataset(data: &Dataset, step: Rewrite) -> Res<Dataset> {
    data.field(step.verb, &step.field)?;
    Ok(data.through(&step)?)
}

fn of_stream(stream: &Stream, step: Rewrite) -> Res<Stream> {
    stream.has_fields(step.verb, std::slice::from_ref(&step.field))?;
    Ok(stream.through(Arc::new(step)))
}
