//! BPE by backtracking over the longest tokens: same result as merging by rank, mostly without merging.
//!
//! Two tokens can be adjacent in a word if merging their text produces these two; a sequence whose neighbors all can be adjacent
//! is the result of merging the whole word, since no other merge can have come first. So a word is read from its start, taking
//! the longest token that fits at each position; where none fits, the previous token is shortened. The time depends on the output
//! tokens more than on the input bytes, so longer tokens cost little. (The method of the crate `bpe`: H. van Antwerpen and A.
//! Neubeck, "So many tokens, so little time", GitHub 2024; there for ranks that equal ids, here for merges in any order.)

use crate::token::bpe::merges::Merges;
use crate::token::engine::MergeIds;
use yada::DoubleArray;
use yada::builder::DoubleArrayBuilder;

const NONE: u32 = u32::MAX;

/// The trie's mark for the end of a token.
const END: u8 = 0;

/// A vocabulary in which each token is a letter or the result of one merge of older tokens.
pub struct BacktrackingBpe {
    tree: DoubleArray<Vec<u8>>,
    births: Births,
    /// By id.
    shapes: Vec<TokenShape>,
}

#[derive(Clone, Copy)]
struct TokenShape {
    /// The longest other token that is its prefix.
    shorter: u32,
    /// In bytes; 0 for a token that no word ever contains.
    bytes: u32,
}

/// Scratch memory, reused between words.
#[derive(Default)]
pub struct Notes {
    /// Positions of the word from which no tokens lead to its end, as bits.
    dead: Vec<u64>,
}

impl BacktrackingBpe {
    /// `None` for merges in which a token has two origins, or is older than one of its halves.
    pub fn of(letters: &[u32; 256], merges: &[MergeIds], table: &Merges) -> Option<BacktrackingBpe> {
        let (births, spelled) = Births::of(letters, merges, table)?;
        let tokens = (0..).zip(&spelled).filter(|(_, bytes)| !bytes.is_empty() && !bytes.contains(&END));
        let mut tokens: Vec<(&[u8], u32)> = tokens.map(|(id, bytes)| (bytes.as_slice(), id)).collect();
        tokens.sort_unstable();
        let tree = DoubleArray::new(DoubleArrayBuilder::build(&tokens).ok()?).ok()?;
        Some(BacktrackingBpe { tree, births, shapes: shapes(&tokens, spelled.len()) })
    }

    /// Appends the ids of a word. Appends nothing and returns false if it has a 0 byte or a byte without a letter.
    #[inline]
    pub fn write(&self, word: &[u8], merges: &Merges, notes: &mut Notes, ids: &mut Vec<u32>) -> bool {
        if word.contains(&END) {
            return false;
        }
        let begin = ids.len();
        notes.begin(word.len());
        let (mut at, mut next) = (0, self.first(word));
        while at < word.len() {
            let last = if ids.len() > begin { ids[ids.len() - 1] } else { NONE };
            let mut token = next;
            while token != NONE
                && (notes.is_dead(at + self.length(token))
                    || (last != NONE && !self.births.side_by_side(merges, last, token, NONE)))
            {
                token = self.shapes[token as usize].shorter;
            }
            if token != NONE {
                ids.push(token);
                at += self.length(token);
                next = self.first(&word[at..]);
            } else if last != NONE {
                notes.kill(at);
                ids.pop();
                at -= self.length(last);
                next = last;
            } else {
                return false;
            }
        }
        true
    }

    /// The longest token that is a prefix of the bytes.
    fn first(&self, bytes: &[u8]) -> u32 {
        self.tree.common_prefix_search(bytes).last().map_or(NONE, |(id, _)| id)
    }

    fn length(&self, token: u32) -> usize {
        self.shapes[token as usize].bytes as usize
    }
}

/// Lengths, and for each token the next shorter one on its path in the trie; tokens are in byte order.
fn shapes(tokens: &[(&[u8], u32)], count: usize) -> Vec<TokenShape> {
    let mut shapes = vec![TokenShape { shorter: NONE, bytes: 0 }; count];
    let mut way: Vec<(&[u8], u32)> = Vec::new();
    for (bytes, id) in tokens {
        while way.last().is_some_and(|(before, _)| !bytes.starts_with(before)) {
            way.pop();
        }
        let shorter = way.last().map_or(NONE, |(_, id)| *id);
        shapes[*id as usize] = TokenShape { shorter, bytes: bytes.len() as u32 };
        way.push((bytes, *id));
    }
    shapes
}

