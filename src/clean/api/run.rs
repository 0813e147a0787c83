//! Runs of rules over rows, for `clean::run`.

use super::{chinese, duplicates, lines, pages, parts, pii, quality, score, texts};
use crate::clean::run::{CleanRun, CleanStep};
use crate::clean::score::{CLASSIFIER, PERPLEXITY};
use crate::data::api::closure::keeping;
use crate::data::{Dataset, Stream};
use crate::script::prelude::*;
use std::path::Path;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

const WHO: &str = "clean::run";

/// Rules of a run.
const RULES: [&str; 17] = [
    "html_to_text",
    "fix_mojibake",
    "unescape_html",
    "normalize",
    "to_simplified",
    "to_traditional",
    "quality",
    "quality_lines",
    "unique",
    "unique_lines",
    "unique_paragraphs",
    "unique_substrings",
    "near_duplicates",
    "perplexity",
    "classifier",
    "mask_pii",
    "filter",
];

/// Parses a rule of a script, `#{ rule: "quality", … }`: its other keys are `field` and the options of the verb of that name.
fn steps_of(context: &NativeCallContext, field: &str, given: Dynamic, number: usize) -> Res<Vec<CleanStep>> {
    let Some(mut options) = given.clone().try_cast::<Map>() else {
        bail!(WHO, "rule {number} is a map, as #{{ rule: \"quality\" }}, not {given}");
    };
    let name = match options.remove("rule").and_then(Dynamic::try_cast::<ImmutableString>) {
        Some(name) => name,
        None => bail!(WHO, "rule {number} has no `rule`, its name: {}", RULES.join(", ")),
    };
    let own = options.remove("field").and_then(Dynamic::try_cast::<ImmutableString>);
    let field = own.as_deref().unwrap_or(field);
    let step = match name.as_str() {
        "perplexity" | "classifier" => {
            let kind = if name == "perplexity" { &PERPLEXITY } else { &CLASSIFIER };
            let (score, choose) = score::steps(kind, field, options)?;
            return Ok(vec![CleanStep::Score(score), CleanStep::Choose(choose)]);
        }
        "html_to_text" => CleanStep::Change(pages::reading(field, options)?),
        "fix_mojibake" => CleanStep::Change(texts::mending(field, options)?),
        "unescape_html" => CleanStep::Change(texts::unescaping(field, options)?),
        "normalize" => CleanStep::Change(texts::normalizing(field, options)?),
        "to_simplified" => CleanStep::Change(chinese::converting("to_simplified", field, options)?),
        "to_traditional" => CleanStep::Change(chinese::converting("to_traditional", field, options)?),
        "quality" => CleanStep::Sift(quality::sift("quality", field, options)?),
        "quality_lines" => CleanStep::Shorten(lines::shorten("quality_lines", field, options)?),
        "unique_lines" => CleanStep::Cut(field.into(), parts::plan("unique_lines", options)?),
        "unique_paragraphs" => CleanStep::Cut(field.into(), parts::plan("unique_paragraphs", options)?),
        "unique_substrings" => CleanStep::Cut(field.into(), parts::plan("unique_substrings", options)?),
        "near_duplicates" => CleanStep::Near(field.into(), duplicates::plan(options)?),
        "mask_pii" => {
            let kinds = pii::kinds_of(options.get("kinds").cloned())?;
            CleanStep::Mask(pii::masking(field, options)?, kinds)
        }
        "unique" if options.is_empty() => CleanStep::Unique(field.into()),
        "unique" => bail!(WHO, "rule {number}: `unique` has no options here; `near_duplicates` has"),
        "filter" => own_rule(context, options, number)?,
        other => return Err(Error::unknown(WHO, "rule", other, RULES).into()),
    };
    Ok(vec![step])
}

/// `#{ rule: "filter", name, keep: |row| … }`.
fn own_rule(context: &NativeCallContext, mut options: Map, number: usize) -> Res<CleanStep> {
    let name = options.remove("name").and_then(Dynamic::try_cast::<ImmutableString>);
    let keep = options.remove("keep").and_then(Dynamic::try_cast::<FnPtr>);
    match (name, keep, options.keys().next()) {
        (Some(name), Some(keep), None) => Ok(CleanStep::Keep(name.to_string(), keeping(WHO, context, keep)?)),
        (.., Some(other)) => bail!(WHO, "rule {number}: `filter` has no option `{other}`; it has `name` and `keep`"),
        _ => bail!(WHO, "rule {number}: `filter` needs a `name` and a closure `keep`"),
    }
}

