//! Pieces: the progress of a run, a folder for each stretch of rows, which is present completely or not at all.

use super::step::Gone;
use super::tally::Tally;
use crate::data::{Cell, Dataset, TableBuilder, save_in};
use crate::files::{self, Stage};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const WHO: &str = "clean::run";
/// The existing pieces, and their extent.
const FACTS: &str = "piece.json";
pub const REMOVED: &str = "removed.parquet";
/// Parts cut out of texts of rows that stay.
pub const SHORTENED: &str = "shortened.parquet";
/// Digests of values that the piece introduced.
const DIGESTS: &str = "digests.bin";

/// The extent of a piece.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Rows read from the files up to its end, and rows that came in.
    pub read: usize,
    pub rows: u64,
    /// Rows in its files.
    pub kept: u64,
    pub removed: u64,
    pub shortened: u64,
    pub tally: Tally,
    /// Number of digests per step.
    pub digests: Vec<usize>,
}

/// The pieces of a phase.
pub struct Pieces {
    pub folder: PathBuf,
    /// The name of the file of kept rows.
    pub kept: &'static str,
    pub facts: Vec<Facts>,
}

/// The contents of a piece.
#[derive(Default)]
pub struct Filling {
    pub kept: TableBuilder,
    pub gone: Vec<Gone>,
    pub cut: Vec<Gone>,
    pub facts: Facts,
    pub digests: Vec<Vec<u128>>,
}

impl Pieces {
    /// Opens the pieces of an earlier run.
    pub fn open(folder: PathBuf, kept: &'static str) -> Result<Pieces> {
        files::make_folder(WHO, &folder)?;
        let mut pieces = Pieces { folder, kept, facts: Vec::new() };
        while files::is_folder(&pieces.place(pieces.facts.len())) {
            let folder = pieces.place(pieces.facts.len());
            files::settle(WHO, &folder)?;
            // the facts file exists only if the piece is complete
            let Some(bytes) = files::read_if_there(WHO, &folder.join(FACTS))? else { break };
            let Ok(facts) = serde_json::from_slice(&bytes) else { break };
            pieces.facts.push(facts);
        }
        Ok(pieces)
    }

    fn place(&self, at: usize) -> PathBuf {
        self.folder.join(format!("{at:06}"))
    }

    pub fn add(&mut self, filling: Filling) -> Result<()> {
        let folder = self.place(self.facts.len());
        let kept = Dataset::from(filling.kept.finish());
        let (removed, shortened) = (removed(&filling.gone)?, removed(&filling.cut)?);
        let mut facts = filling.facts;
        (facts.kept, facts.removed) = (kept.len() as u64, removed.len() as u64);
        facts.shortened = shortened.len() as u64;
        facts.digests = filling.digests.iter().map(Vec::len).collect();
        let stage = Stage::begin(WHO, &folder)?;
        if !kept.is_empty() {
            save_in(&stage, self.kept, &kept)?;
        }
        if !removed.is_empty() {
            save_in(&stage, REMOVED, &removed)?;
        }
        if !shortened.is_empty() {
            save_in(&stage, SHORTENED, &shortened)?;
        }
        let digests: Vec<u8> = filling.digests.iter().flatten().flat_map(|digest| digest.to_le_bytes()).collect();
        if !digests.is_empty() {
            stage.write_all(DIGESTS, &digests)?;
        }
        let bytes = serde_json::to_vec(&facts).map_err(|error| Error::new(WHO, error.to_string()))?;
        stage.write_all(FACTS, &bytes)?;
        stage.commit()?;
        self.facts.push(facts);
        Ok(())
    }

    /// Digests of all pieces, by step.
    pub fn digests(&self) -> Result<Vec<Vec<u128>>> {
        let mut all: Vec<Vec<u128>> = Vec::new();
        for (at, facts) in self.facts.iter().enumerate().filter(|(_, facts)| facts.digests.iter().sum::<usize>() > 0) {
            let bytes = files::read(WHO, &self.place(at).join(DIGESTS))?;
            let mut digests = bytes.chunks_exact(16).map(|bytes| {
                let mut digest = [0; 16];
                digest.copy_from_slice(bytes);
                u128::from_le_bytes(digest)
            });
            all.resize(all.len().max(facts.digests.len()), Vec::new());
            for (own, count) in all.iter_mut().zip(&facts.digests) {
                own.extend(digests.by_ref().take(*count));
            }
        }
        Ok(all)
    }

    /// The files of kept rows.
    pub fn kept_files(&self) -> Vec<PathBuf> {
        self.files(self.kept, |facts| facts.kept)
    }

    pub fn removed_files(&self) -> Vec<PathBuf> {
        self.files(REMOVED, |facts| facts.removed)
    }

    pub fn shortened_files(&self) -> Vec<PathBuf> {
        self.files(SHORTENED, |facts| facts.shortened)
    }

    fn files(&self, name: &str, rows: impl Fn(&Facts) -> u64) -> Vec<PathBuf> {
        let filled = self.facts.iter().enumerate().filter(|(_, facts)| rows(facts) > 0);
        filled.map(|(at, _)| self.place(at).join(name)).collect()
    }

    /// All counts together.
    pub fn tally(&self) -> Tally {
        let mut all = Tally::default();
        self.facts.iter().for_each(|facts| all.merge(&facts.tally));
        all
    }
}

/// Removed rows, or parts of rows, as a table.
pub fn removed(gone: &[Gone]) -> Result<Dataset> {
    let mut rows = TableBuilder::with_names(["row", "rule", "evidence", "text"].map(Into::into));
    for gone in gone {
        rows.column("row").push(Cell::Int(gone.row as i64));
        rows.column("rule").push(Cell::Text(&gone.rule));
        rows.column("evidence").push(Cell::Text(&gone.evidence));
        rows.column("text").push(Cell::Text(&gone.text));
        rows.end_row().map_err(|what| Error::new(WHO, what))?;
    }
    Ok(rows.finish().into())
}
