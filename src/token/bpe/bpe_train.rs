//! Continued BPE: pair merging that starts from the segmentation of an existing vocabulary and appends to it (Purason et al.
//! 2025, arXiv 2512.03989). The same loop with an empty vocabulary is plain BPE training (Sennrich et al. 2016, arXiv
//! 1508.07909).
//!
//! Every step merges the most frequent pair, ties by the smaller ids, so the result is deterministic.
//!
//! A pair never gets more frequent, except pairs created by a step. So only the most frequent pairs are indexed with the words
//! that contain them (`pair_index`); when these are used up, the words are scanned again for the next.

use crate::token::bpe::merges::pair;
use crate::token::bpe::pair_index::{self, Corpus, Pair, Stat};
use crate::token::words::FastMap;
use crate::{Result, cancel};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// Limits on merging.
pub struct MergeLimits {
    /// Maximum number of new tokens.
    pub count: usize,
    /// Minimum occurrences of a pair.
    pub min_frequency: u64,
    /// Maximum token length in characters.
    pub max_token_length: usize,
}

/// A growing vocabulary. New ids follow the old ones.
pub struct Vocabulary {
    pub tokens: Vec<String>,
    ids: HashMap<String, u32>,
    /// Tokens that no merge may produce: special ones.
    pub barred: HashSet<String>,
    /// `##` in WordPiece: removed when a token is joined to the previous one.
    prefix: &'static str,
    characters: fn(&str) -> usize,
    outside: Vec<Outside>,
}

/// A character missing in the vocabulary (encoded as bytes or unknown): it must become a token before it can merge.
struct Outside {
    token: String,
    count: u64,
    /// Tokens saved per occurrence once the character is a token.
    saves: u64,
    id: Option<u32>,
    /// Pairs that were frequent enough while they waited for it.
    waiting: Vec<Pair>,
}

/// Marks the symbol of a character outside the vocabulary; the other bits are its index in `outside`.
const OUTSIDE: u32 = 1 << 31;

