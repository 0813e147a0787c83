//! Fewer blocks than a greedy packing finds: some blocks are emptied and filled anew, over and over, and what is no worse
//! is kept (ruin and recreate: Schrimpf et al. 2000).
//!
//! No worse means as many blocks or fewer, and the room that is left in fewer places, which is how a block gets empty at
//! last.

use crate::tensor::Rng;
use std::cmp::Reverse;

/// How often blocks are filled anew, for each block that there is.
const ROUNDS: usize = 100;
/// A share of padding that is not worth the search.
const LITTLE: f64 = 0.005;
/// How far the search for what fills one block goes.
const STEPS: usize = 200;

pub fn improve(mut blocks: Vec<Vec<usize>>, sizes: &[usize], length: usize) -> Vec<Vec<usize>> {
    let total: usize = sizes.iter().sum();
    let goal = (total as f64 / (length as f64 * (1.0 - LITTLE))).ceil() as usize;
    let goal = goal.max(total.div_ceil(length));
    // what comes out depends on nothing but the sizes
    let mut rng = Rng::new(0);
    for _ in 0..ROUNDS * blocks.len() {
        if blocks.len() <= goal.max(1) {
            break;
        }
        let chosen = 4 + rng.below(9) as usize;
        let old: Vec<Vec<usize>> = (0..chosen.min(blocks.len()))
            .map(|_| blocks.swap_remove(rng.below(blocks.len() as u64) as usize))
            .collect();
        let new = filled(old.concat(), sizes, length, &mut rng);
        let squares = |blocks: &[Vec<usize>]| -> usize { blocks.iter().map(|block| load(block, sizes).pow(2)).sum() };
        let better = new.len() < old.len() || (new.len() == old.len() && squares(&new) >= squares(&old));
        blocks.extend(if better { new } else { old });
    }
    blocks
}

fn load(block: &[usize], sizes: &[usize]) -> usize {
    block.iter().map(|at| sizes[*at]).sum()
}

/// Blocks of all these: each begins with the longest (or any) that is left, and gets what fills it best.
fn filled(mut left: Vec<usize>, sizes: &[usize], length: usize, rng: &mut Rng) -> Vec<Vec<usize>> {
    let mut blocks = Vec::new();
    while !left.is_empty() {
        left.sort_unstable_by_key(|at| (Reverse(sizes[*at]), *at));
        let first = if rng.below(10) < 7 { 0 } else { rng.below(left.len() as u64) as usize };
        let first = left.remove(first);
        if rng.below(2) == 0 {
            rng.shuffle(&mut left);
        }
        let lengths: Vec<usize> = left.iter().map(|at| sizes[*at]).collect();
        let room = length - sizes[first];
        let mut search = RuinSearch { lengths: &lengths, chosen: Vec::new(), best: Vec::new(), least: room, steps: 0 };
        search.fill(room, 0);
        let best = search.best;
        let mut block = vec![first];
        block.extend(best.iter().map(|place| left[*place]));
        for place in best.iter().rev() {
            left.remove(*place);
        }
        blocks.push(block);
    }
    blocks
}

/// The search for the places of a list that fill a room.
struct RuinSearch<'a> {
    lengths: &'a [usize],
    chosen: Vec<usize>,
    best: Vec<usize>,
    /// Room that the best choice leaves.
    least: usize,
    steps: usize,
}

impl RuinSearch<'_> {
    fn fill(&mut self, room: usize, from: usize) {
        self.steps += 1;
        if room < self.least {
            (self.least, self.best) = (room, self.chosen.clone());
        }
        for place in from..self.lengths.len() {
            if self.least == 0 || self.steps > STEPS {
                return;
            }
            if self.lengths[place] <= room && self.lengths[place] > 0 {
                self.chosen.push(place);
                self.fill(room - self.lengths[place], place + 1);
                self.chosen.pop();
            }
        }
    }
}
