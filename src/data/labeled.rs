//! Rows for encoders: a text, a pair, or pre-split words, with a class for the row or a tag for each word. Truncation keeps
//! special tokens.

use super::encoded::{Counts, Encoded, Flat};
use super::{Cell, Dataset, digits};
use crate::token::Tokenizer;
use crate::token::inputs::{Fit, Input, Inputs, best_windows};
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
    /// Whether the fields hold lists of words.
    pub words: bool,
    pub answer: Answer,
    /// Class names; if empty, classes are numbers.
    pub labels: Vec<String>,
    /// Also label the later tokens of a word, not only the first.
    pub label_all: bool,
    pub max_length: Option<usize>,
    pub overflow: LabeledOverflow,
    /// Skip rows without a token.
    pub skip_empty: bool,
    /// Treat an unusable tag as an error.
    pub lost_is_error: bool,
}

/// Treatment of a row longer than `max_length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabeledOverflow {
    Truncate,
    /// Windows that share this many tokens. Each has the class of its row; a tag is used in the window where it is furthest from
    /// an edge.
    Split(usize),
    Skip,
    Error,
}

/// The target.
#[derive(Clone, Debug)]
pub enum Answer {
    Nothing,
    /// Of the row: a class, a list of classes, or numbers.
    Row(String),
    /// Of each word.
    Words(String),
}

/// A row as tokens, in one or several windows.
#[derive(Default)]
struct LabeledRow {
    windows: Vec<(Inputs, Vec<i64>)>,
    targets: Vec<f64>,
    cut: bool,
    skipped: bool,
    lost: Lost,
}

/// Losses that no score would show.
#[derive(Default)]
struct Lost {
    /// Number of words without a token, whose tags are lost, and the first of them: its row, and the word.
    words: usize,
    word: Option<(usize, String)>,
    /// Number of truncated words, and the first of them.
    cut: usize,
    first_cut: Option<(usize, String)>,
}

impl Lost {
    fn add(&mut self, other: Lost) {
        self.words += other.words;
        self.cut += other.cut;
        self.word = self.word.take().or(other.word);
        self.first_cut = self.first_cut.take().or(other.first_cut);
    }

    fn note(&mut self, cut: bool, row: usize, word: &str) {
        let (count, first) = if cut { (&mut self.cut, &mut self.first_cut) } else { (&mut self.words, &mut self.word) };
        *count += 1;
        first.get_or_insert_with(|| (row, word.to_string()));
    }

    /// Warnings about unusable tags, one line each.
    fn lines(&self) -> Vec<(String, &'static str)> {
        let mut lines = Vec::new();
        if let Some((row, word)) = &self.word {
            let words = crate::text::counted(self.words, "word");
            lines.push((
                format!("{words} without a token, whose tags are lost: the first is {word:?} in row {row}"),
                "the tokenizer's normalizer removes it: clean the words, or leave them out with their tags",
            ));
        }
        if let Some((row, word)) = &self.first_cut {
            let words = crate::text::counted(self.cut, "word");
            lines.push((
                format!("{words} with their tags are cut off by `max_length`: the first is {word:?} in row {row}"),
                "`overflow: \"split\"` makes windows of long rows, and loses nothing",
            ));
        }
        lines
    }
}

pub fn encode(data: &Dataset, tokenizer: &Tokenizer, plan: &LabeledPlan) -> Result<Encoded> {
    if data.is_empty() {
        bail!(WHO, "there are no rows");
    }
    let columns = Columns::find(data, plan)?;
    let mut flat = Flat::labeled();
    let (mut counts, mut ends, mut targets, mut lost) = (Counts::default(), Vec::new(), Vec::new(), Lost::default());
    for start in (0..data.len()).step_by(CHUNK) {
        cancel::check()?;
        let rows: Vec<Result<LabeledRow>> = (start..data.len().min(start + CHUNK))
            .into_par_iter()
            .map(|at| row(data, &columns, at, tokenizer, plan).map_err(|error| error.at(format!("row {at}"))))
            .collect();
        for row in rows {
            let row = row?;
            counts.truncated += usize::from(row.cut);
            counts.skipped += usize::from(row.skipped);
            counts.split += usize::from(row.windows.len() > 1);
            for (inputs, labels) in &row.windows {
                flat.push_labeled(&inputs.ids, labels, &inputs.type_ids);
                ends.push(flat.len());
                targets.extend(&row.targets);
            }
            lost.add(row.lost);
        }
    }
    if matches!(plan.answer, Answer::Words(_)) {
        tell(&lost, plan)?;
    }
    if ends.is_empty() {
        bail!(WHO, "no row is left: all {} were skipped", counts.skipped);
    }
    let pad = tokenizer.pad().or(tokenizer.eos()).unwrap_or(0);
    Ok(Encoded::labeled(flat, ends, pad, counts, targets))
}

/// Warns of lost tags, or fails.
fn tell(lost: &Lost, plan: &LabeledPlan) -> Result<()> {
    for (line, cure) in lost.lines() {
        if plan.lost_is_error {
            return Err(Error::new(WHO, line).help(cure));
        }
        crate::progress::warn(WHO, line);
    }
    Ok(())
}

struct Columns {
    first: usize,
    second: Option<usize>,
    answer: Option<usize>,
}

