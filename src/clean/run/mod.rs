//! A run: rows through steps to a folder, with what was removed, why, and what was counted. What is interrupted goes on to the same
//! bytes, on any number of threads.
//!
//! Rows go a stretch at a time through all steps, and each stretch is a [piece](piece) on the disk. Near duplicates need all rows before
//! the first of them goes: they begin another phase, which reads the pieces of the one before.

mod piece;
mod step;
mod tally;

pub use step::CleanStep;
pub use tally::{Removed, StepTally, Tally};

use super::language;
use super::unique::{self, near_groups};
use crate::data::{Cell, Column, Dataset, Source, Stream, TextForm, join_files, save, save_in};
use crate::files::{self, Stage};
use crate::{Error, Result, bail, cancel, progress, tasks, text};
use piece::{Facts, Filling, Pieces, REMOVED};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::PathBuf;
use step::{Memory, Part, text_of};
use twox_hash::XxHash3_128;

const WHO: &str = "clean::run";
/// Bytes of the text of a piece.
const BYTES: u64 = 32 << 20;
/// Where pieces lie until the run is whole.
const WORK: &str = "work";
/// The number of a row in the source, between two phases.
const NUMBER: &str = "levain: row";
/// Of a part of so many rows, the language of each is guessed; of a larger one, of every eighth.
const GUESSED: usize = 256;

/// What is run.
pub struct CleanRun {
    pub steps: Vec<CleanStep>,
    /// The field with the text that is counted.
    pub field: String,
    pub out: PathBuf,
    /// `jsonl` or `parquet`.
    pub format: String,
    /// Rows of a piece: so many an interruption costs at most.
    pub piece_rows: u64,
}

/// What a run leaves in its folder beside the rows.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// A digest of what was run: of the same on the same files nothing is done again.
    run: String,
    #[serde(flatten)]
    pub tally: Tally,
}

