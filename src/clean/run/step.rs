//! The steps of a run: each changes texts, or takes rows out and says why.

use super::tally::{Example, StepTally};
use crate::clean::near::{NearGroups, NearPlan};
use crate::clean::pii::{self, PiiKind};
use crate::clean::{Rewrite, Sift, unique};
use crate::data::Dataset;
use crate::data::step::Step;
use crate::{Result, tasks, text};
use std::collections::HashSet;
use std::sync::Arc;

/// What is done with rows, one step after the other.
pub enum CleanStep {
    Change(Rewrite),
    /// A change that is counted by kind.
    Mask(Rewrite, Vec<PiiKind>),
    Sift(Sift),
    /// The first row of each value of a field.
    Unique(String),
    /// The first of texts that are near to each other.
    Near(String, NearPlan),
    /// Rows that a step of a script keeps, which changes none.
    Keep(String, Arc<dyn Step>),
}

/// Rows on their way, each with its number in the source.
#[derive(Clone)]
pub struct Part {
    pub rows: Dataset,
    pub numbers: Vec<u64>,
}

/// A row that went.
#[derive(Clone, Debug, PartialEq)]
pub struct Gone {
    pub row: u64,
    pub rule: String,
    pub evidence: String,
    pub text: String,
}

/// What a step made of a part.
pub struct Done {
    pub part: Part,
    pub gone: Vec<Gone>,
    pub tally: StepTally,
}

/// Characters of a removed text that are kept with it.
const SHOWN: usize = 200;

/// What steps remember between parts.
#[derive(Default)]
pub struct Memory {
    /// Digests of values that were there, by the place of the step.
    pub known: Vec<HashSet<u128>>,
    /// Those that are new since they were last taken.
    pub new: Vec<Vec<u128>>,
    /// Near duplicates of the rows that this phase began with.
    pub groups: Option<NearGroups>,
    /// Rows that the phase began with and has seen, and their numbers in the source.
    pub seen: usize,
    pub numbers: Vec<u64>,
}

/// The text that is cleaned; nothing where a row has none.
pub fn text_of<'d>(rows: &'d Dataset, field: &str, at: usize) -> std::borrow::Cow<'d, str> {
    let field = rows.fields().iter().position(|known| **known == *field);
    field.and_then(|field| rows.cell(field, at).text().ok()).unwrap_or_default()
}

impl CleanStep {
    pub fn name(&self) -> String {
        match self {
            CleanStep::Change(rewrite) | CleanStep::Mask(rewrite, _) => rewrite.verb.into(),
            CleanStep::Sift(_) => "quality".into(),
            CleanStep::Unique(_) => "unique".into(),
            CleanStep::Near(..) => "near_duplicates".into(),
            CleanStep::Keep(name, _) => name.clone(),
        }
    }

    /// What tells it from others.
    pub fn identity(&self) -> String {
        match self {
            CleanStep::Change(rewrite) | CleanStep::Mask(rewrite, _) => rewrite.identity(),
            CleanStep::Sift(sift) => sift.identity(),
            CleanStep::Unique(field) => format!("unique {field}"),
            CleanStep::Near(field, plan) => format!("near {field} {plan:?}"),
            CleanStep::Keep(name, step) => format!("{name} {}", step.identity()),
        }
    }

    /// What it does with parts that follow each other; `place` is its own among the steps.
    pub fn apply(&self, field: &str, parts: Vec<Part>, place: usize, memory: &mut Memory) -> Result<Vec<Done>> {
        match self {
            CleanStep::Change(rewrite) => tasks::try_map(parts, &|_, part| change(rewrite, field, part)),
            CleanStep::Mask(rewrite, kinds) => tasks::try_map(parts, &|_, part| mask(rewrite, kinds, field, part)),
            CleanStep::Sift(sift) => tasks::try_map(parts, &|_, part| self::sift(sift, field, part)),
            CleanStep::Keep(name, step) => {
                let numbered =
                    parts.iter().map(|part| (part.numbers.first().map_or(0, |row| *row as usize), part.rows.clone()));
                let kept = step.apply_all(numbered.collect());
                parts.into_iter().zip(kept).map(|(part, kept)| Ok(keep(name, field, part, &kept?))).collect()
            }
            CleanStep::Unique(of) => Ok(parts.into_iter().map(|part| first(of, field, part, place, memory)).collect()),
            CleanStep::Near(..) => Ok(parts.into_iter().map(|part| far(field, part, memory)).collect()),
        }
    }
}

