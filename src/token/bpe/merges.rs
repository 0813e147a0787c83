//! The merges of a BPE model by the ids of their halves, with their ranks.

use crate::token::engine::{self, Engine};
use crate::token::words::FastMap;
use crate::{Result, bail};
use tokenizers::models::ModelWrapper;

/// A table with open addressing: a look-up is mostly one line of cache.
pub struct Merges {
    slots: Vec<MergeSlot>,
    shift: u32,
    /// What the merge of each rank makes.
    wholes: Vec<u32>,
}

#[derive(Clone, Copy)]
struct MergeSlot {
    left: u32,
    right: u32,
    rank: u32,
}

/// No id is this high.
const FREE: u32 = u32::MAX;

pub fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

impl Merges {
    pub fn of(engine: &Engine, who: &str) -> Result<Merges> {
        if let ModelWrapper::BPE(bpe) = engine.get_model() {
            let marks = [
                ("continuing_subword_prefix", &bpe.continuing_subword_prefix),
                ("end_of_word_suffix", &bpe.end_of_word_suffix),
            ];
            for (name, mark) in marks {
                if let Some(mark) = mark {
                    bail!(who, "this BPE marks its tokens ({name} {mark:?}), which is not supported here");
                }
            }
        }
        Ok(Merges::new(engine.merges()))
    }

    fn new(merges: &[engine::MergeIds]) -> Merges {
        let bits = (2 * merges.len()).next_power_of_two().trailing_zeros().max(4);
        let free = MergeSlot { left: FREE, right: FREE, rank: 0 };
        let wholes = merges.iter().map(|merge| merge.whole).collect();
        let mut table = Merges { slots: vec![free; 1 << bits], shift: 64 - bits, wholes };
        for (rank, merge) in (0..).zip(merges) {
            let at = table.place(merge.left, merge.right);
            // of a pair that is there twice the engine takes the last
            table.slots[at] = MergeSlot { left: merge.left, right: merge.right, rank };
        }
        table
    }

    /// The slot of a pair, or the free one where it would be.
    fn place(&self, left: u32, right: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = (pair(left, right).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize;
        while (self.slots[at].left, self.slots[at].right) != (left, right) && self.slots[at].left != FREE {
            at = (at + 1) & mask;
        }
        at
    }

    /// The rank of the merge of two, if there is one.
    pub fn rank(&self, left: u32, right: u32) -> Option<u32> {
        let slot = self.slots[self.place(left, right)];
        (slot.left != FREE).then_some(slot.rank)
    }

    /// What the merge of a rank makes.
    pub fn whole(&self, rank: u32) -> u32 {
        self.wholes[rank as usize]
    }

    /// Every token on the way from letters to these ids, each once more than needed at worst.
    pub fn steps(&self, mut symbols: Vec<u32>, mut step: impl FnMut(u32)) {
        symbols.iter().for_each(|symbol| step(*symbol));
        loop {
            let ranks = symbols.windows(2).enumerate().filter_map(|(at, two)| Some((self.rank(two[0], two[1])?, at)));
            let Some((rank, at)) = ranks.min() else { return };
            symbols[at] = self.whole(rank);
            symbols.remove(at + 1);
            step(self.whole(rank));
        }
    }

    /// The latest rank at which each id is made.
    pub fn ranks(&self) -> FastMap<u32, u32> {
        let mut ranks = FastMap::default();
        for made in self.slots.iter().filter(|slot| slot.left != FREE).map(|slot| slot.rank) {
            let rank: &mut u32 = ranks.entry(self.whole(made)).or_default();
            *rank = made.max(*rank);
        }
        ranks
    }
}