/// The origin of each token, by id.
struct Births(Vec<Birth>);

#[derive(Clone, Copy)]
struct Birth {
    left: u32,
    right: u32,
    /// Its merge's rank plus one; 0 for letters, `NEVER` for tokens that are never made. Two flag bits above that.
    time: u32,
}

/// The sides of a merge on which a token can be: most can be on neither, and are not looked up.
const LEADS: u32 = 1 << 31;
const FOLLOWS: u32 = 1 << 30;
const NEVER: u32 = FOLLOWS - 1;

impl Birth {
    fn time(self) -> u32 {
        self.time & NEVER
    }
}

impl Births {
    /// Also returns the bytes of each token that occurs in some word.
    fn of(letters: &[u32; 256], merges: &[MergeIds], table: &Merges) -> Option<(Births, Vec<Vec<u8>>)> {
        let known = merges.iter().flat_map(|merge| [merge.left, merge.right, merge.whole]);
        let count = known.chain(letters.iter().copied().filter(|id| *id != NONE)).max()? as usize + 1;
        let unborn = Birth { left: NONE, right: NONE, time: NEVER };
        let (mut births, mut spelled) = (Births(vec![unborn; count]), vec![Vec::new(); count]);
        for (byte, id) in (0..=u8::MAX).zip(letters).filter(|(_, id)| **id != NONE) {
            births.0[*id as usize].time &= !NEVER;
            spelled[*id as usize] = vec![byte];
        }
        for merge in merges {
            births.0[merge.left as usize].time |= LEADS;
            births.0[merge.right as usize].time |= FOLLOWS;
        }
        let mut never = Vec::new();
        for (time, merge) in (1..).zip(merges) {
            let MergeIds { left, right, whole } = *merge;
            if !births.has(left) || !births.has(right) {
                never.push(*merge);
                continue;
            }
            if births.has(whole) {
                return None;
            }
            let birth = &mut births.0[whole as usize];
            *birth = Birth { left, right, time: birth.time & !NEVER | time };
            // a token whose own letters merge differently occurs in no word, and neither do tokens made of it
            let halves = [left, right].map(|half| &spelled[half as usize]);
            if halves.iter().all(|half| !half.is_empty()) && births.side_by_side(table, left, right, time) {
                spelled[whole as usize] = halves.map(Vec::as_slice).concat();
            }
        }
        // the operand of a merge was made after it
        let late = never.iter().any(|merge| births.has(merge.left) && births.has(merge.right));
        (!late).then_some((births, spelled))
    }

    fn has(&self, id: u32) -> bool {
        self.0[id as usize].time() != NEVER
    }

    /// Whether the text of two tokens becomes these two by the merges before `time`: undoes the later merge of the two adjacent
    /// tokens, and checks each time whether the newly adjacent ones would have merged before.
    fn side_by_side(&self, merges: &Merges, mut left: u32, mut right: u32, mut time: u32) -> bool {
        loop {
            let (before, after) = (self.0[left as usize], self.0[right as usize]);
            let joins = before.time & LEADS != 0 && after.time & FOLLOWS != 0;
            if joins && merges.rank(left, right).is_some_and(|rank| rank + 1 < time) {
                return false;
            }
            if before.time() > after.time() {
                // of two merges of equal rank the left one comes first
                (left, time) = (before.right, before.time());
            } else if after.time() > 0 {
                (right, time) = (after.left, after.time() + 1);
            } else {
                return true;
            }
        }
    }
}

impl Notes {
    fn begin(&mut self, places: usize) {
        let words = places / 64 + 1;
        if self.dead.len() < words {
            self.dead.resize(words, 0);
        }
        self.dead[..words].fill(0);
    }

    fn kill(&mut self, at: usize) {
        self.dead[at / 64] |= 1 << (at % 64);
    }

    fn is_dead(&self, at: usize) -> bool {
        self.dead[at / 64] >> (at % 64) & 1 == 1
    }
}
