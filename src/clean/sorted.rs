//! External sort of fixed-size entries: sorted runs in a file, merged while reading (Knuth 1998, 5.4).

use super::spill::Spill;
use crate::{Result, cancel};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// Bytes written to the file at a time.
const WRITE: usize = 1 << 16;
/// Bytes read of a run at a time; fewer if there are many runs.
const READ: (usize, usize) = (1 << 12, 1 << 18);

/// Accepts entries in any order; they are compared as bytes.
pub struct Sorter<const N: usize> {
    held: Vec<[u8; N]>,
    /// Number of entries that may stay in memory.
    room: usize,
    file: Spill,
    /// End of each run in the file.
    ends: Vec<u64>,
}

impl<const N: usize> Sorter<N> {
    /// Keeps up to `bytes` in memory.
    pub fn new(bytes: usize) -> Sorter<N> {
        Sorter { held: Vec::new(), room: (bytes / N).max(1), file: Spill::new(WRITE.min(bytes)), ends: Vec::new() }
    }

    pub fn push(&mut self, entry: [u8; N]) -> Result<()> {
        if self.held.len() == self.held.capacity() {
            // no growth beyond the limit, as doubling would cause
            let more = self.held.len().clamp(64, 1 << 20).min(self.room - self.held.len()).max(1);
            self.held.reserve_exact(more);
        }
        self.held.push(entry);
        if self.held.len() >= self.room { self.file_run() } else { Ok(()) }
    }

    fn file_run(&mut self) -> Result<()> {
        cancel::check()?;
        self.held.par_sort_unstable();
        for part in self.held.as_flattened().chunks(WRITE) {
            self.file.push(part)?;
        }
        self.held.clear();
        self.ends.push(self.file.len());
        Ok(())
    }

    /// Number of runs in the file.
    pub fn runs(&self) -> usize {
        self.ends.len()
    }

    /// All entries in order.
    pub fn finish(mut self) -> Result<Sorted<N>> {
        if self.ends.is_empty() {
            self.held.par_sort_unstable();
            return Ok(Sorted {
                held: self.held.into_iter(),
                runs: Vec::new(),
                heap: BinaryHeap::new(),
                file: self.file,
            });
        }
        if !self.held.is_empty() {
            self.file_run()?;
        }
        self.held = Vec::new();
        let block = (self.room * N / self.ends.len()).clamp(READ.0, READ.1) / N * N;
        let mut sorted =
            Sorted { held: Vec::new().into_iter(), runs: Vec::new(), heap: BinaryHeap::new(), file: self.file };
        let mut start = 0;
        for end in self.ends {
            let mut run = Run { next: start, end, block: Vec::new(), at: 0, size: block.max(N) };
            if let Some(entry) = run.entry::<N>(&sorted.file)? {
                sorted.heap.push(Reverse((entry, sorted.runs.len())));
            }
            sorted.runs.push(run);
            start = end;
        }
        Ok(sorted)
    }
}

/// The rest of a run.
struct Run {
    next: u64,
    end: u64,
    block: Vec<u8>,
    at: usize,
    /// Bytes read at a time.
    size: usize,
}

impl Run {
    fn entry<const N: usize>(&mut self, file: &Spill) -> Result<Option<[u8; N]>> {
        if self.at == self.block.len() {
            let count = self.size.min((self.end - self.next) as usize);
            if count == 0 {
                return Ok(None);
            }
            cancel::check()?;
            self.block = file.read(self.next, count)?;
            (self.next, self.at) = (self.next + count as u64, 0);
        }
        let mut entry = [0; N];
        entry.copy_from_slice(&self.block[self.at..self.at + N]);
        self.at += N;
        Ok(Some(entry))
    }
}

/// Entries in sorted order.
pub struct Sorted<const N: usize> {
    held: std::vec::IntoIter<[u8; N]>,
    runs: Vec<Run>,
    heap: BinaryHeap<Reverse<([u8; N], usize)>>,
    file: Spill,
}

impl<const N: usize> Iterator for Sorted<N> {
    type Item = Result<[u8; N]>;

    fn next(&mut self) -> Option<Result<[u8; N]>> {
        if self.runs.is_empty() {
            return self.held.next().map(Ok);
        }
        let mut top = self.heap.peek_mut()?;
        let Reverse((entry, run)) = *top;
        match self.runs[run].entry(&self.file) {
            Ok(Some(following)) => *top = Reverse((following, run)),
            Ok(None) => drop(PeekMut::pop(top)),
            Err(error) => return Some(Err(error)),
        }
        Some(Ok(entry))
    }
}

/// Four bytes of an entry as a big-endian number, since entries are compared as bytes.
pub fn number(entry: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
}
