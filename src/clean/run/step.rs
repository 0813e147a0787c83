//! The steps of a run: each changes texts, or removes rows and records the reason.

use super::tally::{Example, StepTally};
use crate::clean::cuts::{Cut, CutPlan, Cuts, Place};
use crate::clean::near::{NearGroups, NearPlan};
use crate::clean::pii::{self, PiiKind};
use crate::clean::score::{Choose, LastKept, Score};
use crate::clean::shorten::Shortened;
use crate::clean::{Rewrite, Shorten, Sift, unique};
use crate::data::step::Step;
use crate::data::{Dataset, Stream};
use crate::{Result, tasks, text};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The steps applied to rows, in order.
pub enum CleanStep {
    Change(Rewrite),
    /// A change that is counted by kind.
    Mask(Rewrite, Vec<PiiKind>),
    Sift(Sift),
    /// Keeps the first row of each value of a field.
    Unique(String),
    /// Keeps the first of near-duplicate texts.
    Near(String, NearPlan),
    /// Cuts lines that break a rule.
    Shorten(Shorten),
    /// Cuts text that earlier rows also have.
    Cut(String, CutPlan),
    /// Adds a score of each text as a field.
    Score(Score),
    /// Filters rows by score.
    Choose(Choose),
    /// Rows kept by a script step, which changes none.
    Keep(String, Arc<dyn Step>),
}

/// Rows on their way, each with its number in the source.
#[derive(Clone)]
pub struct Part {
    pub rows: Dataset,
    pub numbers: Vec<u64>,
}

/// A removed row, or a removed part of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gone {
    pub row: u64,
    pub rule: String,
    pub evidence: String,
    pub text: String,
}

/// The result of a step on a part.
pub struct Done {
    pub part: Part,
    pub gone: Vec<Gone>,
    /// Parts cut out of rows that stay.
    pub cut: Vec<Gone>,
    pub tally: StepTally,
}

const WHO: &str = "clean::run";
/// Characters kept of a removed text.
const SHOWN: usize = 200;

/// State that steps keep between parts.
#[derive(Default)]
pub struct Memory {
    /// Digests of values seen, by the index of the step.
    pub known: Vec<HashSet<u128>>,
    /// Digests that are new since the last call that took them.
    pub new: Vec<Vec<u128>>,
    /// State from the full pass over the rows that this phase began with.
    pub all: Seen,
    /// Input rows of the phase seen so far, and their numbers in the source.
    pub seen: usize,
    pub numbers: Vec<u64>,
}

/// The result of a full pass, for a step that needs all rows.
#[derive(Default)]
pub enum Seen {
    #[default]
    Nothing,
    Near(NearGroups),
    Cuts(Cuts),
    Scores(LastKept),
}

/// The text to clean; empty where a row has none.
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
            CleanStep::Shorten(_) => "quality_lines".into(),
            CleanStep::Cut(_, plan) => plan.rule().into(),
            CleanStep::Score(score) => score.kind.step.into(),
            CleanStep::Choose(choose) => choose.plan.kind.rule.into(),
            CleanStep::Keep(name, _) => name.clone(),
        }
    }

    /// Its identity.
    pub fn identity(&self) -> String {
        match self {
            CleanStep::Change(rewrite) | CleanStep::Mask(rewrite, _) => rewrite.identity(),
            CleanStep::Sift(sift) => sift.identity(),
            CleanStep::Unique(field) => format!("unique {field}"),
            CleanStep::Near(field, plan) => format!("near {field} {plan:?}"),
            CleanStep::Shorten(shorten) => shorten.identity(),
            CleanStep::Cut(field, plan) => format!("cut {field} {plan:?}"),
            CleanStep::Score(score) => score.identity(),
            CleanStep::Choose(choose) => choose.text(),
            CleanStep::Keep(name, step) => format!("{name} {}", step.identity()),
        }
    }

    /// Whether it has to see all rows before it releases the first.
    pub fn needs_all(&self) -> bool {
        match self {
            CleanStep::Near(..) | CleanStep::Cut(..) => true,
            CleanStep::Choose(choose) => choose.plan.keep.is_some(),
            _ => false,
        }
    }

    /// Whether its result for a row depends on that row alone, so that any rank can compute it.
    pub fn is_alone(&self) -> bool {
        !matches!(self, CleanStep::Unique(_)) && !self.needs_all()
    }

    /// The full pass over all rows.
    pub fn look(&self, stream: &Stream) -> Result<Seen> {
        Ok(match self {
            CleanStep::Near(field, plan) => Seen::Near(unique::near_groups(WHO, stream.blocks()?, field, *plan)?),
            CleanStep::Cut(field, plan) => Seen::Cuts(plan.find(WHO, stream.blocks()?, field)?),
            CleanStep::Choose(choose) => Seen::Scores(choose.last_kept(stream.blocks()?)?),
            _ => Seen::Nothing,
        })
    }

    /// Applies the step to consecutive parts; `place` is its index among the steps.
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
            CleanStep::Score(score) => {
                let rows =
                    parts.iter().map(|part| (part.numbers.first().map_or(0, |row| *row as usize), part.rows.clone()));
                let scored = score.apply_all(rows.collect());
                parts.into_iter().zip(scored).map(|(part, rows)| Ok(unchanged(field, part, rows?))).collect()
            }
            CleanStep::Choose(step) => {
                let usual = LastKept::default();
                let last = if let Seen::Scores(last) = &memory.all { last } else { &usual };
                tasks::try_map(parts, &|_, part| choose(step, field, part, last))
            }
            CleanStep::Shorten(shorten) => tasks::try_map(parts, &|_, part| {
                self::shorten(&shorten.field, field, part, |_, text| Ok(shorten.rules.cuts(text)))
            }),
            CleanStep::Cut(of, plan) => {
                let parts = with_places(parts, memory)?;
                let numbers = &memory.numbers;
                let number = |row: u32| numbers.get(row as usize).copied().unwrap_or(u64::from(row));
                tasks::try_map(parts, &|_, (part, places)| {
                    self::shorten(of, field, part, |at, text| Ok(plan.cuts(text, &places[at], number)))
                })
            }
        }
    }
}

