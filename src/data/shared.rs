//! Texts shared by two parts of the data, and texts with contradictory labels: scores then measure memorization, or training
//! learns a contradiction.

use super::column::json_text;
use super::{Cell, Dataset};
use crate::{Result, progress, text};
use std::collections::{HashMap, HashSet};

/// Rows of one part whose text also occurs in another part.
pub struct Shared {
    pub rows: usize,
    pub of: usize,
    /// The first of them, and its text, shortened.
    pub first: usize,
    pub text: String,
}

/// The text of a field for comparison; `None` if it is empty.
fn key(data: &Dataset, field: usize, at: usize) -> Option<String> {
    match data.cell(field, at) {
        Cell::Null => None,
        Cell::Text(text) => Some(text.to_string()),
        cell => Some(json_text(cell)),
    }
}

fn keys(data: &Dataset, fields: &[usize], at: usize) -> Option<Vec<String>> {
    fields.iter().map(|&field| key(data, field, at)).collect()
}

fn short(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST { text.into() } else { text.chars().take(MOST).chain(['…']).collect() }
}

/// The rows of `test` whose `fields` equal those of a row of `train`.
pub fn shared(who: &str, train: &Dataset, test: &Dataset, fields: &[&str]) -> Result<Option<Shared>> {
    let places = |data: &Dataset| fields.iter().map(|name| data.field(who, name)).collect::<Result<Vec<usize>>>();
    let (own, others) = (places(train)?, places(test)?);
    let known: HashSet<Vec<String>> = (0..train.len()).filter_map(|at| keys(train, &own, at)).collect();
    let mut found: Option<Shared> = None;
    for at in 0..test.len() {
        let Some(keys) = keys(test, &others, at).filter(|keys| known.contains(keys)) else { continue };
        let shared = found.get_or_insert_with(|| Shared { rows: 0, of: test.len(), first: at, text: short(&keys[0]) });
        shared.rows += 1;
    }
    Ok(found)
}

impl Shared {
    /// A line that reports it.
    pub fn line(&self, part: &str) -> String {
        let share = 100.0 * self.rows as f64 / self.of as f64;
        let (rows, of) = (text::thousands(self.rows), text::thousands(self.of));
        format!(
            "{rows} of {of} rows of `{part}` ({share:.1} %) have a text that is in `train` too, the first {:?} (row {})",
            self.text, self.first
        )
    }
}

/// Texts with more than one label.
pub struct Conflicts {
    pub texts: usize,
    /// The first two rows of the first such text, and its text, shortened.
    pub rows: (usize, usize),
    pub text: String,
}

/// The texts (`fields`) with several values of `label`.
pub fn conflicts(who: &str, data: &Dataset, fields: &[&str], label: &str) -> Result<Option<Conflicts>> {
    let label = data.field(who, label)?;
    let fields = fields.iter().map(|name| data.field(who, name)).collect::<Result<Vec<usize>>>()?;
    let mut known: HashMap<Vec<String>, (usize, Option<String>, bool)> = HashMap::new();
    let mut found: Option<Conflicts> = None;
    for at in 0..data.len() {
        let Some(keys) = keys(data, &fields, at) else { continue };
        let own = key(data, label, at);
        let text = short(&keys[0]);
        let (first, other, told) = known.entry(keys).or_insert_with(|| (at, own.clone(), false));
        if *other == own || *told {
            continue;
        }
        *told = true;
        found.get_or_insert(Conflicts { texts: 0, rows: (*first, at), text }).texts += 1;
    }
    Ok(found)
}

/// The default text field: `text`, or the only field.
fn text_field(data: &Dataset) -> Option<String> {
    let field = data.text_field("split").ok()?;
    Some(data.fields()[field].to_string())
}

/// Warns if a split left the same text on both sides.
pub fn tell(train: &Dataset, parts: &[(&str, &Dataset)]) -> Result<()> {
    let Some(field) = text_field(train) else { return Ok(()) };
    for (name, part) in parts {
        if let Some(found) = shared("split", train, part, &[&field])? {
            let cure = format!("`data.unique({field:?})` before the split, or `group: {field:?}`, keeps them apart");
            progress::warn("split", format!("{}: scores on them are memory; {cure}", found.line(name)));
        }
    }
    Ok(())
}
