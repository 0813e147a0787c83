//! A phase: steps that rows pass through together, a stretch at a time.

use super::piece::{Facts, Filling, Pieces};
use super::step::{self, CleanStep, Memory, Part, text_of};
use super::tally::{self, StepTally, Tally};
use super::{BYTES, CleanRun, GUESSED, NUMBER, WHO};
use crate::clean::language;
use crate::data::{Cell, Column, Dataset, Source, Stream};
use crate::ranks::Crew;
use crate::{Result, bail, cancel, progress, tasks, text};

impl CleanRun {
    /// Passes rows through the steps of a phase, piece by piece.
    pub(super) fn phase(&self, stream: &Stream, phase: Phase, mut pieces: Pieces) -> Result<Pieces> {
        let mut memory = Memory::default();
        for digests in pieces.digests()? {
            memory.known.push(digests.into_iter().collect());
        }
        let last = pieces.facts.last().cloned().unwrap_or_default();
        if last.rows > 0 {
            let rows = text::counted(last.rows as usize, "row");
            progress::warn(WHO, format!("{}: goes on after {rows}", self.out.display()));
        }
        if let Some(step) = phase.steps.first().filter(|step| step.needs_all()) {
            memory.all = step.look(stream)?;
            memory.numbers = numbers_of(stream)?;
            memory.seen = last.rows as usize;
        }
        let (is_stateless, mut came) = (stream.is_stateless(), last.rows);
        let mut blocks = stream.blocks_by(if is_stateless { last.read } else { 0 }, phase.crew.clone())?;
        let together = rayon::current_num_threads().max(1) * 2 * phase.crew.count();
        let mut filling =
            Filling { facts: Facts { read: last.read, rows: came, ..Facts::default() }, ..Filling::default() };
        let mut done = false;
        while !done {
            cancel::check()?;
            let mut parts = Vec::new();
            while parts.len() < together && !done {
                match blocks.next_with_place() {
                    None => done = true,
                    Some(part) => parts.push(part?),
                }
            }
            parts.retain(|(_, place)| *place > last.read);
            let places: Vec<usize> = parts.iter().map(|(_, place)| *place).collect();
            let mut numbered = Vec::new();
            for (rows, _) in parts {
                numbered.push(self.numbered(rows, came, phase.is_later)?);
                came += numbered.last().map_or(0, |part: &Part| part.rows.len() as u64);
            }
            for (done, place) in self.through(phase, numbered, &mut memory)?.into_iter().zip(places) {
                fill(&mut filling, done, place, phase.is_last)?;
                if filling.facts.tally.rows >= self.piece_rows || filling.facts.tally.bytes >= BYTES {
                    close(&mut pieces, &mut filling)?;
                }
            }
        }
        if filling.facts.tally.rows > 0 {
            close(&mut pieces, &mut filling)?;
        }
        Ok(pieces)
    }

    /// Rows with their numbers: counted, or recorded by an earlier phase.
    fn numbered(&self, rows: Dataset, first: u64, is_later: bool) -> Result<Part> {
        if !is_later {
            if rows.fields().iter().any(|name| **name == *NUMBER) {
                bail!(WHO, "rows have a field `{NUMBER}`, which a run uses itself");
            }
            let numbers = (first..first + rows.len() as u64).collect();
            return Ok(Part { rows, numbers });
        }
        let column = rows.field(WHO, NUMBER)?;
        let number = |at| match rows.cell(column, at) {
            Cell::Int(number) => number as u64,
            _ => 0,
        };
        let numbers = (0..rows.len()).map(number).collect();
        Ok(Part { rows: rows.drop_fields(&[NUMBER])?, numbers })
    }

    /// Results of all steps on parts, with the counts of each.
    fn through(&self, phase: Phase, parts: Vec<Part>, memory: &mut Memory) -> Result<Vec<Through>> {
        // where the text is yet to be extracted from a page, the page is counted
        let raw = phase.steps.iter().find_map(|step| match step {
            CleanStep::Change(rewrite) if rewrite.into == self.field && !phase.is_later => Some(rewrite.field.as_str()),
            _ => None,
        });
        let before = |part: &Part| {
            let mut tally = Tally { rows: part.rows.len() as u64, ..Tally::default() };
            for at in 0..part.rows.len() {
                let mut text = text_of(&part.rows, &self.field, at);
                if let Some(raw) = raw.filter(|_| text.is_empty()) {
                    text = text_of(&part.rows, raw, at);
                }
                tally.bytes += text.len() as u64;
                tally::count_length(&mut tally.lengths_before, &text);
            }
            tally
        };
        let mut all: Vec<Through> = tasks::map(parts, &|_, part| Through { tally: before(&part), ..Through::of(part) });
        let mut place = 0;
        while let Some(step) = phase.steps.get(place) {
            let alone = phase.steps[place..].iter().take_while(|step| step.is_alone()).count();
            if alone > 0 {
                let steps = phase.first + place..phase.first + place + alone;
                all = self.shared_out(steps, all, phase.crew)?;
                place += alone;
                continue;
            }
            self.step(step, place, &mut all, memory)?;
            // a digest that a step has seen first belongs to the part that introduced it; parts come in order, and a piece ends
            // at a part
            if let CleanStep::Unique(_) = step {
                share_digests(&mut all, place, memory);
            }
            place += 1;
        }
        Ok(tasks::map(all, &|_, mut through| {
            through.gone.sort_by_key(|gone| gone.row);
            through.cut.sort_by_key(|cut| cut.row);
            self.left(&mut through, phase.is_last);
            through
        }))
    }