impl Columns {
    fn find(data: &Dataset, plan: &LabeledPlan) -> Result<Columns> {
        let field = |name: &String| data.field(WHO, name);
        Ok(Columns {
            first: if plan.first.is_empty() { data.text_field(WHO)? } else { field(&plan.first)? },
            second: plan.second.as_ref().map(field).transpose()?,
            answer: match &plan.answer {
                Answer::Nothing => None,
                Answer::Row(name) | Answer::Words(name) => Some(field(name)?),
            },
        })
    }
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
            digits::value(json).map_err(|error| Error::new(WHO, error.to_string()))
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
    // a text is a list of its characters
    if let Cell::Text(text) = data.cell(field, at) {
        return Ok(text.chars().map(String::from).collect());
    }
    list(data, field, at)?.into_iter().map(word).collect()
}

/// A row as tokens of any number, and its words if it has some.
fn inputs(
    data: &Dataset,
    columns: &Columns,
    at: usize,
    tokenizer: &Tokenizer,
    plan: &LabeledPlan,
) -> Result<(Inputs, Vec<String>)> {
    let whole = Fit::default();
    let (windows, given) = if plan.words {
        let first = words(data, columns.first, at)?;
        let second = columns.second.map(|field| words(data, field, at)).transpose()?;
        let pair = second.as_deref().map(Input::Words);
        (tokenizer.inputs(&Input::Words(&first), pair.as_ref(), &whole)?, first)
    } else {
        let first = text(data, columns.first, at)?;
        let second = columns.second.map(|field| text(data, field, at)).transpose()?;
        let pair = second.as_deref().map(Input::Text);
        (tokenizer.inputs(&Input::Text(&first), pair.as_ref(), &whole)?, Vec::new())
    };
    Ok((windows.into_iter().next().unwrap_or_default(), given))
}

fn row(data: &Dataset, columns: &Columns, at: usize, tokenizer: &Tokenizer, plan: &LabeledPlan) -> Result<LabeledRow> {
    let (whole, given) = inputs(data, columns, at, tokenizer, plan)?;
    let is_long = plan.max_length.is_some_and(|most| whole.len() > most);
    let is_empty = whole.content() == 0;
    if is_empty && plan.skip_empty || is_long && plan.overflow == LabeledOverflow::Skip {
        return Ok(LabeledRow { skipped: true, ..LabeledRow::default() });
    }
    if is_empty {
        return Err(Error::new(WHO, "there is no token: it is empty").help("`on_empty: \"skip\"` leaves such rows out"));
    }
    if is_long && plan.overflow == LabeledOverflow::Error {
        let most = plan.max_length.unwrap_or_default();
        bail!(WHO, "{} tokens, and `max_length` is {most}", whole.len());
    }
    let overlap = if let LabeledOverflow::Split(overlap) = plan.overflow { Some(overlap) } else { None };
    let windows = whole.fitted(&Fit { max_length: plan.max_length, overlap })?;
    let mut row = LabeledRow { cut: is_long && overlap.is_none(), ..LabeledRow::default() };
    match (&plan.answer, columns.answer) {
        (Answer::Words(_), Some(field)) => {
            let tags = tags(data, field, at, &plan.labels)?;
            if tags.len() != given.len() {
                bail!(WHO, "{} tags in `{}` for {} words", tags.len(), data.fields()[field], given.len());
            }
            let best = best_windows(&windows);
            let last = best.keys().max().copied();
            for word in (0..given.len() as u32).filter(|word| !best.contains_key(word)) {
                row.lost.note(row.cut && last.is_none_or(|last| word > last), at, &given[word as usize]);
            }
            let labeled = windows.into_iter().enumerate().map(|(number, inputs)| {
                let labels = aligned(&inputs, &tags, plan, |word| best.get(&word) == Some(&number));
                (inputs, labels)
            });
            row.windows = labeled.filter(|(_, labels)| labels.iter().any(|label| *label >= 0)).collect();
            row.skipped = row.windows.is_empty();
        }
        (answer, field) => {
            if let (Answer::Row(_), Some(field)) = (answer, field) {
                row.targets = self::answer(data, field, at, &plan.labels)?;
            }
            let unlabeled = |inputs: Inputs| {
                let labels = vec![-100; inputs.len()];
                (inputs, labels)
            };
            row.windows = windows.into_iter().map(unlabeled).collect();
        }
    }
    Ok(row)
}

/// The tag of each token: only for the first of a word, or for all.
fn aligned(inputs: &Inputs, tags: &[i64], plan: &LabeledPlan, own: impl Fn(u32) -> bool) -> Vec<i64> {
    let mut before = None;
    let label = |at: usize| {
        let word = inputs.word_ids[at].filter(|_| inputs.sequence_ids[at] == Some(0));
        let continues = word.is_some() && before == word;
        before = word;
        match word.filter(|word| own(*word)).map(|word| tags[word as usize]) {
            Some(tag) if !continues => tag,
            Some(tag) if plan.label_all => inside(tag, &plan.labels),
            _ => -100,
        }
    };
    (0..inputs.len()).map(label).collect()
}

/// The tag of a continued entity: `I-PER` for `B-PER`, or `M-PER` in BMES, if it exists. Other tags are unchanged: a word's tag
/// is read from its first token, so later ones need not be well formed.
fn inside(tag: i64, labels: &[String]) -> i64 {
    let name = usize::try_from(tag).ok().and_then(|tag| labels.get(tag));
    let Some(kind) = name.and_then(|name| name.strip_prefix("B-")) else { return tag };
    let of = |letter| labels.iter().position(|label| label.strip_prefix(letter) == Some(kind));
    of("I-").or_else(|| of("M-")).map_or(tag, |at| at as i64)
}

/// A class by its name, or by its index.
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
        Cell::Json(json) => digits::value(json).map_err(|error| Error::new(WHO, error.to_string()))?,
    })
}

/// The target of a row: its class, a boolean per class, or numbers.
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
