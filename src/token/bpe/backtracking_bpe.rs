//! BPE by backtracking over the longest tokens: the result of merging by rank, mostly without merging.
//!
//! Two tokens can stand side by side in a word if merging what they spell gives these two; and tokens of which each two
//! neighbors can are what merging gives for the whole word, as no other merge can have come first. So a word is read
//! from its start, the longest token that fits at each place, and where none fits the token before is taken shorter.
//! The time depends on the tokens that come out more than on the bytes that go in, so longer tokens cost little.
//! (The method of the crate `bpe`: H. van Antwerpen and A. Neubeck, "So many tokens, so little time", GitHub 2024;
//! there for ranks that are ids, here for merges of any order.)

use crate::token::bpe::merges::Merges;
use crate::token::engine::MergeIds;
use yada::DoubleArray;
use yada::builder::DoubleArrayBuilder;

const NONE: u32 = u32::MAX;

/// The tree's own mark for the end of a token.
const END: u8 = 0;

/// A vocabulary in which each token is a letter or comes of one merge, of tokens that are older.
pub struct BacktrackingBpe {
    tree: DoubleArray<Vec<u8>>,
    births: Births,
    /// By id.
    shapes: Vec<TokenShape>,
}

#[derive(Clone, Copy)]
struct TokenShape {
    /// The longest token that it begins with.
    shorter: u32,
    /// In bytes; 0 for what no word is ever written with.
    bytes: u32,
}

/// Scratch memory, reused from word to word.
#[derive(Default)]
pub struct Notes {
    /// Places of the word that no tokens lead on from, as bits.
    dead: Vec<u64>,
}

impl BacktrackingBpe {
    /// `None` for merges in which a token has two origins, or is older than a half of it.
    pub fn of(letters: &[u32; 256], merges: &[MergeIds], table: &Merges) -> Option<BacktrackingBpe> {
        let (births, spelled) = Births::of(letters, merges, table)?;
        let tokens = (0..).zip(&spelled).filter(|(_, bytes)| !bytes.is_empty() && !bytes.contains(&END));
        let mut tokens: Vec<(&[u8], u32)> = tokens.map(|(id, bytes)| (bytes.as_slice(), id)).collect();
        tokens.sort_unstable();
        let tree = DoubleArray::new(DoubleArrayBuilder::build(&tokens).ok()?).ok()?;
        Some(BacktrackingBpe { tree, births, shapes: shapes(&tokens, spelled.len()) })
    }

    /// Appends the ids of a word. Nothing, and false, where it has a byte that is no letter here, or is 0.
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

    /// The longest token that bytes begin with.
    fn first(&self, bytes: &[u8]) -> u32 {
        self.tree.common_prefix_search(bytes).last().map_or(NONE, |(id, _)| id)
    }

    fn length(&self, token: u32) -> usize {
        self.shapes[token as usize].bytes as usize
    }
}

/// Lengths, and for each token the next shorter one on its way in the tree; the tokens are in the order of their bytes.
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

/// How each token comes to be, by id.
struct Births(Vec<Birth>);

#[derive(Clone, Copy)]
struct Birth {
    left: u32,
    right: u32,
    /// Its merge's rank plus one; 0 for letters, `NEVER` for what is never made. Above that, two bits.
    time: u32,
}

/// On which side of a merge a token can stand: most stand on neither, and are not looked up.
const LEADS: u32 = 1 << 31;
const FOLLOWS: u32 = 1 << 30;
const NEVER: u32 = FOLLOWS - 1;

impl Birth {
    fn time(self) -> u32 {
        self.time & NEVER
    }
}

impl Births {
    /// With the bytes of each token that some word is written with.
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
            // a token whose own letters merge into others is in no word, nor is what is made of it
            let halves = [left, right].map(|half| &spelled[half as usize]);
            if halves.iter().all(|half| !half.is_empty()) && births.side_by_side(table, left, right, time) {
                spelled[whole as usize] = halves.map(Vec::as_slice).concat();
            }
        }
        // what a merge was waiting for came after it
        let late = never.iter().any(|merge| births.has(merge.left) && births.has(merge.right));
        (!late).then_some((births, spelled))
    }

    fn has(&self, id: u32) -> bool {
        self.0[id as usize].time() != NEVER
    }

    /// Whether what two tokens spell becomes these two by the merges before `time`: undoes the later merge of the two
    /// that touch, and looks each time whether the two that touch then would have merged before.
    fn side_by_side(&self, merges: &Merges, mut left: u32, mut right: u32, mut time: u32) -> bool {
        loop {
            let (before, after) = (self.0[left as usize], self.0[right as usize]);
            let joins = before.time & LEADS != 0 && after.time & FOLLOWS != 0;
            if joins && merges.rank(left, right).is_some_and(|rank| rank + 1 < time) {
                return false;
            }
            if before.time() > after.time() {
                // of two merges of one rank the left one comes first
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
