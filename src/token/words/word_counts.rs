//! Distinct words with their counts, stored compactly: all letters in one allocation.

use super::hash::FastBuildHasher;
use hashbrown::HashTable;
use rayon::prelude::*;
use std::hash::BuildHasher;

#[derive(Default)]
pub struct WordCounts {
    letters: String,
    ends: Vec<usize>,
    counts: Vec<u64>,
    places: HashTable<usize>,
}

impl WordCounts {
    /// Adds `count` to a word.
    pub fn add(&mut self, word: &str, count: u64) {
        let WordCounts { letters, ends, counts, places } = self;
        let hash = |word: &str| FastBuildHasher::default().hash_one(word);
        match places.find(hash(word), |at| held(letters, ends, *at) == word) {
            Some(at) => counts[*at] += count,
            None => {
                letters.push_str(word);
                ends.push(letters.len());
                counts.push(count);
                places.insert_unique(hash(word), ends.len() - 1, |at| hash(held(letters, ends, *at)));
            }
        }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn word(&self, at: usize) -> &str {
        held(&self.letters, &self.ends, at)
    }

    pub fn count(&self, at: usize) -> u64 {
        self.counts[at]
    }

    /// The indices of the words, in alphabetical order. No words can be added afterwards.
    pub fn sorted(&mut self) -> Vec<usize> {
        self.places = HashTable::new();
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.par_sort_unstable_by(|a, b| self.word(*a).cmp(self.word(*b)));
        order
    }
}

fn held<'a>(letters: &'a str, ends: &[usize], at: usize) -> &'a str {
    let start = if at == 0 { 0 } else { ends[at - 1] };
    &letters[start..ends[at]]
}
