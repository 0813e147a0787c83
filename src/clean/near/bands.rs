//! Compares rows whose MinHashes agree in a band; the result does not depend on threads, bands or chance.

use super::{NearGroups, Sets, jaccard};
use crate::clean::sorted::{Sorter, number};
use crate::{Result, tasks};

/// The keys of a band, with their rows.
pub struct Band(Sorter<ENTRY>);

/// Bytes of a key and its row.
const ENTRY: usize = 12;
/// Maximum number of leaders per bucket: in a large bucket of dissimilar rows, not all pairs are compared.
const LEADERS: usize = 32;
/// Buckets that one thread processes at a time, and that all threads process together.
const BUCKETS: usize = 256;
const TOGETHER: usize = 1 << 16;

impl Band {
    /// Keeps up to `room` bytes in memory.
    pub fn new(room: usize) -> Band {
        Band(Sorter::new(room))
    }

    pub fn push(&mut self, key: u64, row: u32) -> Result<()> {
        let mut entry = [0; ENTRY];
        entry[..8].copy_from_slice(&key.to_be_bytes());
        entry[8..].copy_from_slice(&row.to_be_bytes());
        self.0.push(entry)
    }

    /// Number of runs of keys in a file.
    pub fn runs(&self) -> usize {
        self.0.runs()
    }

    /// Calls `look` with the rows of keys that several rows share, each bucket ascending, several buckets at a time.
    fn buckets(self, mut look: impl FnMut(Vec<Vec<u32>>) -> Result<()>) -> Result<()> {
        let mut buckets = Vec::new();
        let (mut key, mut open) = ([0; 8], Vec::new());
        for entry in self.0.finish()? {
            let entry = entry?;
            if entry[..8] != key {
                key.copy_from_slice(&entry[..8]);
                close(&mut open, &mut buckets);
                if buckets.len() >= TOGETHER {
                    look(std::mem::take(&mut buckets))?;
                }
            }
            open.push(number(&entry, 8));
        }
        close(&mut open, &mut buckets);
        look(buckets)
    }
}

/// Ends a bucket, which counts if it has several rows.
fn close(open: &mut Vec<u32>, buckets: &mut Vec<Vec<u32>>) {
    if open.len() > 1 {
        buckets.push(open.clone());
    }
    open.clear();
}

/// A row and an earlier row near to it.
type Pair = (u32, u32);

/// Pairs of near rows.
pub struct Pairs {
    /// The first near row of each row, or the row itself.
    nearest: Vec<u32>,
    /// Further near rows.
    others: Vec<Pair>,
}

impl Pairs {
    pub fn new(rows: usize) -> Pairs {
        Pairs { nearest: (0..rows as u32).collect(), others: Vec::new() }
    }

    /// Compares the rows that agree in a band.
    pub fn look(&mut self, band: Band, sets: &Sets, threshold: f64) -> Result<()> {
        band.buckets(|buckets| self.compare(&buckets, sets, threshold))
    }

    /// A row is in one bucket per band, so matches found in some buckets do not affect other buckets of the band.
    fn compare(&mut self, buckets: &[Vec<u32>], sets: &Sets, threshold: f64) -> Result<()> {
        let found = tasks::try_map(tasks::ranges(buckets.len(), BUCKETS), &|_, some| {
            let mut found = Vec::new();
            for bucket in &buckets[some] {
                crate::cancel::check()?;
                self.bucket(bucket, sets, threshold, &mut found)?;
            }
            Ok::<_, crate::Error>(found)
        })?;
        for (row, earlier) in found.into_iter().flatten() {
            let nearest = &mut self.nearest[row as usize];
            if *nearest == row {
                *nearest = earlier;
            } else if *nearest != earlier {
                self.others.push((row, earlier));
            }
        }
        Ok(())
    }

    /// Matches each row of a bucket with the first near leader; a row without one becomes a leader.
    fn bucket(&self, bucket: &[u32], sets: &Sets, threshold: f64, found: &mut Vec<Pair>) -> Result<()> {
        let mut leaders: Vec<(u32, Option<Vec<u32>>)> = Vec::new();
        for &row in bucket {
            let known = self.nearest[row as usize];
            if known != row && leaders.iter().any(|(leader, _)| *leader == known) {
                continue;
            }
            let mut own = None;
            let mut led = false;
            for (leader, set) in &mut leaders {
                if sets.is_same(*leader, row) {
                    found.push((row, *leader));
                    led = true;
                    break;
                }
                let own = match &own {
                    Some(own) => own,
                    None => own.insert(sets.of(row)?),
                };
                let other = match set {
                    Some(set) => set,
                    None => set.insert(sets.of(*leader)?),
                };
                if may_be(own.len(), other.len(), threshold) && jaccard(own, other) >= threshold {
                    found.push((row, *leader));
                    led = true;
                    break;
                }
            }
            if !led && leaders.len() < LEADERS {
                leaders.push((row, own));
            }
        }
        Ok(())
    }

    /// Decides row by row, in order: a row is removed if it is near to an earlier kept row.
    pub fn resolve(mut self, sets: &Sets, threshold: f64) -> Result<NearGroups> {
        self.others.sort_unstable();
        let mut groups = NearGroups { first: (0..self.nearest.len() as u32).collect(), removed: Vec::new() };
        let mut next = 0;
        for row in 0..self.nearest.len() as u32 {
            let mut earlier: Vec<u32> = vec![self.nearest[row as usize]];
            while let Some((_, other)) = self.others.get(next).filter(|(of, _)| *of == row) {
                earlier.push(*other);
                next += 1;
            }
            earlier.retain(|earlier| *earlier != row);
            if earlier.is_empty() {
                continue;
            }
            if row % 1024 == 0 {
                crate::cancel::check()?;
            }
            // a removed row is represented by the row that it was removed for
            earlier.iter_mut().for_each(|earlier| *earlier = groups.first[*earlier as usize]);
            earlier.sort_unstable();
            earlier.dedup();
            let own = sets.of(row)?;
            for first in earlier {
                let share = if sets.is_same(first, row) { 1.0 } else { jaccard(&own, &sets.of(first)?) };
                if share >= threshold {
                    groups.first[row as usize] = first;
                    groups.removed.push((row, first, share as f32));
                    break;
                }
            }
        }
        Ok(groups)
    }
}

/// Whether sets of these sizes can have this similarity.
fn may_be(a: usize, b: usize, threshold: f64) -> bool {
    a.min(b) as f64 >= threshold * a.max(b) as f64
}
