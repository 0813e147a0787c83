//! Near duplicates: texts that share most of their shingles, found by MinHash in bands (Broder 1997; Leskovec et al. 2014, 3.4)
//! and checked one by one. Beyond the memory limit the sorted keys of each band are in a file, and shingles in another; a row
//! takes some twenty bytes of memory.

mod bands;
mod units;

pub use units::{
    NGRAM, each as each_unit, is_alone, is_running as units_are_running, is_word, jaccard, mixed, set, shingles,
    together, units,
};

use super::spill::Spill;
use crate::kernel::minhash::HashFamily;
use crate::{Result, bail, tasks};
use bands::Band;
use std::borrow::Cow;
use twox_hash::XxHash3_64;

/// Options of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearPlan {
    /// Minimum share of common shingles.
    pub threshold: f64,
    /// Units per shingle.
    pub ngram: usize,
}

/// Maximum number of hash functions.
const HASHES: usize = 128;
/// Minimum probability that a pair at the threshold is compared.
const CHANCE: f64 = 0.9;
/// Memory limit in bytes, of all bands together and of shingles.
const ROOM: usize = 16 << 20;

impl NearPlan {
    pub fn check(&self, who: &str) -> Result<()> {
        if !(self.threshold > 0.0 && self.threshold <= 1.0) {
            bail!(who, "a threshold of {} is not above 0 and up to 1", self.threshold);
        }
        if self.ngram == 0 {
            bail!(who, "shingles of 0 words");
        }
        Ok(())
    }

    /// Number of bands and rows per band: the most rows that keep the probability for a pair at the threshold, since more rows
    /// mean fewer futile comparisons.
    fn shape(&self) -> (usize, usize) {
        let chance = |rows: usize| 1.0 - (1.0 - self.threshold.powi(rows as i32)).powi((HASHES / rows) as i32);
        let rows = (1..=32).rev().find(|rows| chance(*rows) >= CHANCE).unwrap_or(1);
        (HASHES / rows, rows)
    }
}

/// Result: for each row the first row near to it, or itself where it stays.
#[derive(Clone, Debug, Default)]
pub struct NearGroups {
    pub first: Vec<u32>,
    /// Removed rows, in order: (row, its representative, the share of common shingles).
    pub removed: Vec<(u32, u32, f32)>,
}

impl NearGroups {
    pub fn stays(&self, row: usize) -> bool {
        self.first.get(row).is_none_or(|first| *first as usize == row)
    }
}

/// Takes texts in row order.
pub struct NearFinder {
    plan: NearPlan,
    family: HashFamily,
    rows_of_band: usize,
    bands: Vec<Band>,
    sets: Sets,
}

/// Shingles of all rows.
struct Sets {
    shingles: Spill,
    /// End of each row's shingles, in number of shingles.
    ends: Vec<u64>,
    /// Hashes of whole texts: equal texts need no comparison.
    digests: Vec<u64>,
}

/// The hashes of one text, before it has a row number.
struct Sketch {
    digest: u64,
    shingles: Vec<u32>,
    keys: Vec<u64>,
}

impl NearFinder {
    pub fn new(plan: NearPlan) -> NearFinder {
        NearFinder::with_room(plan, ROOM)
    }

    /// Keeps up to `room` bytes of keys, and as many of shingles, in memory.
    pub fn with_room(plan: NearPlan, room: usize) -> NearFinder {
        let (bands, rows_of_band) = plan.shape();
        NearFinder {
            plan,
            family: HashFamily::new(bands * rows_of_band),
            rows_of_band,
            bands: (0..bands).map(|_| Band::new(room / bands)).collect(),
            sets: Sets { shingles: Spill::new(room), ends: Vec::new(), digests: Vec::new() },
        }
    }

    fn sketch(&self, text: &str) -> Sketch {
        let digest = XxHash3_64::oneshot(text.as_bytes());
        let mut shingles = shingles(text, self.plan.ngram);
        if shingles.is_empty() {
            // only marks: near to the same marks alone
            shingles.push((digest >> 32) as u32);
        }
        let minima = self.family.minima(&shingles);
        let keys = minima.chunks_exact(self.rows_of_band).take(self.bands.len());
        let keys = keys.map(|rows| mixed(rows.iter().fold(0, |key: u64, row| mixed(key ^ u64::from(*row))))).collect();
        Sketch { digest, shingles, keys }
    }

    /// Adds the next rows. A row without text is near to none.
    pub fn add(&mut self, texts: &[Option<Cow<str>>]) -> Result<()> {
        if self.sets.ends.len() + texts.len() >= u32::MAX as usize {
            bail!("near", "more than 4 billion rows");
        }
        let cut = tasks::ranges(texts.len(), 64);
        let sketch = |_, rows: std::ops::Range<usize>| {
            texts[rows].iter().map(|text| text.as_ref().map(|text| self.sketch(text))).collect::<Vec<_>>()
        };
        for sketch in tasks::map(cut, &sketch).into_iter().flatten() {
            let row = self.sets.ends.len() as u32;
            let held = self.sets.ends.last().copied().unwrap_or(0);
            let Some(sketch) = sketch else {
                self.sets.ends.push(held);
                self.sets.digests.push(0);
                continue;
            };
            let bytes: Vec<u8> = sketch.shingles.iter().flat_map(|shingle| shingle.to_le_bytes()).collect();
            self.sets.shingles.push(&bytes)?;
            self.sets.ends.push(held + sketch.shingles.len() as u64);
            self.sets.digests.push(sketch.digest);
            for (band, key) in self.bands.iter_mut().zip(sketch.keys) {
                band.push(key, row)?;
            }
        }
        Ok(())
    }

    /// Number of sorted runs of keys in files.
    pub fn runs(&self) -> usize {
        self.bands.iter().map(Band::runs).sum()
    }

    /// Finds the groups.
    pub fn finish(self) -> Result<NearGroups> {
        let mut pairs = bands::Pairs::new(self.sets.ends.len());
        for band in self.bands {
            pairs.look(band, &self.sets, self.plan.threshold)?;
        }
        pairs.resolve(&self.sets, self.plan.threshold)
    }
}

impl Sets {
    /// The shingles of a row, sorted and deduplicated.
    fn of(&self, row: u32) -> Result<Vec<u32>> {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        let bytes = self.shingles.read(start * 4, (self.ends[row] - start) as usize * 4)?;
        let numbers = bytes.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        Ok(set(numbers.collect()))
    }

    fn is_same(&self, a: u32, b: u32) -> bool {
        self.digests[a as usize] == self.digests[b as usize]
    }
}