/// Fields of the first rows.
fn fields_of(rows: &Dynamic) -> Res<Vec<String>> {
    let names = |data: &Dataset| data.fields().iter().map(|name| name.to_string()).collect();
    match (rows.read_lock::<Dataset>(), rows.read_lock::<Stream>()) {
        (Some(data), _) => Ok(names(&data)),
        (_, Some(stream)) => Ok(stream.first()?.as_ref().map(names).unwrap_or_default()),
        _ => bail!(WHO, "rows are a dataset or a stream, not {}", type_in_words(rows)),
    }
}

/// Whether a rule writes its result to the field `text`.
fn makes_text(rule: &Dynamic) -> bool {
    let into = rule.as_map_ref().ok().and_then(|rule| rule.get("into").map(ToString::to_string));
    into.as_deref() == Some("text")
}

/// Reports fields that the first rows lack. A rule may create a field for later ones.
fn check_fields(steps: &[CleanStep], fields: &[impl AsRef<str>]) -> Res<()> {
    let mut known: Vec<String> = fields.iter().map(|name| name.as_ref().to_string()).collect();
    for step in steps {
        let (needs, makes) = match step {
            CleanStep::Change(rewrite) | CleanStep::Mask(rewrite, _) => (Some(&rewrite.field), Some(&rewrite.into)),
            CleanStep::Sift(sift) => (Some(&sift.field), None),
            CleanStep::Unique(field) | CleanStep::Near(field, _) | CleanStep::Cut(field, _) => (Some(field), None),
            CleanStep::Shorten(shorten) => (Some(&shorten.field), None),
            CleanStep::Score(score) => (Some(&score.field), Some(&score.into)),
            CleanStep::Choose(choose) => (Some(&choose.score), None),
            CleanStep::Keep(..) => (None, None),
        };
        if let Some(unknown) = needs.filter(|field| !known.contains(field)) {
            return Err(Error::unknown(step.name(), "field", unknown, known.iter().map(String::as_str)).into());
        }
        known.extend(makes.cloned());
    }
    Ok(())
}

#[export_module]
mod verbs {
    /// Applies rules to rows, writes a folder, and returns the counts.
    ///
    /// inner
    ///
    /// ```rhai
    /// let rows = dataset(["one two three", "one two three", "four five six"]);
    /// _clean_run(rows, [#{ rule: "unique" }], #{ field: "text", out: "out/doc/clean-run", format: "jsonl", piece_rows: 9 }).kept_rows    //=> 2
    /// ```
    #[rhai_fn(name = "_clean_run", return_raw)]
    pub fn clean_run(context: NativeCallContext, rows: Dynamic, rules: List, given: Map) -> Res<Dynamic> {
        let text = |name: &str| given.get(name).map(ToString::to_string).unwrap_or_default();
        let fields = super::fields_of(&rows)?;
        let field = match given.get("field").filter(|field| !field.is_unit()) {
            Some(field) => field.to_string(),
            None if fields.len() == 1 && !rules.iter().any(super::makes_text) => fields[0].clone(),
            None => "text".to_string(),
        };
        let steps = rules.into_iter().enumerate().map(|(at, rule)| super::steps_of(&context, &field, rule, at + 1));
        let steps: Vec<CleanStep> = steps.collect::<Res<Vec<_>>>()?.into_iter().flatten().collect();
        if steps.is_empty() {
            bail!(WHO, "there are no rules");
        }
        // rows of several files may have other fields than the first
        if rows.read_lock::<Stream>().is_none_or(|stream| stream.source().files().len() == 1) {
            super::check_fields(&steps, &fields)?;
        }
        let piece_rows = match given.get("piece_rows").and_then(|rows| rows.as_int().ok()) {
            Some(rows) if rows > 0 => rows as u64,
            _ => bail!(WHO, "option `piece_rows` is a whole number above 0"),
        };
        let run = CleanRun { steps, field, out: Path::new(&text("out")).into(), format: text("format"), piece_rows };
        let tally = match (rows.read_lock::<Dataset>(), rows.read_lock::<Stream>()) {
            (Some(data), _) => run.run_dataset(&data)?,
            (_, Some(stream)) => run.run(&stream)?,
            _ => bail!(WHO, "rows are a dataset or a stream, not {}", type_in_words(&rows)),
        };
        rhai::serde::to_dynamic(tally)
    }
}
