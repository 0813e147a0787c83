//! Packing: sequences into blocks of equal length.

mod improve;

use std::collections::{BTreeMap, BTreeSet};

/// Concatenates sequences and splits them at block ends. Returns the sequences of every block.
pub fn stream(sequences: &[(usize, usize)], length: usize) -> Vec<Vec<(usize, usize)>> {
    let mut blocks: Vec<Vec<_>> = Vec::new();
    let mut room = 0;
    for &(mut start, end) in sequences {
        while start < end {
            if room == 0 {
                blocks.push(Vec::new());
                room = length;
            }
            let taken = room.min(end - start);
            if let Some(block) = blocks.last_mut() {
                block.push((start, start + taken));
            }
            start += taken;
            room -= taken;
        }
    }
    blocks
}

/// Packs whole sequences into as few blocks as the better of two heuristics and a subsequent search find. Returns the sequences
/// of every block; the result depends only on the sizes.
pub fn best_fit(sizes: &[usize], length: usize) -> Vec<Vec<usize>> {
    let (one, other) = (decreasing(sizes, length), fullest(sizes, length));
    let mut blocks = improve::improve(if other.len() < one.len() { other } else { one }, sizes, length);
    // within a block in data order
    blocks.iter_mut().for_each(|block| block.sort_unstable());
    blocks
}

/// The longest first, each into the block where it leaves the least room (best-fit decreasing: Johnson 1974; for language models
/// Ding et al. 2024, "Fewer truncations improve language modeling"). Best if many sequences are longer than half a block.
fn decreasing(sizes: &[usize], length: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(sizes[at]));
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    // (room, block) of every block with room
    let mut open: BTreeSet<(usize, usize)> = BTreeSet::new();
    for at in order {
        let size = sizes[at];
        let (room, block) = match open.range((size, 0)..).next().copied() {
            Some(found) => {
                open.remove(&found);
                found
            }
            None => {
                blocks.push(Vec::new());
                (length, blocks.len() - 1)
            }
        };
        blocks[block].push(at);
        if room > size {
            open.insert((room - size, block));
        }
    }
    blocks
}

/// One block after the other: the longest remaining sequence, then those that best fill the rest, by a search with limited steps
/// (minimum bin slack: Gupta and Ho 1999). Best if a block holds several.
fn fullest(sizes: &[usize], length: usize) -> Vec<Vec<usize>> {
    let mut left: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, &size) in sizes.iter().enumerate().rev() {
        left.entry(size).or_default().push(at);
    }
    let mut search =
        FitSearch { counts: left.iter().map(|(size, of)| (*size, of.len())).collect(), ..FitSearch::default() };
    let mut blocks = Vec::new();
    while let Some(longest) = search.longest(length) {
        search.take(longest);
        let room = length.saturating_sub(longest);
        (search.least, search.steps, search.best) = (room, 0, Vec::new());
        search.fill(room, longest);
        let others = std::mem::take(&mut search.best);
        others.iter().for_each(|&size| search.take(size));
        let sizes = std::iter::once(longest).chain(others);
        blocks.push(sizes.filter_map(|size| left.get_mut(&size).and_then(Vec::pop)).collect());
    }
    blocks
}

/// The search for the sizes that fill the rest of one block.
#[derive(Default)]
struct FitSearch {
    counts: BTreeMap<usize, usize>,
    chosen: Vec<usize>,
    best: Vec<usize>,
    /// Room left by the best choice.
    least: usize,
    steps: usize,
}

impl FitSearch {
    const STEPS: usize = 1000;

    /// The longest remaining size up to `top`.
    fn longest(&self, top: usize) -> Option<usize> {
        self.counts.range(..=top).next_back().map(|(size, _)| *size)
    }

    fn take(&mut self, size: usize) {
        if let Some(count) = self.counts.get_mut(&size) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&size);
            }
        }
    }

    fn give(&mut self, size: usize) {
        *self.counts.entry(size).or_default() += 1;
    }

    /// Tries sizes up to `top`, longest first, and all combinations with each.
    fn fill(&mut self, room: usize, top: usize) {
        self.steps += 1;
        if room < self.least {
            (self.least, self.best) = (room, self.chosen.clone());
        }
        let mut top = top.min(room);
        while self.least > 0 && self.steps < Self::STEPS {
            let Some(size) = self.longest(top).filter(|&size| size > 0) else { return };
            self.take(size);
            self.chosen.push(size);
            self.fill(room - size, size);
            self.chosen.pop();
            self.give(size);
            top = size - 1;
        }
    }
}
