//! Row selection by a model's score of the text, for `clean::perplexity` and `clean::classifier`.

use crate::clean::score::{CLASSIFIER, Choose, ChoosePlan, PERPLEXITY, Score, ScoreKind, TextScorer};
use crate::data::{Dataset, Stream};
use crate::script::prelude::*;
use std::sync::Arc;

/// Text scorer, as scripts pass it around.
#[derive(Clone)]
pub struct Scorer(pub Arc<dyn TextScorer>);

pub fn register(host: &mut Host) {
    host.engine.register_type_with_name::<Scorer>("Scorer");
    host.module(exported_module!(verbs));
}

/// Range of two numbers, either of which may be `()`.
fn between(kind: &ScoreKind, given: &Dynamic) -> Res<Option<(f64, f64)>> {
    let ScoreKind { who, option, .. } = kind;
    if given.is_unit() {
        return Ok(None);
    }
    let bound = |value: &Dynamic, open: f64| match value.is_unit() {
        true => Some(open),
        false => as_number(value),
    };
    let list = given.as_array_ref().ok();
    match list.as_deref().map(Vec::as_slice) {
        Some([least, most]) => match (bound(least, f64::NEG_INFINITY), bound(most, f64::INFINITY)) {
            (Some(least), Some(most)) => Ok(Some((least, most))),
            _ => bail!(*who, "option `{option}` is [least, most], numbers or (), not {given}"),
        },
        _ => bail!(*who, "option `{option}` is [least, most], not {given}"),
    }
}

/// The two steps of a rule: scoring, and selection by score.
pub fn steps(kind: &'static ScoreKind, field: &str, mut given: Map) -> Res<(Score, Choose)> {
    let who = kind.who;
    let Some(Scorer(scorer)) = given.remove("scorer").and_then(Dynamic::try_cast) else {
        bail!(who, "a model is needed: `model` and `tokenizer` of a rule of clean::run");
    };
    let option = |name: &str| given.get(name).cloned().unwrap_or_default();
    let keep = option("keep");
    let keep = match as_number(&keep) {
        Some(keep) => Some(keep),
        None if keep.is_unit() => None,
        None => bail!(who, "option `keep` is a share above 0 and up to 1, not {}", type_in_words(&keep)),
    };
    let by_language = option("by").to_string() == "language";
    let plan = ChoosePlan { kind, between: between(kind, &option(kind.option))?, keep, by_language };
    plan.check()?;
    let into = option("into");
    let drops = into.is_unit();
    // drop the score where no field was asked for
    let into = if drops { format!("levain: {}", kind.step) } else { into.to_string() };
    let score = Score { kind, field: field.into(), into: into.clone(), scorer };
    Ok((score, Choose { field: field.into(), score: into, drops, plan }))
}

fn field(who: &str, data: &Dataset, given: &Map) -> Res<String> {
    let at = match given.get("field").filter(|field| !field.is_unit()) {
        Some(name) => data.field(who, &name.to_string())?,
        None => data.text_field(who)?,
    };
    Ok(data.fields()[at].to_string())
}

/// Selects rows of a dataset or a stream.
fn choose(kind: &'static ScoreKind, rows: &Dynamic, given: Map) -> Res<Dynamic> {
    let who = kind.who;
    if let Some(data) = rows.read_lock::<Dataset>() {
        let (score, choose) = steps(kind, &field(who, &data, &given)?, given)?;
        let bare = data.is_bare();
        let scored = data.through(&score)?;
        let last = choose.last_kept(std::iter::once(Ok(scored.clone())))?;
        let kept = choose.kept(scored, 0, &last)?;
        return Ok(Dynamic::from(if bare && choose.drops { kept.into_bare() } else { kept }));
    }
    let Some(stream) = rows.read_lock::<Stream>() else {
        bail!(who, "rows are a dataset or a stream, not {}", type_in_words(rows));
    };
    let Some(first) = stream.first()? else { return Ok(rows.clone()) };
    let (score, choose) = steps(kind, &field(who, &first, &given)?, given)?;
    Ok(Dynamic::from(stream.through(Arc::new(score)).in_order(Arc::new(choose))))
}

#[export_module]
mod verbs {
    /// Keeps rows by the bits per byte of their text, for `clean::perplexity`.
    ///
    /// inner
    #[rhai_fn(name = "_perplexity", return_raw)]
    pub fn perplexity(rows: Dynamic, given: Map) -> Res<Dynamic> {
        super::choose(&PERPLEXITY, &rows, given)
    }

    /// Keeps rows by a classifier's score of their text, for `clean::classifier`.
    ///
    /// inner
    #[rhai_fn(name = "_classifier", return_raw)]
    pub fn classifier(rows: Dynamic, given: Map) -> Res<Dynamic> {
        super::choose(&CLASSIFIER, &rows, given)
    }
}
