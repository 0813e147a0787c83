//! Rows for encoders: a text or a pair, or words that come split, with a class for the row or a tag for each word. Special tokens
//! stay around what is cut.

use super::encoded::{Counts, Encoded, Flat};
use super::{Cell, Dataset};
use crate::token::Tokenizer;
use crate::token::inputs::{Fit, Input, Inputs};
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;

const WHO: &str = "encode";
/// Rows encoded between two checks of the cancel flag.
const CHUNK: usize = 1024;

#[derive(Clone, Debug)]
pub struct LabeledPlan {
    /// The field of the text, or of its words.
    pub first: String,
    pub second: Option<String>,
    /// The fields hold lists of words.
    pub words: bool,
    pub answer: Answer,
    /// Names of the classes; none: classes are numbers.
    pub labels: Vec<String>,
    /// The later tokens of a word have its tag too, and not only the first.
    pub label_all: bool,
    pub max_length: Option<usize>,
}

/// What is to be predicted.
#[derive(Clone, Debug)]
pub enum Answer {
    Nothing,
    /// Of the row: a class, a list of classes, or numbers.
    Row(String),
    /// Of each word.
    Words(String),
}

/// A row as tokens.
struct LabeledRow {
    inputs: Inputs,
    labels: Vec<i64>,
    targets: Vec<f64>,
    cut: bool,
}

/// What was lost on the way, which no score would show.
#[derive(Default)]
struct Lost {
    /// Words without a token, whose tags are lost, and the first of them: its row, and the word.
    words: usize,
    word: Option<(usize, String)>,
    /// Words that were cut off.
    cut: usize,
}

pub fn encode(data: &Dataset, tokenizer: &Tokenizer, plan: &LabeledPlan) -> Result<Encoded> {
    if data.is_empty() {
        bail!(WHO, "there are no rows");
    }
    let field = |name: &String| data.field(WHO, name);
    let first = if plan.first.is_empty() { data.text_field(WHO)? } else { field(&plan.first)? };
    let second = plan.second.as_ref().map(field).transpose()?;
    let answer = match &plan.answer {
        Answer::Nothing => None,
        Answer::Row(name) | Answer::Words(name) => Some(field(name)?),
    };
    let columns = Columns { first, second, answer };
    let tagged = matches!(plan.answer, Answer::Words(_));
    let mut flat = Flat::labeled();
    let (mut counts, mut ends, mut targets, mut lost) = (Counts::default(), Vec::new(), Vec::new(), Lost::default());
    for start in (0..data.len()).step_by(CHUNK) {
        cancel::check()?;
        let rows: Vec<Result<(LabeledRow, Lost)>> = (start..data.len().min(start + CHUNK))
            .into_par_iter()
            .map(|at| row(data, &columns, at, tokenizer, plan).map_err(|error| error.at(format!("row {at}"))))
            .collect();
        for row in rows {
            let (row, more) = row?;
            counts.truncated += usize::from(row.cut);
            flat.push_labeled(&row.inputs.ids, &row.labels, &row.inputs.type_ids);
            ends.push(flat.len());
            targets.extend(row.targets);
            lost.words += more.words;
            lost.cut += more.cut;
            lost.word = lost.word.or(more.word);
        }
    }
    if tagged {
        tell(&lost);
    }
    let pad = tokenizer.pad().or(tokenizer.eos()).unwrap_or(0);
    Ok(Encoded::labeled(flat, ends, pad, counts, targets))
}

/// Tags that nothing can learn or be measured by.
fn tell(lost: &Lost) {
    if let Some((row, word)) = &lost.word {
        let what =
            format!("{} words give no token, and their tags are lost: the first is {word:?} in row {row}", lost.words);
        crate::progress::warn(WHO, what);
    }
    if lost.cut > 0 {
        crate::progress::warn(WHO, format!("{} words with their tags are cut off by `max_length`", lost.cut));
    }
}

