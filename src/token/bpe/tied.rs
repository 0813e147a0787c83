//! BPE in which merges share a rank: among those the leftmost in the text is applied first. SentencePiece merges by the score of
//! the resulting token, and so does llama.cpp; if scores tie, no order of merges yields the same ids.

use crate::token::bpe::merges::Merges;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An intermediate token, and its bytes in the word.
pub struct Symbol {
    pub id: u32,
    pub start: usize,
    pub end: usize,
}

const NONE: usize = usize::MAX;

/// The symbols of a word during merging, linked: a merge leaves a gap.
struct Chain<'a> {
    symbols: Vec<Symbol>,
    before: Vec<usize>,
    after: Vec<usize>,
    merges: &'a Merges,
    levels: &'a [u32],
    /// Level, position and rank of possible merges, some of them outdated.
    queue: BinaryHeap<Reverse<(u32, usize, u32)>>,
}

/// Joins the symbols of a word. `levels` has the level of each merge, ascending; merges beyond it follow, each with its own
/// level.
pub fn merge(merges: &Merges, levels: &[u32], symbols: Vec<Symbol>) -> Vec<Symbol> {
    let count = symbols.len();
    let mut chain = Chain {
        before: (0..count).map(|at| at.checked_sub(1).unwrap_or(NONE)).collect(),
        after: (1..=count).map(|at| if at < count { at } else { NONE }).collect(),
        symbols,
        merges,
        levels,
        queue: BinaryHeap::new(),
    };
    (0..count).for_each(|at| chain.offer(at));
    while let Some(Reverse((_, at, rank))) = chain.queue.pop() {
        if chain.rank(at) == Some(rank) {
            chain.join(at, rank);
        }
    }
    let gone = |at: usize| at > 0 && chain.before[at] == NONE;
    let kept: Vec<bool> = (0..count).map(|at| !gone(at)).collect();
    chain.symbols.into_iter().zip(kept).filter_map(|(symbol, kept)| kept.then_some(symbol)).collect()
}

impl Chain<'_> {
    /// The rank of the merge of a symbol with the next.
    fn rank(&self, at: usize) -> Option<u32> {
        let after = self.after[at];
        if after == NONE { None } else { self.merges.rank(self.symbols[at].id, self.symbols[after].id) }
    }

    fn offer(&mut self, at: usize) {
        if let Some(rank) = self.rank(at) {
            self.queue.push(Reverse((self.level(rank), at, rank)));
        }
    }

    fn level(&self, rank: u32) -> u32 {
        match self.levels.get(rank as usize) {
            Some(level) => *level,
            None => self.levels.last().map_or(0, |last| last + 1) + rank - self.levels.len() as u32,
        }
    }

    fn join(&mut self, at: usize, rank: u32) {
        let gone = self.after[at];
        let after = self.after[gone];
        self.symbols[at].id = self.merges.whole(rank);
        self.symbols[at].end = self.symbols[gone].end;
        self.after[at] = after;
        (self.before[gone], self.after[gone]) = (NONE, NONE);
        if after != NONE {
            self.before[after] = at;
        }
        let before = self.before[at];
        if before != NONE {
            self.offer(before);
        }
        self.offer(at);
    }
}