/// A part without the rows for which there is a reason.
fn without(part: Part, field: &str, reason: impl Fn(usize) -> Option<(String, String)>) -> Done {
    let mut tally = StepTally::default();
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for at in 0..part.rows.len() {
        let given = text_of(&part.rows, field, at);
        tally.rows += 1;
        tally.bytes += given.len() as u64;
        let Some((rule, evidence)) = reason(at) else {
            kept.push(at);
            continue;
        };
        let (row, shown) = (part.numbers[at], given.chars().take(SHOWN).collect::<String>());
        let example = || Example { row, evidence: evidence.clone(), text: text::cut(&shown, SHOWN) };
        tally.removed.entry(rule.clone()).or_default().add(given.len(), example);
        gone.push(Gone { row, rule, evidence, text: shown });
    }
    if gone.is_empty() {
        return Done { part, gone, tally };
    }
    let numbers = kept.iter().map(|at| part.numbers[*at]).collect();
    Done { part: Part { rows: part.rows.pick(kept), numbers }, gone, tally }
}

fn sift(sift: &Sift, field: &str, part: Part) -> Result<Done> {
    let mut broken = Vec::with_capacity(part.rows.len());
    sift.each(&part.rows, |_, text| {
        broken.push(sift.broken(text.as_deref().unwrap_or("")));
        Ok(())
    })?;
    let reason = |at: usize| broken[at].as_ref().map(|broken| (broken.rule.to_string(), broken.evidence.clone()));
    Ok(without(part, field, reason))
}

/// What a step of a script kept, by the places of its rows in their columns.
fn keep(name: &str, field: &str, part: Part, kept: &Dataset) -> Done {
    let kept: HashSet<usize> = (0..kept.len()).map(|at| kept.row(at)).collect();
    let places: Vec<usize> = (0..part.rows.len()).map(|at| part.rows.row(at)).collect();
    without(part, field, |at| (!kept.contains(&places[at])).then(|| (name.to_string(), String::new())))
}

fn first(of: &str, field: &str, part: Part, place: usize, memory: &mut Memory) -> Done {
    memory.known.resize(memory.known.len().max(place + 1), HashSet::new());
    memory.new.resize(memory.new.len().max(place + 1), Vec::new());
    let column = part.rows.fields().iter().position(|known| **known == *of);
    let (known, new) = (&mut memory.known[place], &mut memory.new[place]);
    let mut again = Vec::with_capacity(part.rows.len());
    for at in 0..part.rows.len() {
        let digest = unique::digest(column.map_or(crate::data::Cell::Null, |column| part.rows.cell(column, at)));
        let is_new = known.insert(digest);
        if is_new {
            new.push(digest);
        }
        again.push(!is_new);
    }
    without(part, field, |at| again[at].then(|| ("unique".to_string(), format!("`{of}` was there before"))))
}

fn far(field: &str, part: Part, memory: &mut Memory) -> Done {
    let start = memory.seen;
    memory.seen += part.rows.len();
    let Some(groups) = &memory.groups else { return without(part, field, |_| None) };
    without(part, field, |at| {
        let row = start + at;
        if groups.stays(row) {
            return None;
        }
        let place = groups.removed.binary_search_by_key(&(row as u32), |(row, ..)| *row).ok()?;
        let (_, first, share) = groups.removed[place];
        let of = memory.numbers.get(first as usize).copied().unwrap_or(u64::from(first));
        Some(("near_duplicates".to_string(), format!("{share:.2} of its shingles are those of row {of}")))
    })
}

fn change(rewrite: &Rewrite, field: &str, part: Part) -> Result<Done> {
    let rows = rewrite.apply(part.rows.clone(), 0)?;
    let mut tally = StepTally::default();
    for at in 0..rows.len() {
        let (before, after) = (text_of(&part.rows, field, at), text_of(&rows, field, at));
        tally.rows += 1;
        tally.bytes += before.len() as u64;
        tally.changed += u64::from(before != after);
    }
    Ok(Done { part: Part { rows, numbers: part.numbers }, gone: Vec::new(), tally })
}

fn mask(rewrite: &Rewrite, kinds: &[PiiKind], field: &str, part: Part) -> Result<Done> {
    let mut masked = std::collections::BTreeMap::new();
    for at in 0..part.rows.len() {
        for hit in pii::find(&text_of(&part.rows, &rewrite.field, at), kinds) {
            *masked.entry(hit.kind.name().to_string()).or_default() += 1;
        }
    }
    let mut done = change(rewrite, field, part)?;
    done.tally.masked = masked;
    Ok(done)
}
