//! Encoding of rows: plain text, prompt and completion, or messages, with loss only where requested.
//!
//! Whether a token is in the loss depends on its position in the text, never on its id: it is if part of its text is inside a
//! range with loss.

use super::Dataset;
use super::chat_plan::ChatFields;
pub use super::chat_plan::ChatPlan;
use super::chat_rows::{chat, check_dialog, dialog, is_list, messages};
use super::encoded::{Counts, Encoded, Flat};
use super::source::{InLoss, Source};
pub use super::source::{JOINED, LossOn};
use crate::token::{Dropout, Tokenizer};
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;
use std::ops::Range;

const WHO: &str = "encode";
/// Rows encoded between two checks of the cancel flag.
const CHUNK: usize = 1024;

/// The fields of a row.
#[derive(Clone, Debug)]
pub enum RowForm {
    /// Every token is in the loss.
    Text { field: String },
    /// The completion is in the loss. The template holds `{prompt}` and `{completion}`; without one, the tokenizer's chat
    /// template is used, which also accepts lists of messages.
    Prompt { prompt: String, completion: String, template: Option<String> },
    /// Messages with `role` and `content`; those selected by `loss_on` are in the loss.
    Chat { field: String, loss_on: LossOn },
}

/// The treatment of a row longer than `max_length`.
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
    pub chat: ChatPlan,
    /// The id to prepend to each sequence, including the parts of a split text (a chat template writes its own).
    pub start: Option<u32>,
    /// Appends EOS, if the tokenizer has one and the text does not end with it.
    pub eos: bool,
    pub max_length: Option<usize>,
    pub overflow: Overflow,
    /// Skips rows without loss tokens instead of failing.
    pub skip_empty: bool,
    /// The rate and seed of BPE-dropout.
    pub bpe_dropout: Dropout,
}

/// The tokens of one row.
struct EncodedRow {
    /// The id to prepend to each of its sequences.
    start: Option<u32>,
    ids: Vec<u32>,
    /// Bytes of text behind each token.
    bytes: Vec<u16>,
    in_loss: Option<Vec<bool>>,
}

/// [`encode_part`], with an error if no row has a loss token.
pub fn encode(data: &Dataset, tokenizer: &Tokenizer, plan: &EncodePlan) -> Result<Encoded> {
    if data.is_empty() {
        bail!(WHO, "there are no rows");
    }
    let rows = encode_part(data, tokenizer, plan, 0)?;
    if rows.is_empty() {
        bail!(WHO, "no row has a loss token ({} of {} skipped)", rows.counts().skipped, data.len());
    }
    Ok(rows)
}

/// Encodes all rows, in parallel, in order. `number` is the first row's: it seeds BPE-dropout.
pub fn encode_part(data: &Dataset, tokenizer: &Tokenizer, plan: &EncodePlan, number: u64) -> Result<Encoded> {
    let fields = FormFields::find(data, &plan.form)?;
    let is_chat = matches!(plan.form, RowForm::Chat { .. }) || fields.is_dialog(data);
    let chat = plan.chat.fields(data, is_chat, number == 0)?;
    let all_in_loss = matches!(plan.form, RowForm::Text { .. });
    let mut flat = Flat::new(!all_in_loss);
    let mut counts = Counts::default();
    let mut ends = Vec::with_capacity(data.len());
    for start in (0..data.len()).step_by(CHUNK) {
        cancel::check()?;
        let rows: Vec<Result<EncodedRow>> = (start..data.len().min(start + CHUNK))
            .into_par_iter()
            .map(|at| row(data, (&fields, &chat), at, number + at as u64, tokenizer, plan))
            .collect();
        for (at, row) in (start..).zip(rows) {
            add(row?, at, plan, &mut flat, &mut ends, &mut counts)?;
        }
    }
    let pad = tokenizer.pad().or(tokenizer.eos()).unwrap_or(0);
    // a split text would continue without its required first token
    Ok(Encoded::new(flat, ends, pad, counts, all_in_loss && plan.start.is_none()))
}

/// Adds a row, truncated or split if it is too long.
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
        // the first token of a sequence has no context, so it is never a target
        let first = 1 - row.start.iter().len();
        let has_loss = |part: &Range<usize>| match &row.in_loss {
            None => part.len() > first,
            Some(in_loss) => part.clone().skip(first).any(|token| in_loss[token]),
        };
        if has_loss(&part) {
            if let Some(start) = row.start {
                flat.push(&[start], &[0], Some(&[false]));
            }
            flat.push(&row.ids[part.clone()], &row.bytes[part.clone()], row.in_loss.as_ref().map(|all| &all[part]));
            ends.push(flat.len());
        }
    }
    if ends.len() > before {
        return Ok(());
    }
    if !plan.skip_empty {
        let why = if length > size { format!(" in its first {size} tokens") } else { String::new() };
        return Err(Error::new(WHO, format!("row {at}: no loss token{why}"))
            .help("`on_empty: \"skip\"` skips such rows, and counts them"));
    }
    counts.skipped += 1;
    Ok(())
}

/// The columns of a row form.
enum FormFields {
    Text(usize),
    Prompt(usize, usize),
    Chat(usize),
}

