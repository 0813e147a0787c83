//! Rows for masked language modeling: texts or pairs with their special tokens, and the units of tokens masked together.

use super::{Masking, NEVER};
use crate::data::encode::Overflow;
use crate::data::encoded::{Counts, Encoded, Flat};
use crate::data::{Cell, Dataset};
use crate::token::inputs::{Fit, Input, Inputs};
use crate::token::{Tokenizer, Units};
use crate::{Error, Result, bail, cancel, progress};
use rayon::prelude::*;
use std::sync::Arc;

const WHO: &str = "encode";
/// Rows encoded between two checks of the cancel flag.
const CHUNK: usize = 1024;

/// The unit of masking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskUnit {
    Token,
    /// A word of the tokenizer's pre-tokenizer: in Chinese often a character.
    Word,
    /// Chinese words by jieba's dictionary, other words by the pre-tokenizer (Cui et al. 2019).
    Jieba,
}

impl MaskUnit {
    pub const NAMES: [&str; 3] = ["none", "words", "jieba"];

    pub fn named(name: &str) -> Result<MaskUnit> {
        Ok(match name {
            "none" => MaskUnit::Token,
            "words" => MaskUnit::Word,
            "jieba" => MaskUnit::Jieba,
            other => return Err(Error::unknown(WHO, "whole_word_mask", other, MaskUnit::NAMES)),
        })
    }
}

#[derive(Clone, Debug)]
pub struct MaskPlan {
    /// The text field; `None`: `text`, or the only field.
    pub first: String,
    pub second: Option<String>,
    /// The field with the class of a pair: whether the second text follows the first.
    pub label: Option<String>,
    pub unit: MaskUnit,
    pub max_length: Option<usize>,
    pub overflow: Overflow,
    /// Skips texts without a maskable token instead of failing.
    pub skip_empty: bool,
    pub masking: Arc<Masking>,
}

/// A row, in as many windows as needed.
struct MaskedRow {
    windows: Vec<(Inputs, Vec<u32>)>,
    class: Option<f64>,
    cut: bool,
}

struct Columns {
    first: usize,
    second: Option<usize>,
    label: Option<usize>,
}

/// Encodes all rows, in parallel, in order.
pub fn encode(data: &Dataset, tokenizer: &Tokenizer, plan: &MaskPlan) -> Result<Encoded> {
    if data.is_empty() {
        bail!(WHO, "there are no rows");
    }
    let rows = encode_part(data, tokenizer, plan)?;
    if rows.is_empty() {
        bail!(WHO, "no row has a token that can be masked ({} of {} skipped)", rows.counts().skipped, data.len());
    }
    if rows.counts().skipped > 0 {
        progress::warn(
            WHO,
            format!("{} of {} rows have no token that can be masked: skipped", rows.counts().skipped, data.len()),
        );
    }
    Ok(rows)
}

/// [`encode`] for a part of a stream, which may have no row.
pub fn encode_part(data: &Dataset, tokenizer: &Tokenizer, plan: &MaskPlan) -> Result<Encoded> {
    let field = |name: &String| data.field(WHO, name);
    let columns = Columns {
        first: if plan.first.is_empty() { data.text_field(WHO)? } else { field(&plan.first)? },
        second: plan.second.as_ref().map(field).transpose()?,
        label: plan.label.as_ref().map(field).transpose()?,
    };
    let mut flat = Flat::masked(plan.masking.clone());
    let (mut counts, mut ends, mut classes) = (Counts::default(), Vec::new(), Vec::new());
    for start in (0..data.len()).step_by(CHUNK) {
        cancel::check()?;
        let rows: Vec<Result<MaskedRow>> = (start..data.len().min(start + CHUNK))
            .into_par_iter()
            .map(|at| row(data, &columns, at, tokenizer, plan).map_err(|error| error.at(format!("row {at}"))))
            .collect();
        for (at, row) in (start..).zip(rows) {
            let row = row?;
            let whole = row.windows.len();
            if whole == 0 || (row.cut && plan.overflow == Overflow::Skip) {
                check_skipped(at, whole, plan)?;
                counts.skipped += 1;
                continue;
            }
            counts.truncated += usize::from(row.cut && plan.overflow == Overflow::Truncate);
            counts.split += usize::from(whole > 1);
            for (inputs, units) in &row.windows {
                flat.push_masked(&inputs.ids, &inputs.type_ids, units);
                ends.push(flat.len());
                classes.extend(row.class);
            }
        }
    }
    let pad = tokenizer.pad().or(tokenizer.eos()).unwrap_or(0);
    Ok(Encoded::labeled(flat, ends, pad, counts, classes))
}

