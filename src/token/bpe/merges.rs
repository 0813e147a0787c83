//! The merges of a BPE model by the ids of their halves, with their ranks.

use crate::token::engine::{self, Engine};
use crate::token::words::FastMap;
use crate::{Result, bail};
use tokenizers::models::ModelWrapper;

/// A hash table with open addressing: a lookup usually touches one cache line.
pub struct Merges {
    slots: Vec<MergeSlot>,
    shift: u32,
    /// The result of the merge of each rank.
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
            // for a duplicate pair the engine uses the last
            table.slots[at] = MergeSlot { left: merge.left, right: merge.right, rank };
        }
        table
    }

    /// The slot of a pair, or the free one for it.
    fn place(&self, left: u32, right: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = (pair(left, right).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize;
        while (self.slots[at].left, self.slots[at].right) != (left, right) && self.slots[at].left != FREE {
            at = (at + 1) & mask;
        }
        at
    }

    /// The rank of the merge of two ids, if any.
    pub fn rank(&self, left: u32, right: u32) -> Option<u32> {
        let slot = self.slots[self.place(left, right)];
        (slot.left != FREE).then_some(slot.rank)
    }

    /// The result of the merge of a rank.
    pub fn whole(&self, rank: u32) -> u32 {
        self.wholes[rank as usize]
    }

    /// Visits every token between letters and these ids, each at most once more than needed.
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

    /// The latest rank at which each id is produced.
    pub fn ranks(&self) -> FastMap<u32, u32> {
        let mut ranks = FastMap::default();
        for made in self.slots.iter().filter(|slot| slot.left != FREE).map(|slot| slot.rank) {
            let rank: &mut u32 = ranks.entry(self.whole(made)).or_default();
            *rank = made.max(*rank);
        }
        ranks
    }
}