impl CleanRun {
    fn kept_name(&self) -> &'static str {
        if self.format == "parquet" { "clean.parquet" } else { "clean.jsonl" }
    }

    /// What is done, whatever it is done to.
    fn identity(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(CleanStep::identity).collect();
        format!("levain {}\n{} {}\n{}", env!("CARGO_PKG_VERSION"), self.field, self.format, steps.join("\n"))
    }

    /// What tells this run from others, by the bytes of its files and not by their times.
    fn digest(&self, stream: &Stream) -> Result<String> {
        let mut hash = XxHash3_128::new();
        hash.write(self.identity().as_bytes());
        stream.stages().iter().for_each(|stage| hash.write(stage.identity().as_bytes()));
        for path in stream.source().files() {
            let mut file = files::open(WHO, path)?;
            let mut bytes = vec![0; 1 << 20];
            loop {
                cancel::check()?;
                match file.read(&mut bytes).map_err(|error| Error::io(WHO, path, &error))? {
                    0 => break,
                    count => hash.write(&bytes[..count]),
                }
            }
        }
        Ok(format!("{:032x}", hash.finish_128()))
    }

    /// Runs all steps, or what an earlier run of the same has left to do.
    pub fn run(&self, stream: &Stream) -> Result<Tally> {
        files::make_folder(WHO, &self.out)?;
        files::settle(WHO, &self.out)?;
        let work = self.out.join(WORK);
        if let Some(report) = self.finished(stream)? {
            // a kill may have come before it was removed
            files::remove_folder(WHO, &work)?;
            return Ok(report.tally);
        }
        let key = format!("{}\n{}\n{}", self.identity(), self.piece_rows, stream.fingerprint());
        let begun = files::read_if_there(WHO, &work.join("key"))?;
        if begun.is_none_or(|begun| begun != key.as_bytes()) {
            files::remove_folder(WHO, &work)?;
            files::write_all(WHO, &work.join("key"), key.as_bytes())?;
        }
        let mut tally: Option<Tally> = None;
        let mut phases: Vec<Pieces> = Vec::new();
        let cut = self.phases();
        for (number, steps) in cut.iter().enumerate() {
            let is_last = number + 1 == cut.len();
            let pieces = Pieces::open(work.join(format!("phase-{number}")), self.kept_name())?;
            let pieces = match phases.last() {
                None => self.phase(stream, Phase { steps, is_later: false, is_last }, pieces)?,
                Some(before) => {
                    self.phase(&pieces_stream(before)?, Phase { steps, is_later: true, is_last }, pieces)?
                }
            };
            let counted = pieces.tally();
            self.leaves_some(&counted)?;
            match &mut tally {
                None => tally = Some(counted),
                Some(all) => all.follow(counted),
            }
            phases.push(pieces);
        }
        let report = Report { run: self.digest(stream)?, tally: tally.unwrap_or_default() };
        self.finish(&phases, &report)?;
        files::remove_folder(WHO, &work)?;
        Ok(report.tally)
    }

    /// Runs all steps on rows in memory, which are a file while it runs.
    pub fn run_dataset(&self, data: &Dataset) -> Result<Tally> {
        let mut digest = 0u128;
        for at in 0..data.len() {
            for field in 0..data.fields().len() {
                digest = digest
                    .rotate_left(7)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .wrapping_add(unique::digest(data.cell(field, at)));
            }
        }
        let path = self.out.join(format!("rows-{digest:032x}.jsonl"));
        if !files::is_file(&path) {
            save(data, &path, TextForm::default())?;
        }
        let tally = self.run(&Stream::open(Source::from(path.as_path()))?)?;
        files::remove(WHO, &path)?;
        Ok(tally)
    }

    /// What a whole run has left, where it was the same and its files are there.
    fn finished(&self, stream: &Stream) -> Result<Option<Report>> {
        let there = |name: &str| files::is_file(&self.out.join(name));
        let Some(bytes) = files::read_if_there(WHO, &self.out.join("report.json"))? else { return Ok(None) };
        let report = serde_json::from_slice::<Report>(&bytes).ok();
        let Some(report) = report.filter(|_| there(self.kept_name()) && there(REMOVED)) else { return Ok(None) };
        let report = (report.run == self.digest(stream)?).then_some(report);
        if report.is_some() {
            files::verify(WHO, &self.out.join(self.kept_name()))?;
            progress::warn(WHO, format!("{} has been cleaned so before: nothing is done again", self.out.display()));
        }
        Ok(report)
    }

    /// The steps, cut before each that needs all rows.
    fn phases(&self) -> Vec<&[CleanStep]> {
        let mut phases = Vec::new();
        let mut start = 0;
        for (at, step) in self.steps.iter().enumerate() {
            if matches!(step, CleanStep::Near(..)) {
                phases.push(&self.steps[start..at]);
                start = at;
            }
        }
        phases.push(&self.steps[start..]);
        phases
    }

    /// An error where a step has taken all rows that came to it.
    fn leaves_some(&self, tally: &Tally) -> Result<()> {
        let Some(all) = tally.steps.iter().find(|step| step.rows > 0 && step.gone() == step.rows) else {
            return Ok(());
        };
        let worst = all.removed.iter().max_by_key(|(_, removed)| removed.rows);
        let (rule, example) = worst.map_or(("", None), |(rule, removed)| (rule.as_str(), removed.examples.first()));
        let named =
            if rule == all.step { format!("`{rule}`") } else { format!("`{}`, most of all `{rule}`,", all.step) };
        let example =
            example.map(|example| format!(" (row {}: {})", example.row, example.evidence)).unwrap_or_default();
        let what = format!("{named} removes all of {}{example}", text::counted(all.rows as usize, "row"));
        let help = format!("nothing in {} was written over; tune the rule or turn it off", self.out.display());
        Err(Error::new(WHO, what).help(help))
    }

    /// Takes rows through the steps of a phase, piece by piece.
    fn phase(&self, stream: &Stream, phase: Phase, mut pieces: Pieces) -> Result<Pieces> {
        let mut memory = Memory::default();
        for digests in pieces.digests()? {
            memory.known.push(digests.into_iter().collect());
        }
        let last = pieces.facts.last().cloned().unwrap_or_default();
        if last.rows > 0 {
            let rows = text::counted(last.rows as usize, "row");
            progress::warn(WHO, format!("{}: goes on after {rows}", self.out.display()));
        }
        if let Some(CleanStep::Near(field, plan)) = phase.steps.first() {
            memory.groups = Some(near_groups(WHO, stream.blocks()?, field, *plan)?);
            memory.numbers = numbers_of(stream)?;
            memory.seen = last.rows as usize;
        }
        let (is_stateless, mut came) = (stream.is_stateless(), last.rows);
        let mut blocks = stream.blocks_from(if is_stateless { last.read } else { 0 })?;
        let mut filling =
            Filling { facts: Facts { read: last.read, rows: came, ..Facts::default() }, ..Filling::default() };
        let mut done = false;
        while !done {
            cancel::check()?;
            let mut parts = Vec::new();
            while parts.len() < rayon::current_num_threads().max(1) * 2 && !done {
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

    /// Rows with their numbers: counted, or as an earlier phase has noted them.
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

    /// What all steps make of parts, with what each counts.
    fn through(&self, phase: Phase, parts: Vec<Part>, memory: &mut Memory) -> Result<Vec<Through>> {
        let before = |part: &Part| {
            let mut tally = Tally { rows: part.rows.len() as u64, ..Tally::default() };
            for at in 0..part.rows.len() {
                let text = text_of(&part.rows, &self.field, at);
                tally.bytes += text.len() as u64;
                tally::count_length(&mut tally.lengths_before, &text);
            }
            tally
        };
        let mut all: Vec<Through> = tasks::map(parts, &|_, part| {
            let tally = before(&part);
            Through { part, gone: Vec::new(), tally, digests: Vec::new() }
        });
        for (place, step) in phase.steps.iter().enumerate() {
            let parts = all.iter().map(|through| through.part.clone()).collect();
            for (through, done) in all.iter_mut().zip(step.apply(&self.field, parts, place, memory)?) {
                through.part = done.part;
                through.gone.extend(done.gone);
                through.tally.steps.push(StepTally { step: step.name(), ..done.tally });
            }
            // what a step has seen first belongs to the part in which it was; parts come in order, and a piece ends at one
            if let CleanStep::Unique(_) = step {
                share_digests(&mut all, place, memory);
            }
        }
        Ok(tasks::map(all, &|_, mut through| {
            through.gone.sort_by_key(|gone| gone.row);
            self.left(&mut through, phase.is_last);
            through
        }))
    }

    /// Counts what is left.
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

    /// Joins the pieces to the files of the run, which come to their places together.
    fn finish(&self, phases: &[Pieces], report: &Report) -> Result<()> {
        let stage = Stage::begin(WHO, &self.out)?;
        let name = self.kept_name();
        let kept = phases.last().map(Pieces::kept_files).unwrap_or_default();
        stage.write(name, |out| join_files(&kept, &self.out.join(name), out))?;
        let removed: Vec<PathBuf> = phases.iter().flat_map(Pieces::removed_files).collect();
        match removed.is_empty() {
            true => save_in(&stage, REMOVED, &piece::removed(&[])?)?,
            false => stage.write(REMOVED, |out| join_files(&removed, &self.out.join(REMOVED), out))?,
        }
        let bytes = serde_json::to_vec_pretty(report).map_err(|error| Error::new(WHO, error.to_string()))?;
        stage.write_all("report.json", &bytes)?;
        stage.commit()
    }
}

/// Steps that rows go through together.
#[derive(Clone, Copy)]
struct Phase<'r> {
    steps: &'r [CleanStep],
    /// Its rows are those of a phase before it.
    is_later: bool,
    is_last: bool,
}

/// A part behind all steps.
struct Through {
    part: Part,
    gone: Vec<step::Gone>,
    tally: Tally,
    digests: Vec<Vec<u128>>,
}

/// Gives each part the digests that it has first.
fn share_digests(all: &mut [Through], place: usize, memory: &mut Memory) {
    // of no rows, as at the end of what was resumed, there is nothing
    let Some(new) = memory.new.get_mut(place) else { return };
    let mut new = std::mem::take(new).into_iter();
    for through in all {
        through.digests.resize(through.digests.len().max(place + 1), Vec::new());
        through.digests[place] = new.by_ref().take(through.part.rows.len()).collect();
    }
}

/// Ends a piece: the next begins where it ends.
fn close(pieces: &mut Pieces, filling: &mut Filling) -> Result<()> {
    let next = Facts { read: filling.facts.read, rows: filling.facts.rows, ..Facts::default() };
    pieces.add(std::mem::replace(filling, Filling { facts: next, ..Filling::default() }))
}

fn fill(filling: &mut Filling, done: Through, place: usize, is_last: bool) -> Result<()> {
    filling.facts.read = place;
    filling.facts.rows += done.tally.rows;
    filling.facts.tally.merge(&done.tally);
    filling.gone.extend(done.gone);
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

/// The rows that a phase has kept.
fn pieces_stream(pieces: &Pieces) -> Result<Stream> {
    Stream::open(Source::of_files(pieces.kept_files()))
}

/// The numbers in the source of a later phase's rows.
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