    /// Result of one step on parts, with its counts.
    pub(super) fn step(&self, step: &CleanStep, place: usize, all: &mut [Through], memory: &mut Memory) -> Result<()> {
        let parts = all.iter().map(|through| through.part.clone()).collect();
        for (through, done) in all.iter_mut().zip(step.apply(&self.field, parts, place, memory)?) {
            through.part = done.part;
            through.gone.extend(done.gone);
            through.cut.extend(done.cut);
            through.tally.steps.push(StepTally { step: step.name(), ..done.tally });
        }
        Ok(())
    }

    /// Counts the remaining rows.
    fn left(&self, through: &mut Through, is_last: bool) {
        let every = if through.part.numbers.len() > GUESSED { 8 } else { 1 };
        let tally = &mut through.tally;
        tally.kept_rows = through.part.rows.len() as u64;
        for at in 0..through.part.rows.len() {
            let text = text_of(&through.part.rows, &self.field, at);
            tally.kept_bytes += text.len() as u64;
            tally::count_length(&mut tally.lengths_after, &text);
            if is_last && at % every == 0 {
                let count = every.min(through.part.rows.len() - at) as u64;
                let found = language::detect(&text).filter(|found| found.confidence >= 0.5);
                *tally.languages.entry(found.map_or("unclear", |found| found.code).into()).or_default() += count;
                *tally.scripts.entry(language::script_of(&text).unwrap_or("none").into()).or_default() += count;
            }
        }
    }
}

/// Steps that rows pass through together.
#[derive(Clone, Copy)]
pub(super) struct Phase<'r> {
    pub steps: &'r [CleanStep],
    /// The index of the first of them among all.
    pub first: usize,
    /// Whether its rows come from an earlier phase.
    pub is_later: bool,
    pub is_last: bool,
    pub crew: &'r Crew,
}

/// A part on its way through the steps, with their changes to it.
pub(super) struct Through {
    pub part: Part,
    pub gone: Vec<step::Gone>,
    /// Parts cut out of texts.
    pub cut: Vec<step::Gone>,
    pub tally: Tally,
    digests: Vec<Vec<u128>>,
}

impl Through {
    pub fn of(part: Part) -> Through {
        Through { part, gone: Vec::new(), cut: Vec::new(), tally: Tally::default(), digests: Vec::new() }
    }
}

/// Assigns each part the digests that it introduced.
fn share_digests(all: &mut [Through], place: usize, memory: &mut Memory) {
    // without rows, as at the end of a resumed run, there is nothing
    let Some(new) = memory.new.get_mut(place) else { return };
    let mut new = std::mem::take(new).into_iter();
    for through in all {
        through.digests.resize(through.digests.len().max(place + 1), Vec::new());
        through.digests[place] = new.by_ref().take(through.part.rows.len()).collect();
    }
}

/// Ends a piece: the next begins at its end.
fn close(pieces: &mut Pieces, filling: &mut Filling) -> Result<()> {
    let next = Facts { read: filling.facts.read, rows: filling.facts.rows, ..Facts::default() };
    pieces.add(std::mem::replace(filling, Filling { facts: next, ..Filling::default() }))
}

fn fill(filling: &mut Filling, done: Through, place: usize, is_last: bool) -> Result<()> {
    filling.facts.read = place;
    filling.facts.rows += done.tally.rows;
    filling.facts.tally.merge(&done.tally);
    filling.gone.extend(done.gone);
    filling.cut.extend(done.cut);
    filling.digests.resize(filling.digests.len().max(done.digests.len()), Vec::new());
    filling.digests.iter_mut().zip(done.digests).for_each(|(own, more)| own.extend(more));
    if is_last {
        return filling.kept.append(&done.part.rows.gathered());
    }
    let mut numbers = Column::default();
    done.part.numbers.iter().for_each(|number| numbers.push(Cell::Int(*number as i64)));
    let rows = done.part.rows.with_columns(vec![(NUMBER.to_string(), numbers)]);
    filling.kept.append(&rows.gathered())
}

/// The rows kept by a phase.
pub(super) fn pieces_stream(pieces: &Pieces) -> Result<Stream> {
    Stream::open(Source::of_files(pieces.kept_files()))
}

/// The source numbers of a later phase's rows.
fn numbers_of(stream: &Stream) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for part in stream.select(vec![NUMBER.into()])?.blocks()? {
        let part = part?;
        numbers.extend((0..part.len()).map(|at| match part.cell(0, at) {
            Cell::Int(number) => number as u64,
            _ => 0,
        }));
    }
    Ok(numbers)
}
