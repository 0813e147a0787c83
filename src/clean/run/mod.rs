//! A run: passes rows through steps into a folder, with the removed rows, the reasons, and counts. An interrupted run resumes and
//! produces the same bytes, on any number of threads.
//!
//! Rows pass through all steps a stretch at a time, and each stretch is a piece (`piece.rs`) on the disk. Steps that need all
//! rows before they release the first, such as near duplicates, begin another phase (`phase.rs`), which reads the pieces of the
//! previous one.

mod crew;
mod phase;
mod piece;
mod step;
mod tally;

pub use step::CleanStep;
pub use tally::{Removed, StepTally, Tally};

use super::unique;
use crate::data::{Dataset, Source, Stream, TextForm, join_files, save, save_in};
use crate::files::{self, Stage};
use crate::ranks::{self, Crew};
use crate::{Error, Result, cancel, progress, text};
use phase::{Phase, pieces_stream};
use piece::{Pieces, REMOVED, SHORTENED};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::PathBuf;
use twox_hash::XxHash3_128;

const WHO: &str = "clean::run";
/// Bytes of text per piece.
const BYTES: u64 = 32 << 20;
/// Folder of the pieces until the run is complete.
const WORK: &str = "work";
/// The number of a row in the source, between two phases.
const NUMBER: &str = "levain: row";
/// Up to this many rows in a part, the language of each is detected; in a larger part, of every eighth.
const GUESSED: usize = 256;

/// Options of a run.
pub struct CleanRun {
    pub steps: Vec<CleanStep>,
    /// The field with the text that is counted.
    pub field: String,
    pub out: PathBuf,
    /// `jsonl` or `parquet`.
    pub format: String,
    /// Rows per piece: the most work that an interruption costs.
    pub piece_rows: u64,
}

/// Files that a run leaves in its folder beside the rows.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// A digest of the run: an equal run on equal files is not repeated.
    run: String,
    #[serde(flatten)]
    pub tally: Tally,
}

impl CleanRun {
    fn kept_name(&self) -> &'static str {
        if self.format == "parquet" { "clean.parquet" } else { "clean.jsonl" }
    }

    /// The steps, independent of their input.
    fn identity(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(CleanStep::identity).collect();
        format!("levain {}\n{} {}\n{}", env!("CARGO_PKG_VERSION"), self.field, self.format, steps.join("\n"))
    }

    /// The identity of this run, from the bytes of its files and not their times.
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

    /// Runs all steps, or the rest of an interrupted equal run. Rank 0 reads and writes; row-wise steps are shared among all
    /// ranks.
    pub fn run(&self, stream: &Stream) -> Result<Tally> {
        let told = format!("{WHO} {}", self.out.display());
        ranks::led(&told, |crew| self.run_by(stream, &crew), |job| self.help(stream, job))
    }

    fn run_by(&self, stream: &Stream, crew: &Crew) -> Result<Tally> {
        files::make_folder(WHO, &self.out)?;
        files::settle(WHO, &self.out)?;
        let work = self.out.join(WORK);
        if let Some(report) = self.finished(stream)? {
            // a kill may have come before the removal
            files::remove_folder(WHO, &work)?;
            return Ok(report.tally);
        }
        let source = stream.fingerprint();
        let key = format!("{}\n{}\n{source}", self.identity(), self.piece_rows);
        let begun = files::read_if_there(WHO, &work.join("key"))?;
        if begun.is_none_or(|begun| begun != key.as_bytes()) {
            files::remove_folder(WHO, &work)?;
            files::write_all(WHO, &work.join("key"), key.as_bytes())?;
        }
        let mut tally: Option<Tally> = None;
        let mut phases: Vec<Pieces> = Vec::new();
        let cut = self.phases();
        let mut first = 0;
        for (number, steps) in cut.iter().enumerate() {
            let is_last = number + 1 == cut.len();
            let pieces = Pieces::open(work.join(format!("phase-{number}")), self.kept_name())?;
            let pieces = match phases.last() {
                None => self.phase(stream, Phase { steps, first, is_later: false, is_last, crew }, pieces)?,
                Some(before) => {
                    self.phase(&pieces_stream(before)?, Phase { steps, first, is_later: true, is_last, crew }, pieces)?
                }
            };
            first += steps.len();
            let counted = pieces.tally();
            self.leaves_some(&counted)?;
            match &mut tally {
                None => tally = Some(counted),
                Some(all) => all.follow(counted),
            }
            phases.push(pieces);
        }
        let report = Report { run: self.digest(stream)?, tally: tally.unwrap_or_default() };
        if stream.fingerprint() != source {
            let what = format!("{} was written to while it was cleaned", stream.source());
            return Err(Error::new(WHO, what).help("run it again when nothing writes to it"));
        }
        self.finish(&phases, &report)?;
        files::remove_folder(WHO, &work)?;
        Ok(report.tally)
    }

    /// Runs all steps on rows in memory, which are stored in a file during the run.
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
        ranks::first(&format!("{WHO} {}", path.display()), || match files::is_file(&path) {
            true => Ok(()),
            false => save(data, &path, TextForm::default()),
        })?;
        let tally = self.run(&Stream::open(Source::from(path.as_path()))?)?;
        ranks::first(&format!("{WHO} {}", path.display()), || files::remove(WHO, &path))?;
        Ok(tally)
    }

    /// The result of a complete earlier run, if it was equal and its files are present.
    fn finished(&self, stream: &Stream) -> Result<Option<Report>> {
        let there = |name: &str| files::is_file(&self.out.join(name));
        let Some(bytes) = files::read_if_there(WHO, &self.out.join("report.json"))? else { return Ok(None) };
        let report = serde_json::from_slice::<Report>(&bytes).ok();
        let Some(report) = report.filter(|_| there(self.kept_name()) && there(REMOVED) && there(SHORTENED)) else {
            return Ok(None);
        };
        let report = (report.run == self.digest(stream)?).then_some(report);
        if report.is_some() {
            files::verify(WHO, &self.out.join(self.kept_name()))?;
            progress::warn(WHO, format!("{} has been cleaned so before: nothing is done again", self.out.display()));
        }
        Ok(report)
    }

    /// The steps, split before each step that needs all rows.
    fn phases(&self) -> Vec<&[CleanStep]> {
        let mut phases = Vec::new();
        let mut start = 0;
        for (at, step) in self.steps.iter().enumerate() {
            if step.needs_all() {
                phases.push(&self.steps[start..at]);
                start = at;
            }
        }
        phases.push(&self.steps[start..]);
        phases
    }

    /// An error where a step has removed all rows that reached it.
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

    /// Joins the pieces into the files of the run, which are moved into place together.
    fn finish(&self, phases: &[Pieces], report: &Report) -> Result<()> {
        let stage = Stage::begin(WHO, &self.out)?;
        let name = self.kept_name();
        let kept = phases.last().map(Pieces::kept_files).unwrap_or_default();
        stage.write(name, |out| join_files(&kept, &self.out.join(name), out))?;
        let record = |name: &str, parts: Vec<PathBuf>| match parts.is_empty() {
            true => save_in(&stage, name, &piece::removed(&[])?),
            false => stage.write(name, |out| join_files(&parts, &self.out.join(name), out)),
        };
        record(REMOVED, phases.iter().flat_map(Pieces::removed_files).collect())?;
        record(SHORTENED, phases.iter().flat_map(Pieces::shortened_files).collect())?;
        let bytes = serde_json::to_vec_pretty(report).map_err(|error| Error::new(WHO, error.to_string()))?;
        stage.write_all("report.json", &bytes)?;
        stage.commit()
    }
}
