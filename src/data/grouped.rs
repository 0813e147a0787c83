//! Rows of several separate texts that are compared: a question, its answer and wrong answers, or two sentences and their
//! similarity.

use super::encoded::{Counts, Encoded, Flat};
use super::{Cell, Dataset, digits};
use crate::token::Tokenizer;
use crate::token::inputs::{Fit, Input, Inputs};
use crate::{Error, Result, bail, cancel, progress};
use rayon::prelude::*;

const WHO: &str = "encode";
/// Rows encoded between two checks of the cancel flag.
const CHUNK: usize = 1024;

#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// The fields of the texts: those after the second may hold a list of texts, or nothing.
    pub fields: Vec<String>,
    /// Prefixes of the texts of each field, possibly empty.
    pub prompts: Vec<String>,
    /// The field with the similarity of the first two texts.
    pub score: Option<String>,
    pub max_length: Option<usize>,
}

/// A row: the tokens of its texts, their similarity, and the number of truncated texts.
struct Group {
    texts: Vec<Inputs>,
    score: Option<f64>,
    cut: usize,
}

/// Encodes all rows, in parallel, in order. The target of each sequence is the index of its row, or the score of the row.
pub fn encode(data: &Dataset, tokenizer: &Tokenizer, plan: &GroupPlan) -> Result<Encoded> {
    check(data, plan)?;
    let fields = plan.fields.iter().map(|name| data.field(WHO, name)).collect::<Result<Vec<usize>>>()?;
    let score = plan.score.as_ref().map(|name| data.field(WHO, name)).transpose()?;
    let mut flat = Flat::labeled();
    let (mut counts, mut ends, mut targets, mut rows) = (Counts::default(), Vec::new(), Vec::new(), Vec::new());
    for start in (0..data.len()).step_by(CHUNK) {
        cancel::check()?;
        let groups: Vec<Result<Group>> = (start..data.len().min(start + CHUNK))
            .into_par_iter()
            .map(|at| group(data, &fields, score, at, tokenizer, plan).map_err(|error| error.at(format!("row {at}"))))
            .collect();
        for (at, group) in (start..).zip(groups) {
            let group = group?;
            counts.truncated += usize::from(group.cut > 0);
            for inputs in &group.texts {
                flat.push_labeled(&inputs.ids, &vec![-100; inputs.len()], &inputs.type_ids);
                ends.push(flat.len());
                targets.push(group.score.unwrap_or(at as f64));
            }
            rows.push(ends.len());
        }
    }
    if counts.truncated > 0 {
        let most = plan.max_length.unwrap_or_default();
        progress::warn(
            WHO,
            format!("{} of {} rows have a text of more than {most} tokens: cut off", counts.truncated, data.len()),
        );
    }
    let pad = tokenizer.pad().or(tokenizer.eos()).unwrap_or(0);
    Ok(Encoded::labeled(flat, ends, pad, counts, targets).grouped(rows))
}

fn check(data: &Dataset, plan: &GroupPlan) -> Result<()> {
    if data.is_empty() {
        bail!(WHO, "there are no rows");
    }
    if plan.fields.len() < 2 {
        return Err(Error::new(WHO, format!("{} fields in `sequences`", plan.fields.len()))
            .help("the first is an anchor, the second what belongs to it, and more are what does not"));
    }
    if plan.score.is_some() && plan.fields.len() != 2 {
        bail!(WHO, "a score is of two texts, and `sequences` names {} fields", plan.fields.len());
    }
    if plan.prompts.len() > plan.fields.len() {
        bail!(WHO, "{} prompts for {} fields", plan.prompts.len(), plan.fields.len());
    }
    Ok(())
}

fn group(
    data: &Dataset,
    fields: &[usize],
    score: Option<usize>,
    at: usize,
    tokenizer: &Tokenizer,
    plan: &GroupPlan,
) -> Result<Group> {
    let mut group = Group { texts: Vec::new(), score: None, cut: 0 };
    for (number, &field) in fields.iter().enumerate() {
        for text in texts(data, field, at, number > 1)? {
            let prompt = plan.prompts.get(number).map_or("", String::as_str);
            let inputs = tokenizer.inputs(&Input::Text(&format!("{prompt}{}", text.trim())), None, &Fit::default())?;
            let Some(whole) = inputs.into_iter().next().filter(|inputs| inputs.content() > 0) else {
                bail!(WHO, "field `{}` has no token: it is empty", data.fields()[field]);
            };
            group.cut += usize::from(plan.max_length.is_some_and(|most| whole.len() > most));
            group.texts.extend(whole.fitted(&Fit { max_length: plan.max_length, overlap: None })?);
        }
    }
    group.score = match score.map(|field| (&data.fields()[field], data.cell(field, at))) {
        None => None,
        Some((_, Cell::Int(score))) => Some(score as f64),
        Some((_, Cell::Float(score))) if score.is_finite() => Some(score),
        Some((name, cell)) => bail!(WHO, "field `{name}` is {}, not a finite number", cell.kind()),
    };
    if let Some(score) = group.score.filter(|score| !(-1.0..=1.0).contains(score)) {
        return Err(Error::new(WHO, format!("the score {score} is no cosine"))
            .help("scores are from -1 to 1, or from 0 to 1: divide those of another scale"));
    }
    Ok(group)
}

/// The text of a field, or with `several` the texts of a list, which may be missing.
fn texts(data: &Dataset, field: usize, at: usize, several: bool) -> Result<Vec<String>> {
    let (name, cell) = (&data.fields()[field], data.cell(field, at));
    match cell {
        Cell::Null if several => Ok(Vec::new()),
        Cell::Json(json) if several && json.starts_with('[') => {
            digits::value(json).map_err(|_| Error::new(WHO, format!("field `{name}` is not a list of texts")))
        }
        _ => match cell.text() {
            Ok(text) => Ok(vec![text.into_owned()]),
            Err(kind) => bail!(WHO, "field `{name}` is {kind}, not text"),
        },
    }
}