impl Vocabulary {
    pub fn new(tokens: Vec<String>, prefix: &'static str, characters: fn(&str) -> usize) -> Vocabulary {
        let ids = tokens.iter().enumerate().map(|(id, token)| (token.clone(), id as u32)).collect();
        Vocabulary { tokens, ids, barred: HashSet::new(), prefix, characters, outside: Vec::new() }
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// The symbol of a character that is not a token.
    pub fn outsider(&mut self, token: &str, count: u64, saves: u64) -> u32 {
        let place = self.outside.len() as u32;
        self.outside.push(Outside { token: token.to_string(), count, saves, id: None, waiting: Vec::new() });
        OUTSIDE | place
    }

    fn text(&self, symbol: u32) -> &str {
        if symbol & OUTSIDE == 0 {
            &self.tokens[symbol as usize]
        } else {
            &self.outside[(symbol ^ OUTSIDE) as usize].token
        }
    }

    fn join(&self, left: u32, right: u32) -> String {
        let right = self.text(right);
        format!("{}{}", self.text(left), right.strip_prefix(self.prefix).unwrap_or(right))
    }

    fn add(&mut self, token: String) -> u32 {
        let id = self.tokens.len() as u32;
        self.ids.insert(token.clone(), id);
        self.tokens.push(token);
        id
    }

    /// The outsider that a pair must wait for.
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

/// One step: a pair of tokens merged into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainedMerge {
    pub left: u32,
    pub right: u32,
    pub whole: u32,
    /// Occurrences of the pair at this step.
    pub count: u64,
}

type Heap = BinaryHeap<(i64, Reverse<Pair>)>;

fn halves(pair: Pair) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

/// In the heap, the right half for a character outside the vocabulary that is a candidate token.
const ALONE: u32 = u32::MAX;

/// Merges until no pair is frequent enough or `count` new tokens exist. No merge produces an existing token, so every token has
/// one merge, and every new token is reached when its own text is encoded.
pub fn run(corpus: Corpus, vocabulary: &mut Vocabulary, limits: &MergeLimits) -> Result<Vec<TrainedMerge>> {
    let mut merges = Vec::new();
    let mut merging = Merging::new(corpus, vocabulary, limits);
    let first = vocabulary.tokens.len();
    while vocabulary.tokens.len() - first < limits.count {
        if vocabulary.tokens.len().is_multiple_of(64) {
            cancel::check()?;
        }
        let wanted = limits.count - (vocabulary.tokens.len() - first);
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
        if refused || (vocabulary.characters)(&whole) > limits.max_token_length {
            merging.stats.remove(&top);
            continue;
        }
        let id = vocabulary.add(whole);
        merges.push(TrainedMerge {
            left: vocabulary.settled(left),
            right: vocabulary.settled(right),
            whole: id,
            count: count as u64,
        });
        merging.merge(top, id);
    }
    Ok(merges)
}

/// The words during merging, and the next pairs.
struct Merging {
    corpus: Corpus,
    least: i64,
    /// Pairs that occur at least this often are in `stats`, unless refused.
    floor: i64,
    stats: FastMap<Pair, Stat>,
    heap: Heap,
    /// Pairs with the token being made.
    fresh: FastMap<Pair, Stat>,
}

impl Merging {
    fn new(corpus: Corpus, vocabulary: &Vocabulary, limits: &MergeLimits) -> Merging {
        let mut heap = Heap::new();
        for (place, outside) in
            vocabulary.outside.iter().enumerate().filter(|(_, outside)| outside.count >= limits.min_frequency)
        {
            heap.push(((outside.count * outside.saves) as i64, Reverse(pair(OUTSIDE | place as u32, ALONE))));
        }
        let least = limits.min_frequency.max(1) as i64;
        let (stats, fresh) = (FastMap::default(), FastMap::default());
        Merging { corpus, least, floor: i64::MAX, stats, heap, fresh }
    }

    /// The most frequent pair (or candidate character) with its count, removed from the heap.
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
                // the pair has become rarer since
                Some(now) if now < count => self.heap.push((now, Reverse(top))),
                _ => {}
            }
        }
    }

    /// Indexes the next pairs: as many as tokens are still wanted, or slightly more.
    fn lower(&mut self, wanted: usize) -> Result<()> {
        const AT_LEAST: usize = 1 << 14;
        let found = pair_index::frequent(&self.corpus, self.least..self.floor, wanted.max(AT_LEAST))?;
        self.floor = found.floor;
        for (pair, stat) in found.stats {
            self.heap.push((stat.count, Reverse(pair)));
            self.stats.insert(pair, stat);
        }
        Ok(())
    }

    /// Makes a character a token, and restores the pairs that waited for it.
    fn wake(&mut self, vocabulary: &mut Vocabulary, symbol: u32) {
        let outside = &mut vocabulary.outside[(symbol ^ OUTSIDE) as usize];
        let (token, waiting) = (outside.token.clone(), std::mem::take(&mut outside.waiting));
        let id = vocabulary.add(token);
        vocabulary.outside[(symbol ^ OUTSIDE) as usize].id = Some(id);
        self.heap.extend(waiting.into_iter().filter_map(|pair| Some((self.stats.get(&pair)?.count, Reverse(pair)))));
    }

    /// Replaces every occurrence of a pair by `whole`, and updates the counts of its neighbors.
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

/// Decreases a pair's count.
fn less(stats: &mut FastMap<Pair, Stat>, fresh: &mut FastMap<Pair, Stat>, pair: Pair, count: i64, floor: i64) {
    if let Some(stat) = stats.get_mut(&pair) {
        stat.count -= count;
        if stat.count < floor {
            stats.remove(&pair);
        }
    } else if let Some(stat) = fresh.get_mut(&pair) {
        stat.count -= count;
    }
}