struct Columns {
    first: usize,
    second: Option<usize>,
    answer: Option<usize>,
}

fn text(data: &Dataset, field: usize, at: usize) -> Result<String> {
    match data.cell(field, at).text() {
        Ok(text) => Ok(text.into_owned()),
        Err(kind) => bail!(WHO, "field `{}` is {kind}, not text", data.fields()[field]),
    }
}

fn list(data: &Dataset, field: usize, at: usize) -> Result<Vec<serde_json::Value>> {
    match data.cell(field, at) {
        Cell::Json(json) if json.starts_with('[') => {
            serde_json::from_str(json).map_err(|error| Error::new(WHO, error.to_string()))
        }
        other => bail!(WHO, "field `{}` is {}, not a list", data.fields()[field], other.kind()),
    }
}

fn words(data: &Dataset, field: usize, at: usize) -> Result<Vec<String>> {
    let name = &data.fields()[field];
    let word = |value: serde_json::Value| match value {
        serde_json::Value::String(word) => Ok(word),
        other => bail!(WHO, "field `{name}` has the word {other}, which is not text"),
    };
    list(data, field, at)?.into_iter().map(word).collect()
}

fn row(
    data: &Dataset,
    columns: &Columns,
    at: usize,
    tokenizer: &Tokenizer,
    plan: &LabeledPlan,
) -> Result<(LabeledRow, Lost)> {
    let fit = Fit { max_length: plan.max_length, overlap: None };
    let (inputs, count, given) = if plan.words {
        let first = words(data, columns.first, at)?;
        let second = columns.second.map(|field| words(data, field, at)).transpose()?;
        let pair = second.as_deref().map(Input::Words);
        (tokenizer.inputs(&Input::Words(&first), pair.as_ref(), &fit)?, first.len(), first)
    } else {
        let first = text(data, columns.first, at)?;
        let second = columns.second.map(|field| text(data, field, at)).transpose()?;
        let pair = second.as_deref().map(Input::Text);
        (tokenizer.inputs(&Input::Text(&first), pair.as_ref(), &fit)?, 0, Vec::new())
    };
    let Some(inputs) = inputs.into_iter().next().filter(|inputs| inputs.content() > 0) else {
        bail!(WHO, "there is no token: it is empty");
    };
    let mut lost = Lost::default();
    let cut = plan.max_length.is_some_and(|most| inputs.len() >= most)
        && is_cut(&inputs, plan, data, columns, at, tokenizer)?;
    let mut labels = vec![-100; inputs.len()];
    let mut targets = Vec::new();
    match (&plan.answer, columns.answer) {
        (Answer::Row(_), Some(field)) => targets = answer(data, field, at, &plan.labels)?,
        (Answer::Words(_), Some(field)) => {
            let tags = tags(data, field, at, &plan.labels)?;
            if tags.len() != count {
                bail!(WHO, "{} tags in `{}` for {count} words", tags.len(), data.fields()[field]);
            }
            labels = aligned(&inputs, &tags, plan);
            let last = inputs.word_ids.iter().flatten().max().copied();
            let seen: std::collections::HashSet<u32> = inputs.word_ids.iter().flatten().copied().collect();
            for word in (0..count as u32).filter(|word| !seen.contains(word)) {
                if cut && last.is_none_or(|last| word > last) {
                    lost.cut += 1;
                } else {
                    lost.words += 1;
                    lost.word = lost.word.or(Some((at, given[word as usize].clone())));
                }
            }
        }
        _ => {}
    }
    Ok((LabeledRow { inputs, labels, targets, cut }, lost))
}

/// Whether a row of as many tokens as are allowed was longer.
fn is_cut(
    inputs: &Inputs,
    plan: &LabeledPlan,
    data: &Dataset,
    columns: &Columns,
    at: usize,
    tokenizer: &Tokenizer,
) -> Result<bool> {
    let whole = LabeledPlan { max_length: None, answer: Answer::Nothing, ..plan.clone() };
    let columns = Columns { answer: None, ..*columns };
    Ok(row(data, &columns, at, tokenizer, &whole)?.0.inputs.len() > inputs.len())
}

