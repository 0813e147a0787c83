//! Rows to tokens: plain text, prompt and completion, or a chat, with loss only where it was asked for.
//!
//! What is learned is decided by where a token lies in the text, never by what id it has: a token is learned if it
//! begins inside a stretch that is to be learned.

use super::encoded::{Counts, Encoded, Flat};
use super::{Cell, Dataset};
use crate::token::{Dropout, Tokenizer};
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;
use std::ops::Range;

const WHO: &str = "encode";
/// Rows that are encoded between two looks at the cancel flag.
const CHUNK: usize = 1024;

/// Which fields hold what.
#[derive(Clone, Debug)]
pub enum RowForm {
    /// All of it is learned.
    Text { field: String },
    /// The completion is learned. The template holds `{prompt}` and `{completion}`, or none: the tokenizer's chat template.
    Prompt { prompt: String, completion: String, template: Option<String> },
    /// Messages with `role` and `content`; what `loss_on` names is learned.
    Chat { field: String, loss_on: LossOn },
}

/// Whose turns of a chat are learned.
#[derive(Clone, Debug)]
pub enum LossOn {
    All,
    Role(String),
}

/// What happens to a row of more tokens than `max_length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    Truncate,
    Split,
    Skip,
    Error,
}

#[derive(Clone, Debug)]
pub struct EncodePlan {
    pub form: RowForm,
    /// Begins each sequence with the tokenizer's [`Tokenizer::start`], the parts of a split text too (a chat brings its own).
    pub bos: bool,
    /// Appends the token that ends a text, where the tokenizer has one and the text does not end with it.
    pub eos: bool,
    pub max_length: Option<usize>,
    pub overflow: Overflow,
    /// Leaves out rows in which nothing is learned, instead of failing.
    pub skip_empty: bool,
    /// Merges that are left out while a row is encoded.
    pub bpe_dropout: Dropout,
}

/// The tokens of one row.
struct EncodedRow {
    /// What every sequence of it begins with.
    start: Option<u32>,
    ids: Vec<u32>,
    /// Bytes of text that each token stands for.
    bytes: Vec<u16>,
    learned: Option<Vec<bool>>,
}

/// A text, and which stretches of it are learned (none: all of it).
struct Source {
    text: String,
    learned: Option<Vec<Range<usize>>>,
    /// Whether the tokenizer puts its own tokens around it.
    special: bool,
    bos: bool,
    eos: bool,
}

/// Encodes all rows, in parallel, in order. `number` is the first one's: the chances of dropout go by it.
pub fn encode(data: &Dataset, tokenizer: &Tokenizer, plan: &EncodePlan, number: u64) -> Result<Encoded> {
    let fields = FormFields::find(data, &plan.form)?;
    let all_learned = matches!(plan.form, RowForm::Text { .. });
    let mut flat = Flat::new(!all_learned);
    let mut counts = Counts::default();
    let mut ends = Vec::with_capacity(data.len());
    for start in (0..data.len()).step_by(CHUNK) {
        cancel::check()?;
        let rows: Vec<Result<EncodedRow>> = (start..data.len().min(start + CHUNK))
            .into_par_iter()
            .map(|at| row(data, &fields, at, number + at as u64, tokenizer, plan))
            .collect();
        for (at, row) in (start..).zip(rows) {
            add(row?, at, plan, &mut flat, &mut ends, &mut counts)?;
        }
    }
    if ends.is_empty() {
        bail!(WHO, "no row is left to learn from ({} of {} left out)", counts.skipped, data.len());
    }
    let pad = tokenizer.pad().or(tokenizer.eos()).unwrap_or(0);
    // a text that is cut would go on without the token that it has to begin with
    Ok(Encoded::new(flat, ends, pad, counts, all_learned && !plan.bos))
}