fn check_skipped(at: usize, windows: usize, plan: &MaskPlan) -> Result<()> {
    if windows > 0 || plan.skip_empty {
        return Ok(());
    }
    Err(Error::new(WHO, format!("row {at}: there is no token that can be masked"))
        .help("`on_empty: \"skip\"` skips such rows, and counts them"))
}

fn text(data: &Dataset, field: usize, at: usize) -> Result<String> {
    match data.cell(field, at).text() {
        Ok(text) => Ok(text.into_owned()),
        Err(kind) => bail!(WHO, "field `{}` is {kind}, not text", data.fields()[field]),
    }
}

fn row(data: &Dataset, columns: &Columns, at: usize, tokenizer: &Tokenizer, plan: &MaskPlan) -> Result<MaskedRow> {
    let first = text(data, columns.first, at)?;
    let second = columns.second.map(|field| text(data, field, at)).transpose()?;
    let class = columns.label.map(|field| class(data, field, at)).transpose()?;
    let overlap = (plan.overflow == Overflow::Split).then_some(0);
    let pair = second.as_deref().map(Input::Text);
    let whole = tokenizer.inputs(&Input::Text(&first), pair.as_ref(), &Fit::default())?;
    let length = whole.first().map_or(0, Inputs::len);
    let cut = plan.max_length.is_some_and(|most| length > most);
    if cut && plan.overflow == Overflow::Error {
        return Err(Error::new(WHO, format!("{length} tokens, more than {}", plan.max_length.unwrap_or_default()))
            .help("`overflow: \"truncate\"`, `\"split\"` or `\"skip\"` take such rows"));
    }
    let fit = Fit { max_length: plan.max_length, overlap };
    let mut windows = Vec::new();
    for inputs in whole {
        windows.extend(inputs.fitted(&fit)?);
    }
    let spans = [words(&first, plan.unit)?, second.as_deref().map_or(Ok(Vec::new()), |text| words(text, plan.unit))?];
    let with_units = |inputs: Inputs| {
        let units = units(&inputs, &spans, tokenizer, plan.unit);
        units.iter().any(|&unit| unit != NEVER).then_some((inputs, units))
    };
    Ok(MaskedRow { windows: windows.into_iter().filter_map(with_units).collect(), class, cut })
}

/// The class of a pair.
fn class(data: &Dataset, field: usize, at: usize) -> Result<f64> {
    let (name, cell) = (&data.fields()[field], data.cell(field, at));
    match cell {
        Cell::Int(class @ 0..=1) => Ok(class as f64),
        Cell::Int(other) => bail!(WHO, "field `{name}` is {other}, and the class of a pair is 0 or 1"),
        _ => bail!(WHO, "field `{name}` is {}, and the class of a pair is 0 or 1", cell.kind()),
    }
}

/// Positions of a segmenter's words in a text.
fn words(text: &str, unit: MaskUnit) -> Result<Vec<(usize, usize)>> {
    let mut spans = Vec::new();
    if unit == MaskUnit::Jieba {
        Units::Jieba.cut(text, &mut spans).map_err(|error| error.attributed_to(WHO))?;
    }
    Ok(spans)
}

/// The unit of each token, [`NEVER`] if it is not masked. Neighbors of one unit have the same number.
fn units(inputs: &Inputs, spans: &[Vec<(usize, usize)>; 2], tokenizer: &Tokenizer, unit: MaskUnit) -> Vec<u32> {
    let mut count = 0;
    let mut before = None;
    let unit_of = |at: usize| {
        let sequence = inputs.sequence_ids[at].filter(|_| !tokenizer.is_special(inputs.ids[at]));
        let Some(sequence) = sequence else {
            before = None;
            return NEVER;
        };
        // a space may be before a token, but not after it
        let last = inputs.offsets[at].1.saturating_sub(1);
        let found = spans[sequence].partition_point(|(_, end)| *end <= last);
        let in_span = spans[sequence].get(found).is_some_and(|(start, _)| *start <= last);
        let name = match unit {
            MaskUnit::Token => None,
            MaskUnit::Jieba if in_span => Some((sequence, true, found as u32)),
            _ => inputs.word_ids[at].map(|word| (sequence, false, word)),
        };
        if name.is_none() || before != name {
            count += 1;
        }
        before = name;
        count
    };
    (0..inputs.len()).map(unit_of).collect()
}
