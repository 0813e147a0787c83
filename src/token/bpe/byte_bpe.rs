//! Byte-level BPE on ids: the engine's ids for a word, without strings.

use crate::token::bpe::backtracking_bpe::{BacktrackingBpe, Notes};
use crate::token::bpe::merges::Merges;
use crate::token::engine::{self, Engine, MergeIds};
use crate::token::words::FastMap;
use crate::token::{TokenizerKind, alphabet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, OnceLock};
use tokenizers::models::ModelWrapper;

/// The model of a byte-level tokenizer.
pub struct ByteBpe {
    /// The token of each byte, or `NONE`: some vocabularies lack bytes.
    letters: [u32; 256],
    merges: Arc<Merges>,
    by_rank: Arc<[MergeIds]>,
    /// The index, once built; `None` if the merges do not allow one.
    longest: OnceLock<Option<BacktrackingBpe>>,
    /// Words looked up before merging (`ignore_merges`): all tokens by their bytes.
    whole: Option<FastMap<Box<[u8]>, u32>>,
}

/// Scratch memory, reused between words.
#[derive(Default)]
pub struct BpeScratch {
    symbols: Vec<BpeSymbol>,
    /// Ranks and positions of possible merges, some of them outdated.
    queue: BinaryHeap<Reverse<u64>>,
    notes: Notes,
}

struct BpeSymbol {
    id: u32,
    before: u32,
    after: u32,
    /// The rank of the merge with the next symbol.
    rank: u32,
}

const NONE: u32 = u32::MAX;

impl ByteBpe {
    /// `None` if the engine's words are not bytes merged purely by rank.
    pub fn of(engine: &Engine, merges: Arc<Merges>) -> Option<ByteBpe> {
        let ModelWrapper::BPE(bpe) = engine.get_model() else { return None };
        if TokenizerKind::of(engine) != TokenizerKind::ByteLevel || bpe.dropout.is_some_and(|rate| rate > 0.0) {
            return None;
        }
        let mut letters = [NONE; 256];
        for (id, letter) in letters.iter_mut().zip(alphabet::letters()) {
            *id = engine.token_to_id(letter.encode_utf8(&mut [0; 4])).unwrap_or(NONE);
        }
        let by_bytes = |(id, token): (u32, &String)| Some((alphabet::bytes(token)?.into(), id));
        let whole = bpe.ignore_merges.then(|| (0..).zip(&engine::tokens(engine)).filter_map(by_bytes).collect());
        let by_rank = engine.merges().clone();
        Some(ByteBpe { letters, merges, by_rank, longest: OnceLock::new(), whole })
    }

    /// Builds the backtracking index, which pays off over much text.
    pub fn build_index(&self) {
        self.longest.get_or_init(|| BacktrackingBpe::of(&self.letters, &self.by_rank, &self.merges));
    }

    /// Whether it can encode every word.
    pub fn has_all_bytes(&self) -> bool {
        !self.letters.contains(&NONE)
    }

    /// Appends the ids of a word. Appends nothing and returns false if one of its bytes is not a token, which the engine handles.
    pub fn write(&self, word: &[u8], scratch: &mut BpeScratch, ids: &mut Vec<u32>) -> bool {
        if let Some(id) = self.whole.as_ref().and_then(|whole| whole.get(word)) {
            ids.push(*id);
            return true;
        }
        if word.iter().any(|byte| self.letters[usize::from(*byte)] == NONE) {
            return false;
        }
        match word {
            [] => return true,
            [one] => {
                ids.push(self.letters[usize::from(*one)]);
                return true;
            }
            _ => {}
        }
        if let Some(Some(longest)) = self.longest.get()
            && longest.write(word, &self.merges, &mut scratch.notes, ids)
        {
            return true;
        }
        self.merge_by_rank(word, scratch, ids);
        true
    }

    /// As in the engine: always the merge of lowest rank, the leftmost in a tie.
    fn merge_by_rank(&self, word: &[u8], scratch: &mut BpeScratch, ids: &mut Vec<u32>) {
        let BpeScratch { symbols, queue, .. } = scratch;
        self.begin(word, symbols, queue);
        while let Some(Reverse(first)) = queue.pop() {
            let (rank, at) = ((first >> 32) as u32, first as u32 as usize);
            // another pair may be there now; like the engine, treat it as the same if it produces the same token
            let now = symbols[at].rank;
            if now == NONE || (now != rank && self.merges.whole(now) != self.merges.whole(rank)) {
                continue;
            }
            self.merge(at, rank, symbols, queue);
        }
        let mut at = 0;
        while at != NONE {
            ids.push(symbols[at as usize].id);
            at = symbols[at as usize].after;
        }
    }

    fn begin(&self, word: &[u8], symbols: &mut Vec<BpeSymbol>, queue: &mut BinaryHeap<Reverse<u64>>) {
        symbols.clear();
        queue.clear();
        symbols.extend((0..).zip(word).map(|(at, byte)| BpeSymbol {
            id: self.letters[usize::from(*byte)],
            before: if at == 0 { NONE } else { at - 1 },
            after: if at as usize + 1 == word.len() { NONE } else { at + 1 },
            rank: NONE,
        }));
        for at in 0..word.len() - 1 {
            self.offer(at, symbols, queue);
        }
    }

    /// Looks up the pair that begins at a position.
    fn offer(&self, at: usize, symbols: &mut [BpeSymbol], queue: &mut BinaryHeap<Reverse<u64>>) {
        let BpeSymbol { id, after, .. } = symbols[at];
        let rank = if after == NONE { None } else { self.merges.rank(id, symbols[after as usize].id) };
        symbols[at].rank = rank.unwrap_or(NONE);
        if let Some(rank) = rank {
            queue.push(Reverse(u64::from(rank) << 32 | at as u64));
        }
    }

    fn merge(&self, at: usize, rank: u32, symbols: &mut [BpeSymbol], queue: &mut BinaryHeap<Reverse<u64>>) {
        let gone = symbols[at].after as usize;
        let after = symbols[gone].after;
        symbols[gone].rank = NONE;
        symbols[at].id = self.merges.whole(rank);
        symbols[at].after = after;
        if after != NONE {
            symbols[after as usize].before = at as u32;
        }
        let before = symbols[at].before;
        if before != NONE {
            self.offer(before as usize, symbols, queue);
        }
        self.offer(at, symbols, queue);
    }
}
