//! Cuts out text that many rows share: lines, paragraphs, and spans at any position. Duplicates are found by sorting hashes of
//! all candidates, on disk beyond the memory limit, so the result does not depend on threads or on the number of rows read at a
//! time.

mod lines;
mod spans;

pub use lines::{LineKind, LinePlan};
pub use spans::SpanPlan;

use super::near::is_word;
use super::sorted::{Sorted, Sorter, number};
use super::unique::texts;
use crate::data::Dataset;
use crate::{Result, bail, tasks};
use std::iter::Peekable;
use std::ops::Range;

/// Memory limit in bytes for hashes while they are gathered, and for places.
const ROOM: usize = 32 << 20;
/// Rows hashed together, and rows per thread.
const ROWS: (usize, usize) = (4096, 64);

/// The unit of text to search for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CutPlan {
    Lines(LinePlan),
    Spans(SpanPlan),
}

/// A 96-bit hash and where it was found.
const HASHED: usize = 24;
type Hashed = [u8; HASHED];
/// A place in a row, and the row with the same text.
const PLACED: usize = 16;

fn hashed(high: u64, low: u32, place: [u32; 3]) -> Hashed {
    let mut entry = [0; HASHED];
    entry[..8].copy_from_slice(&high.to_be_bytes());
    entry[8..12].copy_from_slice(&low.to_be_bytes());
    place
        .iter()
        .enumerate()
        .for_each(|(at, part)| entry[12 + at * 4..16 + at * 4].copy_from_slice(&part.to_be_bytes()));
    entry
}

/// Places to cut, in row order.
struct Places(Sorter<PLACED>);

impl Places {
    fn push(&mut self, row: u32, start: u32, end: u32, of: u32) -> Result<()> {
        let mut entry = [0; PLACED];
        for (at, part) in [row, start, end, of].iter().enumerate() {
            entry[at * 4..at * 4 + 4].copy_from_slice(&part.to_be_bytes());
        }
        self.0.push(entry)
    }
}

impl CutPlan {
    /// The name of the rule in a record.
    pub fn rule(&self) -> &'static str {
        match self {
            CutPlan::Lines(plan) if plan.kind == LineKind::Line => "unique_lines",
            CutPlan::Lines(_) => "unique_paragraphs",
            CutPlan::Spans(_) => "unique_substrings",
        }
    }

    pub fn check(&self, who: &str) -> Result<()> {
        match self {
            CutPlan::Lines(plan) => plan.check(who),
            CutPlan::Spans(plan) => plan.check(who),
        }
    }

    /// Finds the cuts in rows that arrive in parts.
    pub fn find(&self, who: &str, parts: impl Iterator<Item = Result<Dataset>>, field: &str) -> Result<Cuts> {
        self.find_within(who, parts, field, ROOM)
    }

    /// [`CutPlan::find`] with the given number of bytes in memory.
    pub fn find_within(
        &self,
        who: &str,
        parts: impl Iterator<Item = Result<Dataset>>,
        field: &str,
        room: usize,
    ) -> Result<Cuts> {
        self.check(who)?;
        let mut hashes = Sorter::new(room);
        let mut first = 0;
        for part in parts {
            let part = part?;
            for start in (0..part.len()).step_by(ROWS.0) {
                crate::cancel::check()?;
                let some = part.slice(start, start + ROWS.0);
                self.hash(who, &some, field, first, &mut hashes)?;
                first += some.len();
            }
            part.unload();
        }
        let runs = hashes.runs();
        let mut places = Places(Sorter::new(room));
        match self {
            CutPlan::Lines(plan) => plan.choose(hashes.finish()?, &mut places)?,
            CutPlan::Spans(plan) => plan.choose(hashes.finish()?, &mut places)?,
        }
        Ok(Cuts { plan: *self, places: places.0.finish()?.peekable(), runs })
    }

    fn hash(&self, who: &str, rows: &Dataset, field: &str, first: usize, into: &mut Sorter<HASHED>) -> Result<()> {
        if first + rows.len() >= u32::MAX as usize {
            bail!(who, "more than 4 billion rows");
        }
        let texts = texts(who, rows, field, first)?;
        if let Some(at) = texts.iter().position(|text| text.as_ref().is_some_and(|text| text.len() > u32::MAX as usize))
        {
            bail!(who, "row {}: a text of more than 4 GB", first + at);
        }
        let found = tasks::map(tasks::ranges(texts.len(), ROWS.1), &|_, some| {
            let mut found = Vec::new();
            for at in some {
                let Some(text) = &texts[at] else { continue };
                match self {
                    CutPlan::Lines(plan) => plan.hash(text, (first + at) as u32, &mut found),
                    CutPlan::Spans(plan) => plan.hash(text, (first + at) as u32, &mut found),
                }
            }
            found
        });
        found.into_iter().flatten().try_for_each(|entry| into.push(entry))
    }
}