/// The tag of each token: of the first of a word, or of all.
fn aligned(inputs: &Inputs, tags: &[i64], plan: &LabeledPlan) -> Vec<i64> {
    let mut before = None;
    let label = |at: usize| {
        let word = inputs.word_ids[at].filter(|_| inputs.sequence_ids[at] == Some(0));
        let continues = word.is_some() && before == word;
        before = word;
        match word.map(|word| tags[word as usize]) {
            Some(tag) if !continues => tag,
            Some(tag) if plan.label_all => inside(tag, &plan.labels),
            _ => -100,
        }
    };
    (0..inputs.len()).map(label).collect()
}

/// The tag of what goes on: `I-PER` of `B-PER`, where there is one.
fn inside(tag: i64, labels: &[String]) -> i64 {
    let name = usize::try_from(tag).ok().and_then(|tag| labels.get(tag));
    let Some(kind) = name.and_then(|name| name.strip_prefix("B-")) else { return tag };
    labels.iter().position(|label| label.strip_prefix("I-") == Some(kind)).map_or(tag, |at| at as i64)
}

/// A class by its name, or by its number.
fn class(value: &serde_json::Value, labels: &[String], field: &str) -> Result<f64> {
    let name = match value {
        serde_json::Value::String(name) => name.clone(),
        other => other.to_string(),
    };
    if let Some(at) = labels.iter().position(|label| *label == name) {
        return Ok(at as f64);
    }
    match value.as_f64() {
        Some(number) if labels.is_empty() => Ok(number),
        Some(number) if number.fract() == 0.0 && (0.0..labels.len() as f64).contains(&number) => Ok(number),
        _ if labels.is_empty() => {
            Err(Error::new(WHO, format!("field `{field}` is {value}, and no `labels` are given"))
                .help("`labels: net.labels`, or a list of the names of the classes"))
        }
        _ => Err(Error::new(WHO, format!("field `{field}` is {value}, which is none of the {} labels", labels.len()))
            .choose(&name, labels.iter().map(String::as_str))),
    }
}

fn value(data: &Dataset, field: usize, at: usize) -> Result<serde_json::Value> {
    Ok(match data.cell(field, at) {
        Cell::Null => bail!(WHO, "field `{}` is empty", data.fields()[field]),
        Cell::Bool(truth) => u8::from(truth).into(),
        Cell::Int(number) => number.into(),
        Cell::Float(number) if number.is_finite() => number.into(),
        Cell::Float(number) => bail!(WHO, "field `{}` is {number}", data.fields()[field]),
        Cell::Text(text) => text.into(),
        Cell::Json(json) => serde_json::from_str(json).map_err(|error| Error::new(WHO, error.to_string()))?,
    })
}

/// What is to be predicted of a row: its class, each class or not, or numbers.
fn answer(data: &Dataset, field: usize, at: usize, labels: &[String]) -> Result<Vec<f64>> {
    let name = &data.fields()[field];
    match value(data, field, at)? {
        serde_json::Value::Array(all) if labels.is_empty() => all.iter().map(|one| class(one, labels, name)).collect(),
        serde_json::Value::Array(all) => {
            let mut truths = vec![0.0; labels.len()];
            for one in &all {
                truths[class(one, labels, name)? as usize] = 1.0;
            }
            Ok(truths)
        }
        one => Ok(vec![class(&one, labels, name)?]),
    }
}

fn tags(data: &Dataset, field: usize, at: usize, labels: &[String]) -> Result<Vec<i64>> {
    let name = &data.fields()[field];
    list(data, field, at)?.iter().map(|tag| Ok(class(tag, labels, name)? as i64)).collect()
}