/// Adds a row, cut or split if it is too long.
fn add(
    row: EncodedRow,
    at: usize,
    plan: &EncodePlan,
    flat: &mut Flat,
    ends: &mut Vec<usize>,
    counts: &mut Counts,
) -> Result<()> {
    let length = row.ids.len();
    let size = plan.max_length.unwrap_or(usize::MAX) - row.start.iter().len();
    let parts: Vec<Range<usize>> = match plan.overflow {
        _ if length <= size => std::iter::once(0..length).collect(),
        Overflow::Truncate => {
            counts.truncated += 1;
            std::iter::once(0..size).collect()
        }
        Overflow::Split => {
            counts.split += 1;
            (0..length).step_by(size).map(|start| start..length.min(start + size)).collect()
        }
        Overflow::Skip => {
            counts.skipped += 1;
            return Ok(());
        }
        Overflow::Error => {
            return Err(Error::new(WHO, format!("row {at} has {length} tokens, more than {size}"))
                .help("`overflow: \"truncate\"`, `\"split\"` or `\"skip\"` take such rows"));
        }
    };
    let before = ends.len();
    for part in parts {
        // the first token of a sequence is predicted from nothing, so it is never a target
        let first = 1 - row.start.iter().len();
        let learns = |part: &Range<usize>| match &row.learned {
            None => part.len() > first,
            Some(learned) => part.clone().skip(first).any(|token| learned[token]),
        };
        if learns(&part) {
            if let Some(start) = row.start {
                flat.push(&[start], &[0], Some(&[false]));
            }
            flat.push(&row.ids[part.clone()], &row.bytes[part.clone()], row.learned.as_ref().map(|all| &all[part]));
            ends.push(flat.len());
        }
    }
    if ends.len() > before {
        return Ok(());
    }
    if !plan.skip_empty {
        let why = if length > size { format!(" in its first {size} tokens") } else { String::new() };
        return Err(Error::new(WHO, format!("row {at}: nothing of it is learned{why}"))
            .help("leave such rows out with `on_empty: \"skip\"`, which counts them"));
    }
    counts.skipped += 1;
    Ok(())
}

/// Numbers of the columns that a form reads.
enum FormFields {
    Text(usize),
    Prompt(usize, usize),
    Chat(usize),
}

impl FormFields {
    fn find(data: &Dataset, form: &RowForm) -> Result<FormFields> {
        Ok(match form {
            RowForm::Text { field } if field.is_empty() => FormFields::Text(data.text_field(WHO)?),
            RowForm::Text { field } => FormFields::Text(data.field(WHO, field)?),
            RowForm::Prompt { prompt, completion, .. } => {
                FormFields::Prompt(data.field(WHO, prompt)?, data.field(WHO, completion)?)
            }
            RowForm::Chat { field, .. } => FormFields::Chat(data.field(WHO, field)?),
        })
    }
}

fn text(data: &Dataset, field: usize, at: usize) -> Result<String> {
    match data.cell(field, at).text() {
        Ok(text) => Ok(text.into_owned()),
        Err(kind) => bail!(WHO, "row {at}, field `{}`: {kind}, not text", data.fields()[field]),
    }
}

fn row(
    data: &Dataset,
    fields: &FormFields,
    at: usize,
    number: u64,
    tokenizer: &Tokenizer,
    plan: &EncodePlan,
) -> Result<EncodedRow> {
    let source = match (fields, &plan.form) {
        (FormFields::Text(field), _) => {
            Source { text: text(data, *field, at)?, learned: None, special: true, bos: plan.bos, eos: plan.eos }
        }
        (FormFields::Prompt(prompt, completion), RowForm::Prompt { template, .. }) => {
            let (prompt, completion) = (text(data, *prompt, at)?, text(data, *completion, at)?);
            match template {
                Some(template) => filled(template, &prompt, &completion, plan)?,
                None => {
                    let messages = [
                        serde_json::json!({ "role": "user", "content": prompt }),
                        serde_json::json!({ "role": "assistant", "content": completion }),
                    ];
                    chat(tokenizer, &messages, &LossOn::Role("assistant".into()), at)?
                }
            }
        }
        (FormFields::Chat(field), RowForm::Chat { loss_on, .. }) => {
            chat(tokenizer, &messages(data, *field, at)?, loss_on, at)?
        }
        _ => unreachable!("fields are found for the form"),
    };
    let written = if plan.bpe_dropout.rate == 0.0 {
        tokenizer.ids_and_offsets(&source.text, source.special)
    } else {
        let encoding = tokenizer.encode_dropping(&source.text, source.special, plan.bpe_dropout, number);
        encoding.map(|encoding| (encoding.ids, encoding.offsets))
    };
    let (ids, offsets) = written.map_err(|error| error.at(format!("row {at}")))?;
    Ok(tokens(source, ids, offsets, tokenizer))
}