impl FormFields {
    /// Whether prompts or completions are lists of messages.
    fn is_dialog(&self, data: &Dataset) -> bool {
        match self {
            FormFields::Prompt(prompt, completion) => {
                (0..data.len()).any(|at| is_list(data, *prompt, at) || is_list(data, *completion, at))
            }
            _ => false,
        }
    }

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
    (fields, chat_fields): (&FormFields, &ChatFields),
    at: usize,
    number: u64,
    tokenizer: &Tokenizer,
    plan: &EncodePlan,
) -> Result<EncodedRow> {
    let source = match (fields, &plan.form) {
        (FormFields::Text(field), _) => Source {
            text: text(data, *field, at)?,
            in_loss: InLoss::All,
            special: true,
            start: plan.start,
            eos: plan.eos,
        },
        (FormFields::Prompt(prompt, completion), RowForm::Prompt { template, .. })
            if is_list(data, *prompt, at) || is_list(data, *completion, at) =>
        {
            check_dialog(template.as_deref())?;
            let options = plan.chat.of_row(data, chat_fields, at)?;
            dialog(tokenizer, [*prompt, *completion], data, &options, plan.bpe_dropout.rate > 0.0, at)?
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
                    let options = plan.chat.of_row(data, chat_fields, at)?;
                    chat(tokenizer, &messages, &options, &LossOn::Role("assistant".into()), at)?
                }
            }
        }
        (FormFields::Chat(field), RowForm::Chat { loss_on, .. }) => {
            let options = plan.chat.of_row(data, chat_fields, at)?;
            chat(tokenizer, &messages(data, *field, at)?, &options, loss_on, at)?
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

/// Prompt and completion in a template; everything from the completion on is in the loss.
fn filled(template: &str, prompt: &str, completion: &str, plan: &EncodePlan) -> Result<Source> {
    let parts =
        template.split_once("{completion}").and_then(|(before, after)| Some((before.split_once("{prompt}")?, after)));
    let Some(((first, second), last)) = parts else {
        return Err(Error::new(WHO, format!("template `{template}` does not hold {{prompt}} and then {{completion}}"))
            .help("for example \"{prompt}\\n{completion}\""));
    };
    let before = format!("{first}{prompt}{second}");
    let in_loss = before.len()..before.len() + completion.len() + last.len();
    let text = format!("{before}{completion}{last}");
    Ok(Source { text, in_loss: InLoss::Ranges(vec![in_loss]), special: true, start: plan.start, eos: plan.eos })
}

/// The tokens with some text inside a range. A tokenizer that trims its offsets (`trim_offsets`) gives an empty range to a token
/// of spaces alone: its text lies between the previous token and its position.
fn inside(offsets: &[(usize, usize)], ranges: &[Range<usize>]) -> Vec<bool> {
    let mut covered = 0;
    let mut inside = Vec::with_capacity(offsets.len());
    for &(start, end) in offsets {
        let from = if start == end { covered.min(start) } else { start };
        inside.push(ranges.iter().any(|range| from < range.end && end > range.start));
        covered = covered.max(end);
    }
    inside
}

/// The ids of a text as a row, with the bytes behind each and whether it is in the loss.
fn tokens(source: Source, mut ids: Vec<u32>, offsets: Vec<(usize, usize)>, tokenizer: &Tokenizer) -> EncodedRow {
    let mut bytes = Vec::with_capacity(ids.len() + 1);
    // a character shared by several tokens counts for the first; text not covered by a token counts for the next one
    let mut covered = 0;
    for &(_, end) in &offsets {
        bytes.push(end.saturating_sub(covered).min(u16::MAX as usize) as u16);
        covered = covered.max(end);
    }
    if let Some(last) = bytes.last_mut() {
        let rest = source.text.len() - covered.min(source.text.len());
        *last = last.saturating_add(rest.min(u16::MAX as usize) as u16);
    }
    let mut in_loss: Option<Vec<bool>> = match source.in_loss {
        InLoss::All => None,
        InLoss::Ranges(ranges) => Some(inside(&offsets, &ranges)),
        InLoss::After(prompt) => {
            let shared = ids.iter().zip(&prompt).take_while(|(one, two)| one == two).count();
            Some((0..ids.len()).map(|at| at >= shared).collect())
        }
    };
    if let Some(eos) = tokenizer.eos().filter(|_| source.eos)
        && ids.last() != Some(&eos)
    {
        ids.push(eos);
        bytes.push(0);
        in_loss.iter_mut().for_each(|in_loss| in_loss.push(true));
    } else if source.eos
        && ids.last().copied() == tokenizer.eos()
        && let Some(last) = in_loss.as_mut().and_then(|in_loss| in_loss.last_mut())
    {
        // the tokenizer added it itself
        *last = true;
    }
    let start = source.start;
    let first = ids.first().copied();
    let is_own_bos = first == tokenizer.bos() && offsets.first().is_some_and(|(from, to)| from == to);
    let is_there = first == start && start.is_some_and(|id| tokenizer.is_special(id));
    if start.is_some() && first.is_some() && (is_there || is_own_bos) {
        // the tokenizer added it itself, or the text begins with it
        ids.remove(0);
        bytes.remove(0);
        if let Some(in_loss) = &mut in_loss {
            in_loss.remove(0);
        }
    }
    EncodedRow { start, ids, bytes, in_loss }
}