/// The cuts of each row, in row order.
pub struct Cuts {
    plan: CutPlan,
    places: Peekable<Sorted<PLACED>>,
    /// Sorted runs of hashes that went to a file.
    pub runs: usize,
}

/// A part of a text, and the row that also has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub start: u32,
    pub end: u32,
    pub of: u32,
}

impl Cuts {
    /// The places to cut of a row. Rows must be requested in order.
    pub fn of_row(&mut self, row: u32) -> Result<Vec<Place>> {
        let mut places: Vec<Place> = Vec::new();
        loop {
            let is_next = |next: &Result<[u8; PLACED]>| next.as_ref().map_or(true, |entry| number(entry, 0) <= row);
            let Some(entry) = self.places.next_if(is_next) else { return Ok(places) };
            let entry = entry?;
            if number(&entry, 0) < row {
                continue;
            }
            let (start, end, of) = (number(&entry, 4), number(&entry, 8), number(&entry, 12));
            match places.last_mut() {
                // spans of one text overlap
                Some(last) if matches!(self.plan, CutPlan::Spans(_)) && start <= last.end => {
                    last.end = last.end.max(end)
                }
                _ => places.push(Place { start, end, of }),
            }
        }
    }
}

/// A part of a text to cut, and the reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    pub rule: &'static str,
    pub evidence: String,
    pub range: Range<usize>,
}

impl CutPlan {
    /// The parts of a text at these places; `number` maps a row to its displayed number.
    pub fn cuts(&self, text: &str, places: &[Place], number: impl Fn(u32) -> u64) -> Vec<Cut> {
        let rule = self.rule();
        match self {
            CutPlan::Lines(plan) => {
                let evidence = |place: &Place| format!("row {} has it too", number(place.of));
                let cut = |place: &Place| {
                    let range = place.start as usize..place.end as usize;
                    Cut { rule, evidence: evidence(place), range }
                };
                let mut cuts: Vec<Cut> = places.iter().map(cut).collect();
                close_gaps(text, &mut cuts);
                // boilerplate accompanies a text; a line that is the whole text is not boilerplate
                if plan.keeps_whole && without(text, &cuts).is_none() {
                    cuts.clear();
                }
                cuts
            }
            CutPlan::Spans(_) if places.is_empty() => Vec::new(),
            CutPlan::Spans(_) => {
                let ranges = spans::ranges(text, places);
                let cut = |(place, range): (&Place, Range<usize>)| {
                    let units = place.end - place.start;
                    let what =
                        if super::near::units_are_running(&text[range.clone()]) { "characters" } else { "words" };
                    Cut { rule, evidence: format!("{units} {what} that row {} has too", number(place.of)), range }
                };
                places.iter().zip(ranges).map(cut).collect()
            }
        }
    }
}

/// Calls `line` with the range of each line of a text, its line end included.
pub fn each_line(text: &str, line: impl FnMut(Range<usize>)) {
    lines::each_part(text, LineKind::Line, line);
}

/// Extends cuts over the blank lines after them where a blank line, or the start of the text, precedes them.
pub fn close_gaps(text: &str, cuts: &mut [Cut]) {
    let mut chain = 0..0;
    for at in 0..cuts.len() {
        let range = cuts[at].range.clone();
        if at == 0 || range.start > chain.end {
            chain.start = range.start;
        }
        let before = &text[..chain.start];
        let gap = &before[before.trim_end().len()..];
        let next = cuts.get(at + 1).map_or(text.len(), |next| next.range.start);
        let behind = &text[range.end..next.max(range.end)];
        // whole blank lines
        let blank = behind.len() - behind.trim_start().len();
        let blank = behind[..blank].rfind('\n').map_or(0, |last| last + 1);
        if gap.len() == before.len() || gap.matches('\n').count() > 1 {
            cuts[at].range.end += blank;
        }
        chain.end = cuts[at].range.end;
    }
}

/// Returns a text without its cuts, which are in order; `None` where only marks remain.
pub fn without(text: &str, cuts: &[Cut]) -> Option<String> {
    let mut left = String::with_capacity(text.len());
    let mut at = 0;
    for cut in cuts {
        left.push_str(&text[at..cut.range.start.max(at)]);
        at = at.max(cut.range.end);
    }
    left.push_str(&text[at..]);
    left.truncate(left.trim_end().len());
    left.chars().any(is_word).then_some(left)
}