/// Prompt and completion in a template; from the completion on, all is learned.
fn filled(template: &str, prompt: &str, completion: &str, plan: &EncodePlan) -> Result<Source> {
    let parts =
        template.split_once("{completion}").and_then(|(before, after)| Some((before.split_once("{prompt}")?, after)));
    let Some(((first, second), last)) = parts else {
        return Err(Error::new(WHO, format!("template `{template}` does not hold {{prompt}} and then {{completion}}"))
            .help("for example \"{prompt}\\n{completion}\""));
    };
    let before = format!("{first}{prompt}{second}");
    let learned = before.len()..before.len() + completion.len() + last.len();
    let text = format!("{before}{completion}{last}");
    Ok(Source { text, learned: Some(vec![learned]), special: true, bos: plan.bos, eos: plan.eos })
}

fn messages(data: &Dataset, field: usize, at: usize) -> Result<Vec<serde_json::Value>> {
    let name = &data.fields()[field];
    let Cell::Json(json) = data.cell(field, at) else {
        bail!(WHO, "row {at}, field `{name}`: {}, not a list of messages", data.cell(field, at).kind());
    };
    match serde_json::from_str(json) {
        Ok(serde_json::Value::Array(messages)) => Ok(messages),
        _ => bail!(WHO, "row {at}, field `{name}`: {}, not a list of messages", Cell::Json(json).kind()),
    }
}

/// A chat by the tokenizer's template. Whose turn it is learns its words and the token that ends the turn.
fn chat(tokenizer: &Tokenizer, messages: &[serde_json::Value], loss_on: &LossOn, at: usize) -> Result<Source> {
    let chat =
        tokenizer.apply_chat_template(messages, false).map_err(|error| error.told_by(WHO).at(format!("row {at}")))?;
    let learned = match loss_on {
        LossOn::All => None,
        LossOn::Role(role) => {
            Some(chat.spans.into_iter().filter(|span| span.role == *role).map(|span| span.turn).collect())
        }
    };
    Ok(Source { text: chat.text, learned, special: false, bos: false, eos: false })
}

/// A text's ids as a row: how many bytes each stands for, and which are learned.
fn tokens(source: Source, mut ids: Vec<u32>, offsets: Vec<(usize, usize)>, tokenizer: &Tokenizer) -> EncodedRow {
    let mut bytes = Vec::with_capacity(ids.len() + 1);
    // a character that several tokens share counts for the first; what no token covers, for the next one
    let mut covered = 0;
    for &(_, end) in &offsets {
        bytes.push(end.saturating_sub(covered).min(u16::MAX as usize) as u16);
        covered = covered.max(end);
    }
    if let Some(last) = bytes.last_mut() {
        *last = last.saturating_add((source.text.len() - covered.min(source.text.len())) as u16);
    }
    let mut learned: Option<Vec<bool>> = source.learned.map(|spans| {
        let inside = |start: usize, end: usize| start < end && spans.iter().any(|span| span.contains(&start));
        offsets.iter().map(|&(start, end)| inside(start, end)).collect()
    });
    if let Some(eos) = tokenizer.eos().filter(|_| source.eos)
        && ids.last() != Some(&eos)
    {
        ids.push(eos);
        bytes.push(0);
        learned.iter_mut().for_each(|learned| learned.push(true));
    } else if source.eos
        && ids.last().copied() == tokenizer.eos()
        && let Some(last) = learned.as_mut().and_then(|learned| learned.last_mut())
    {
        // the tokenizer put it there itself
        *last = true;
    }
    let start = tokenizer.start().filter(|_| source.bos);
    if start.is_some() && ids.first().copied() == start {
        // the tokenizer put it there itself
        ids.remove(0);
        bytes.remove(0);
        if let Some(learned) = &mut learned {
            learned.remove(0);
        }
    }
    EncodedRow { start, ids, bytes, learned }
}