/// A part without the rows that have a reason for removal.
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
        return Done { part, gone, cut: Vec::new(), tally };
    }
    let numbers = kept.iter().map(|at| part.numbers[*at]).collect();
    Done { part: Part { rows: part.rows.pick(kept), numbers }, gone, cut: Vec::new(), tally }
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

/// The rows kept by a script step, by their positions in their columns.
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
    let Seen::Near(groups) = &memory.all else { return without(part, field, |_| None) };
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

/// Rows with an added field.
fn unchanged(field: &str, part: Part, rows: Dataset) -> Done {
    let done = without(part, field, |_| None);
    Done { part: Part { rows, numbers: done.part.numbers }, ..done }
}

fn choose(step: &Choose, field: &str, part: Part, last: &LastKept) -> Result<Done> {
    let reasons = step.reasons(&part.rows, part.numbers.first().map_or(0, |row| *row as usize), last)?;
    let mut done = without(part, field, |at| reasons[at].clone().map(|why| (step.plan.kind.rule.to_string(), why)));
    done.part.rows = step.without_score(done.part.rows)?;
    Ok(done)
}

/// Parts with the cuts of each row, read in row order.
fn with_places(parts: Vec<Part>, memory: &mut Memory) -> Result<Vec<(Part, Vec<Vec<Place>>)>> {
    let Seen::Cuts(cuts) = &mut memory.all else { unreachable!("the phase has looked at all rows") };
    let mut ready = Vec::with_capacity(parts.len());
    for part in parts {
        let start = memory.seen;
        memory.seen += part.rows.len();
        let places = (start..memory.seen).map(|row| cuts.of_row(row as u32)).collect::<Result<_>>()?;
        ready.push((part, places));
    }
    Ok(ready)
}

/// A part with shorter texts in the field `of`, without the rows that became empty.
fn shorten(of: &str, field: &str, part: Part, cuts: impl FnMut(usize, &str) -> Result<Vec<Cut>>) -> Result<Done> {
    let made = Shortened::of(&part.rows, of, cuts)?;
    let mut tally = StepTally::default();
    let mut cut = Vec::new();
    let mut emptied = HashMap::new();
    for row in made.cut {
        let number = part.numbers[row.at];
        if row.is_gone {
            let first = &row.cuts[0];
            let evidence =
                format!("nothing is left without {}: {}", text::counted(row.cuts.len(), "part"), first.evidence);
            emptied.insert(row.at, (first.rule.to_string(), evidence));
            continue;
        }
        tally.changed += 1;
        for one in row.cuts {
            let shown: String = row.text[one.range.clone()].trim().chars().take(SHOWN).collect();
            let example = || Example { row: number, evidence: one.evidence.clone(), text: shown.clone() };
            tally.shortened.entry(one.rule.to_string()).or_default().add(one.range.len(), example);
            cut.push(Gone { row: number, rule: one.rule.to_string(), evidence: one.evidence, text: shown });
        }
    }
    // a removed part is shown in its original form
    let done = without(part, field, |at| emptied.get(&at).cloned());
    let kept = (0..made.rows.len()).filter(|at| !emptied.contains_key(at));
    let part = Part { rows: made.rows.pick(kept), numbers: done.part.numbers };
    tally = StepTally { changed: tally.changed, shortened: tally.shortened, ..done.tally };
    Ok(Done { part, gone: done.gone, cut, tally })
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
    Ok(Done { part: Part { rows, numbers: part.numbers }, gone: Vec::new(), cut: Vec::new(), tally })
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
