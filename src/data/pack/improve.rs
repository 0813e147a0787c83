//! Improves a greedy packing: some blocks are repeatedly emptied and refilled, and a result that is not worse is kept (ruin and
//! recreate: Schrimpf et al. 2000).
//!
//! Not worse means as many blocks or fewer, and the remaining room concentrated in fewer of them, by which a block eventually
//! becomes empty.

use crate::tensor::Rng;
use std::cmp::Reverse;

/// Number of refills per block.
const ROUNDS: usize = 100;
/// A share of padding too small to be worth the search.
const LITTLE: f64 = 0.005;
/// Step limit of the search for one block's contents.
const STEPS: usize = 200;

pub fn improve(mut blocks: Vec<Vec<usize>>, sizes: &[usize], length: usize) -> Vec<Vec<usize>> {
    let total: usize = sizes.iter().sum();
    let goal = (total as f64 / (length as f64 * (1.0 - LITTLE))).ceil() as usize;
    let goal = goal.max(total.div_ceil(length));
    // the result depends only on the sizes
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

/// Packs all of these into blocks: each begins with the longest (or any) remaining one, and is filled as well as possible.
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

/// The search for list entries that fill a block.
struct RuinSearch<'a> {
    lengths: &'a [usize],
    chosen: Vec<usize>,
    best: Vec<usize>,
    /// Room left by the best choice.
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
