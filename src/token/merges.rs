//! The merges of a BPE model by the ids of their halves, to follow how a piece is made.

use crate::token::words::QuickMap;
use crate::token::{Tokenizer, engine};
use crate::{Result, bail};

#[derive(Clone, Copy)]
pub struct Made {
    pub rank: u32,
    pub whole: u32,
}

/// What each pair becomes, and how early.
pub struct Merges(QuickMap<u64, Made>);

fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

impl Merges {
    pub fn of(tokenizer: &Tokenizer, who: &str) -> Result<Merges> {
        let spec = engine::describe(tokenizer.engine())?;
        let model = &spec["model"];
        for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if model[name].as_str().is_some_and(|mark| !mark.is_empty()) {
                bail!(who, "this BPE marks its pieces ({name} {}), which is not supported here", model[name]);
            }
        }
        let mut merges = QuickMap::default();
        for (rank, merge) in model["merges"].as_array().into_iter().flatten().enumerate() {
            let (Some(left), Some(right)) = (merge[0].as_str(), merge[1].as_str()) else { continue };
            let ids = [left, right].map(|half| tokenizer.id(half));
            if let ([Some(left_id), Some(right_id)], Some(whole)) = (ids, tokenizer.id(&format!("{left}{right}"))) {
                merges.entry(pair(left_id, right_id)).or_insert(Made { rank: rank as u32, whole });
            }
        }
        Ok(Merges(merges))
    }

    pub fn get(&self, left: u32, right: u32) -> Option<Made> {
        self.0.get(&pair(left, right)).copied()
    }

    /// Every piece on the way from letters to these ids, each once more than needed at worst.
    pub fn steps(&self, mut symbols: Vec<u32>, mut step: impl FnMut(u32)) {
        symbols.iter().for_each(|symbol| step(*symbol));
        loop {
            let made = symbols.windows(2).enumerate().filter_map(|(at, two)| Some((self.get(two[0], two[1])?, at)));
            let Some((made, at)) = made.min_by_key(|(made, at)| (made.rank, *at)) else { return };
            symbols[at] = made.whole;
            symbols.remove(at + 1);
            step(made.whole);
        }
    }

    /// The latest rank at which each id is made.
    pub fn ranks(&self) -> QuickMap<u32, u32> {
        let mut ranks = QuickMap::default();
        for made in self.0.values() {
            let rank: &mut u32 = ranks.entry(made.whole).or_default();
            *rank = made.rank.max(*rank);
        }
        ranks
    }
}
