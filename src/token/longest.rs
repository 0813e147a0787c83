//! The ids of a word by its longest pieces: what merging by rank gives, mostly without merging.
//!
//! Two pieces can stand side by side in a word if merging what they spell gives these two; and pieces of which each two
//! neighbours can are what merging gives for the whole word, as no other merge can have come first. So a word is read
//! from its start, the longest piece that fits at each place, and where none fits the piece before is taken shorter.
//! The time depends on the pieces that come out rather than on the bytes that go in, so longer pieces cost nothing.
//! (The method of the crate `bpe`: H. van Antwerpen and A. Neubeck, "So many tokens, so little time", GitHub 2024;
//! there for ranks that are ids, here for merges of any order.)

use crate::token::engine::Merge;
use crate::token::merges::Merges;
use yada::DoubleArray;
use yada::builder::DoubleArrayBuilder;

const NONE: u32 = u32::MAX;

/// The tree's own mark for the end of a piece.
const END: u8 = 0;

/// A vocabulary in which each piece is a letter or comes of one merge, of pieces that are older.
pub struct Longest {
    trie: DoubleArray<Vec<u8>>,
    /// By id.
    births: Vec<Birth>,
    shapes: Vec<Shape>,
}

/// How a piece comes to be.
#[derive(Clone, Copy)]
struct Birth {
    left: u32,
    right: u32,
    /// Its merge's rank plus one; 0 for letters.
    time: u32,
}

#[derive(Clone, Copy)]
struct Shape {
    /// The longest piece that it begins with.
    shorter: u32,
    /// In bytes; 0 for what no word is ever written with.
    bytes: u32,
}

/// Memory for one word after the other: the places in it that no pieces lead on from.
#[derive(Default)]
pub struct Dead(Vec<u64>);

impl Longest {
    /// `None` for merges in which a piece has two origins, or is older than a half of it.
    pub fn of(letters: &[u32; 256], merges: &[Merge], table: &Merges) -> Option<Longest> {
        let most =
            merges.iter().map(|merge| merge.whole).chain(letters.iter().copied().filter(|id| *id != NONE)).max()?;
        let mut found = Longest {
            trie: DoubleArray::new(DoubleArrayBuilder::build(&[("\u{1}", 0)]).ok()?).ok()?,
            births: vec![Birth { left: NONE, right: NONE, time: NONE }; most as usize + 1],
            shapes: vec![Shape { shorter: NONE, bytes: 0 }; most as usize + 1],
        };
        let mut spelled: Vec<Vec<u8>> = vec![Vec::new(); most as usize + 1];
        for (byte, id) in (0..=u8::MAX).zip(letters).filter(|(_, id)| **id != NONE) {
            found.births[*id as usize].time = 0;
            spelled[*id as usize] = vec![byte];
        }
        let never = found.bear(merges, table, &mut spelled)?;
        // what a merge was waiting for came after it
        if never.iter().any(|merge| [merge.left, merge.right].iter().all(|half| found.is_born(*half))) {
            return None;
        }
        found.plant(&spelled)?;
        Some(found)
    }

    /// Lets each merge make its piece; gives those that have no halves to merge.
    fn bear(&mut self, merges: &[Merge], table: &Merges, spelled: &mut [Vec<u8>]) -> Option<Vec<Merge>> {
        let mut never = Vec::new();
        for (time, merge) in (1..).zip(merges) {
            let Merge { left, right, whole } = *merge;
            if !self.is_born(left) || !self.is_born(right) {
                never.push(*merge);
                continue;
            }
            if self.is_born(whole) {
                return None;
            }
            self.births[whole as usize] = Birth { left, right, time };
            // a piece whose own letters merge into others is in no word, nor is what is made of it
            let halves = [left, right].map(|half| &spelled[half as usize]);
            if halves.iter().all(|half| !half.is_empty()) && self.side_by_side(table, left, right, time) {
                spelled[whole as usize] = halves.map(Vec::as_slice).concat();
            }
        }
        Some(never)
    }

    fn is_born(&self, id: u32) -> bool {
        self.births.get(id as usize).is_some_and(|birth| birth.time != NONE)
    }

    /// The tree of the pieces, and for each the next shorter one on its way.
    fn plant(&mut self, spelled: &[Vec<u8>]) -> Option<()> {
        let spelled = (0..).zip(spelled).filter(|(_, bytes)| !bytes.is_empty() && !bytes.contains(&END));
        let mut keys: Vec<(&[u8], u32)> = spelled.map(|(id, bytes)| (bytes.as_slice(), id)).collect();
        keys.sort_unstable();
        self.trie = DoubleArray::new(DoubleArrayBuilder::build(&keys).ok()?).ok()?;
        let mut way: Vec<(&[u8], u32)> = Vec::new();
        for (bytes, id) in keys {
            while way.last().is_some_and(|(before, _)| !bytes.starts_with(before)) {
                way.pop();
            }
            let shorter = way.last().map_or(NONE, |(_, id)| *id);
            self.shapes[id as usize] = Shape { shorter, bytes: bytes.len() as u32 };
            way.push((bytes, id));
        }
        Some(())
    }

    /// Whether what two pieces spell becomes these two by the merges before `time`: undoes the later merge of the two
    /// that touch, and looks each time whether the two that touch then would have merged before.
    fn side_by_side(&self, merges: &Merges, mut left: u32, mut right: u32, mut time: u32) -> bool {
        loop {
            if merges.get(left, right).is_some_and(|made| made.rank + 1 < time) {
                return false;
            }
            let (before, after) = (self.births[left as usize], self.births[right as usize]);
            if before.time > after.time {
                // of two merges of one rank the left one comes first
                (left, time) = (before.right, before.time);
            } else if after.time > 0 {
                (right, time) = (after.left, after.time + 1);
            } else {
                return true;
            }
        }
    }

    fn first(&self, word: &[u8]) -> u32 {
        self.trie.common_prefix_search(word).last().map_or(NONE, |(id, _)| id)
    }

    /// Appends the ids of a word. Nothing, and false, where it has a byte that is no letter here, or is 0.
    pub fn write(&self, word: &[u8], merges: &Merges, dead: &mut Dead, ids: &mut Vec<u32>) -> bool {
        if word.contains(&END) {
            return false;
        }
        let begin = ids.len();
        dead.clear(word.len());
        let (mut at, mut next) = (0, self.first(word));
        while at < word.len() {
            let last = if ids.len() > begin { ids[ids.len() - 1] } else { NONE };
            let fits = |piece: u32, end: usize| {
                !dead.is(end) && (last == NONE || self.side_by_side(merges, last, piece, NONE))
            };
            let mut piece = next;
            while piece != NONE && !fits(piece, at + self.length(piece)) {
                piece = self.shapes[piece as usize].shorter;
            }
            if piece != NONE {
                ids.push(piece);
                at += self.length(piece);
                next = self.first(&word[at..]);
            } else if last != NONE {
                dead.mark(at);
                ids.pop();
                at -= self.length(last);
                next = last;
            } else {
                return false;
            }
        }
        true
    }

    fn length(&self, piece: u32) -> usize {
        self.shapes[piece as usize].bytes as usize
    }
}

impl Dead {
    fn clear(&mut self, places: usize) {
        self.0.clear();
        self.0.resize(places / 64 + 1, 0);
    }

    fn mark(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn is(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }
}
