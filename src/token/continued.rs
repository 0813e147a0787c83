//! Continued BPE: pair merging that starts from the segmentation of an existing vocabulary and appends to it
//! (Purason et al. 2025, arXiv 2512.03989). The same loop with an empty vocabulary is plain BPE training
//! (Sennrich et al. 2016, arXiv 1508.07909).
//!
//! Every step takes the most frequent pair, ties by the smaller ids, so the result depends on nothing else.
//!
//! A pair never gets more frequent, but for those that a step makes. So only the most frequent pairs are kept with the
//! words that they are in (`places`); when all of these are used up the words are walked again for the next.

use crate::token::merges::pair;
use crate::token::places::{self, Corpus, Pair, Stat};
use crate::token::words::QuickMap;
use crate::{Result, cancel};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// What the merging may do.
pub struct Limits {
    /// How many new pieces.
    pub count: usize,
    /// How often a pair has to occur.
    pub least: u64,
    /// How many characters a piece may have.
    pub longest: usize,
}

/// The pieces while they grow. Ids of new pieces follow the old ones.
pub struct Vocabulary {
    pub pieces: Vec<String>,
    ids: HashMap<String, u32>,
    /// Pieces that no merge may make: special ones.
    pub barred: HashSet<String>,
    /// `##` in WordPiece: cut off when a piece is joined to the one before it.
    prefix: &'static str,
    characters: fn(&str) -> usize,
    outside: Vec<Outside>,
}

/// A character that the vocabulary does not have (it falls to bytes, or is unknown): it has to become a piece
/// before it can merge.
struct Outside {
    piece: String,
    count: u64,
    /// How many pieces one occurrence costs less once the character is one.
    saves: u64,
    id: Option<u32>,
    /// Pairs that were frequent enough while they had to wait for it.
    waiting: Vec<Pair>,
}

/// Marks the symbol of a character outside the vocabulary; the rest is its place in `outside`.
const OUTSIDE: u32 = 1 << 31;

impl Vocabulary {
    pub fn new(pieces: Vec<String>, prefix: &'static str, characters: fn(&str) -> usize) -> Vocabulary {
        let ids = pieces.iter().enumerate().map(|(id, piece)| (piece.clone(), id as u32)).collect();
        Vocabulary { pieces, ids, barred: HashSet::new(), prefix, characters, outside: Vec::new() }
    }

    pub fn id(&self, piece: &str) -> Option<u32> {
        self.ids.get(piece).copied()
    }

    /// The symbol of a character that is not a piece.
    pub fn outsider(&mut self, piece: &str, count: u64, saves: u64) -> u32 {
        let place = self.outside.len() as u32;
        self.outside.push(Outside { piece: piece.to_string(), count, saves, id: None, waiting: Vec::new() });
        OUTSIDE | place
    }

    fn text(&self, symbol: u32) -> &str {
        if symbol & OUTSIDE == 0 {
            &self.pieces[symbol as usize]
        } else {
            &self.outside[(symbol ^ OUTSIDE) as usize].piece
        }
    }

    fn join(&self, left: u32, right: u32) -> String {
        let right = self.text(right);
        format!("{}{}", self.text(left), right.strip_prefix(self.prefix).unwrap_or(right))
    }

    fn add(&mut self, piece: String) -> u32 {
        let id = self.pieces.len() as u32;
        self.ids.insert(piece.clone(), id);
        self.pieces.push(piece);
        id
    }

    /// The outsider that a pair has to wait for.
    fn waits_for(&mut self, pair: Pair) -> Option<&mut Outside> {
        let (left, right) = halves(pair);
        let sleeping = |symbol: u32| symbol & OUTSIDE != 0 && self.outside[(symbol ^ OUTSIDE) as usize].id.is_none();
        let symbol = [left, right].into_iter().find(|symbol| sleeping(*symbol))?;
        self.outside.get_mut((symbol ^ OUTSIDE) as usize)
    }

    fn settled(&self, symbol: u32) -> u32 {
        if symbol & OUTSIDE == 0 { symbol } else { self.outside[(symbol ^ OUTSIDE) as usize].id.unwrap_or(symbol) }
    }
}

/// One step: two pieces that become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    pub left: u32,
    pub right: u32,
    pub whole: u32,
    /// How often the pair occurred at this step.
    pub count: u64,
}

type Heap = BinaryHeap<(i64, Reverse<Pair>)>;

fn halves(pair: Pair) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

/// In the heap, the right half of a character outside the vocabulary that wants to become a piece.
const ALONE: u32 = u32::MAX;

/// Merges until nothing is frequent enough or `count` new pieces are there. No merge makes a piece that is there
/// already: so every piece has one merge, and every new piece is reached when its own text is encoded.
pub fn run(corpus: Corpus, vocabulary: &mut Vocabulary, limits: &Limits) -> Result<Vec<Merge>> {
    let mut merges = Vec::new();
    let mut merging = Merging::new(corpus, vocabulary, limits);
    let first = vocabulary.pieces.len();
    while vocabulary.pieces.len() - first < limits.count {
        if vocabulary.pieces.len().is_multiple_of(64) {
            cancel::check()?;
        }
        let wanted = limits.count - (vocabulary.pieces.len() - first);
        let Some((count, top)) = merging.next(wanted)? else { break };
        let (left, right) = halves(top);
        if right == ALONE {
            merging.wake(vocabulary, left);
            continue;
        }
        if let Some(outside) = vocabulary.waits_for(top) {
            outside.waiting.push(top);
            continue;
        }
        let whole = vocabulary.join(left, right);
        let refused = vocabulary.id(&whole).is_some() || vocabulary.barred.contains(&whole);
        if refused || (vocabulary.characters)(&whole) > limits.longest {
            merging.stats.remove(&top);
            continue;
        }
        let id = vocabulary.add(whole);
        merges.push(Merge {
            left: vocabulary.settled(left),
            right: vocabulary.settled(right),
            whole: id,
            count: count as u64,
        });
        merging.merge(top, id);
    }
    Ok(merges)
}

/// The words while they are merged, and the pairs that are next.
struct Merging {
    corpus: Corpus,
    least: i64,
    /// Pairs that occur as often as this are in `stats`, unless they were refused.
    floor: i64,
    stats: QuickMap<Pair, Stat>,
    heap: Heap,
    /// Pairs with the piece that is being made.
    fresh: QuickMap<Pair, Stat>,
}

impl Merging {
    fn new(corpus: Corpus, vocabulary: &Vocabulary, limits: &Limits) -> Merging {
        let mut heap = Heap::new();
        for (place, outside) in
            vocabulary.outside.iter().enumerate().filter(|(_, outside)| outside.count >= limits.least)
        {
            heap.push(((outside.count * outside.saves) as i64, Reverse(pair(OUTSIDE | place as u32, ALONE))));
        }
        let least = limits.least.max(1) as i64;
        let (stats, fresh) = (QuickMap::default(), QuickMap::default());
        Merging { corpus, least, floor: i64::MAX, stats, heap, fresh }
    }

    /// The most frequent pair (or character that wants to become a piece) with its count, no longer in the heap.
    fn next(&mut self, wanted: usize) -> Result<Option<(i64, Pair)>> {
        loop {
            let frequent = self.heap.peek().is_some_and(|(count, _)| *count >= self.floor);
            if !frequent && self.floor > self.least {
                self.lower(wanted)?;
                continue;
            }
            let Some((count, Reverse(top))) = self.heap.pop() else { return Ok(None) };
            if halves(top).1 == ALONE {
                return Ok(Some((count, top)));
            }
            match self.stats.get(&top).map(|stat| stat.count) {
                Some(now) if now == count => return Ok(Some((count, top))),
                // the pair became rarer since
                Some(now) if now < count => self.heap.push((now, Reverse(top))),
                _ => {}
            }
        }
    }

    /// Brings the next pairs in: as many as there are pieces wanted, or some more.
    fn lower(&mut self, wanted: usize) -> Result<()> {
        const AT_LEAST: usize = 1 << 14;
        let found = places::frequent(&self.corpus, self.least..self.floor, wanted.max(AT_LEAST))?;
        self.floor = found.floor;
        for (pair, stat) in found.stats {
            self.heap.push((stat.count, Reverse(pair)));
            self.stats.insert(pair, stat);
        }
        Ok(())
    }

    /// A character becomes a piece: pairs that had to wait for it are back.
    fn wake(&mut self, vocabulary: &mut Vocabulary, symbol: u32) {
        let outside = &mut vocabulary.outside[(symbol ^ OUTSIDE) as usize];
        let (piece, waiting) = (outside.piece.clone(), std::mem::take(&mut outside.waiting));
        let id = vocabulary.add(piece);
        vocabulary.outside[(symbol ^ OUTSIDE) as usize].id = Some(id);
        self.heap.extend(waiting.into_iter().filter_map(|pair| Some((self.stats.get(&pair)?.count, Reverse(pair)))));
    }

    /// Makes `whole` of every occurrence of a pair, and keeps the counts of its neighbours right.
    fn merge(&mut self, merged: Pair, whole: u32) {
        let (left, right) = halves(merged);
        let Some(stat) = self.stats.remove(&merged) else { return };
        for at in stat.places.iter() {
            let count = self.corpus.count(at);
            let symbols = self.corpus.word_mut(at);
            let (mut read, mut write) = (0, 0);
            while read < symbols.len() {
                let here = symbols[read] == left && read + 1 < symbols.len() && symbols[read + 1] == right;
                if !here {
                    symbols[write] = symbols[read];
                    read += 1;
                    write += 1;
                    continue;
                }
                if write > 0 {
                    let before = symbols[write - 1];
                    less(&mut self.stats, &mut self.fresh, pair(before, left), count, self.floor);
                    self.fresh.entry(pair(before, whole)).or_default().add(count, at);
                }
                if read + 2 < symbols.len() {
                    let after = symbols[read + 2];
                    less(&mut self.stats, &mut self.fresh, pair(right, after), count, self.floor);
                    self.fresh.entry(pair(whole, after)).or_default().add(count, at);
                }
                symbols[write] = whole;
                read += 2;
                write += 1;
            }
            self.corpus.shorten(at, write);
        }
        for (pair, stat) in self.fresh.drain().filter(|(_, stat)| stat.count >= self.floor) {
            self.heap.push((stat.count, Reverse(pair)));
            self.stats.insert(pair, stat);
        }
    }
}

/// A pair occurs less often.
fn less(stats: &mut QuickMap<Pair, Stat>, fresh: &mut QuickMap<Pair, Stat>, pair: Pair, count: i64, floor: i64) {
    if let Some(stat) = stats.get_mut(&pair) {
        stat.count -= count;
        if stat.count < floor {
            stats.remove(&pair);
        }
    } else if let Some(stat) = fresh.get_mut(&pair) {
        stat.count -= count;
    }
}
