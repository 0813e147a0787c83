//! Continued BPE: pair merging that starts from the segmentation of an existing vocabulary and appends to it
//! (Purason et al. 2025, arXiv 2512.03989). The same loop with an empty vocabulary is plain BPE training
//! (Sennrich et al. 2016, arXiv 1508.07909).
//!
//! Every step takes the most frequent pair, ties by the smaller ids, so the result depends on nothing else.

use crate::token::words::QuickMap;
use crate::{Result, cancel};
use rayon::prelude::*;
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

/// Segmented words, all in one vector, with how often each occurs.
#[derive(Default)]
pub struct Corpus {
    symbols: Vec<u32>,
    words: Vec<Word>,
}

struct Word {
    start: usize,
    length: u32,
    count: u64,
}

impl Corpus {
    pub fn push(&mut self, ids: &[u32], count: u64) {
        if ids.len() > 1 {
            self.words.push(Word { start: self.symbols.len(), length: ids.len() as u32, count });
            self.symbols.extend_from_slice(ids);
        }
    }

    fn word(&self, at: usize) -> &[u32] {
        let word = &self.words[at];
        &self.symbols[word.start..word.start + word.length as usize]
    }
}

type Pair = u64;
type Heap = BinaryHeap<(i64, Reverse<Pair>)>;

fn pair(left: u32, right: u32) -> Pair {
    u64::from(left) << 32 | u64::from(right)
}

fn halves(pair: Pair) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

#[derive(Default)]
struct Stat {
    count: i64,
    /// Words where the pair may be, ascending; some of them have lost it since.
    words: Vec<u32>,
}

/// In the heap, the right half of a character outside the vocabulary that wants to become a piece.
const ALONE: u32 = u32::MAX;

/// Merges until nothing is frequent enough or `count` new pieces are there. No merge makes a piece that is there
/// already: so every piece has one merge, and every new piece is reached when its own text is encoded.
pub fn run(mut corpus: Corpus, vocabulary: &mut Vocabulary, limits: &Limits) -> Result<Vec<Merge>> {
    let least = limits.least.max(1) as i64;
    let mut stats = tally(&corpus, least)?;
    let mut heap: Heap = stats.iter().map(|(pair, stat)| (stat.count, Reverse(*pair))).collect();
    for (place, outside) in vocabulary.outside.iter().enumerate().filter(|(_, outside)| outside.count >= limits.least) {
        heap.push(((outside.count * outside.saves) as i64, Reverse(pair(OUTSIDE | place as u32, ALONE))));
    }
    let mut merges = Vec::new();
    let first = vocabulary.pieces.len();
    while vocabulary.pieces.len() - first < limits.count {
        if vocabulary.pieces.len().is_multiple_of(64) {
            cancel::check()?;
        }
        let Some((count, Reverse(top))) = heap.pop() else { break };
        let (left, right) = halves(top);
        if right == ALONE {
            let outside = &mut vocabulary.outside[(left ^ OUTSIDE) as usize];
            let (piece, waiting) = (outside.piece.clone(), std::mem::take(&mut outside.waiting));
            let id = vocabulary.add(piece);
            vocabulary.outside[(left ^ OUTSIDE) as usize].id = Some(id);
            heap.extend(waiting.into_iter().filter_map(|pair| Some((stats.get(&pair)?.count, Reverse(pair)))));
            continue;
        }
        let Some(now) = stats.get(&top).map(|stat| stat.count) else { continue };
        if now != count {
            // an old entry: the pair became rarer since
            if now > 0 && now < count {
                heap.push((now, Reverse(top)));
            }
            continue;
        }
        if count < least {
            break;
        }
        if let Some(outside) = vocabulary.waits_for(top) {
            outside.waiting.push(top);
            continue;
        }
        let whole = vocabulary.join(left, right);
        let refused = vocabulary.id(&whole).is_some() || vocabulary.barred.contains(&whole);
        if refused || (vocabulary.characters)(&whole) > limits.longest {
            continue;
        }
        let id = vocabulary.add(whole);
        merges.push(Merge {
            left: vocabulary.settled(left),
            right: vocabulary.settled(right),
            whole: id,
            count: count as u64,
        });
        apply(&mut corpus, &mut stats, &mut heap, top, id, least);
    }
    Ok(merges)
}

/// Counts neighbours, in parallel. A pair of pieces that are there only gets rarer, so what is too rare now is left out.
fn tally(corpus: &Corpus, least: i64) -> Result<QuickMap<Pair, Stat>> {
    const TASK: usize = 1 << 16;
    let tasks: Vec<usize> = (0..corpus.words.len()).step_by(TASK).collect();
    let mut all: QuickMap<Pair, Stat> = QuickMap::default();
    for group in tasks.chunks(rayon::current_num_threads().max(1)) {
        cancel::check()?;
        let parts: Vec<QuickMap<Pair, Stat>> = group
            .par_iter()
            .map(|from| {
                let mut part: QuickMap<Pair, Stat> = QuickMap::default();
                for at in *from..(from + TASK).min(corpus.words.len()) {
                    let count = corpus.words[at].count as i64;
                    for two in corpus.word(at).windows(2) {
                        part.entry(pair(two[0], two[1])).or_default().add(count, at as u32);
                    }
                }
                part
            })
            .collect();
        for (pair, stat) in parts.into_iter().flatten() {
            let known = all.entry(pair).or_default();
            known.count += stat.count;
            known.words.extend(stat.words);
        }
    }
    all.retain(|_, stat| stat.count >= least);
    all.shrink_to_fit();
    all.values_mut().for_each(|stat| stat.words.shrink_to_fit());
    Ok(all)
}

impl Stat {
    fn add(&mut self, count: i64, word: u32) {
        self.count += count;
        if self.words.last() != Some(&word) {
            self.words.push(word);
        }
    }
}

/// Makes `whole` of every occurrence of a pair, and keeps the counts of its neighbours right.
fn apply(corpus: &mut Corpus, stats: &mut QuickMap<Pair, Stat>, heap: &mut Heap, merged: Pair, whole: u32, least: i64) {
    let (left, right) = halves(merged);
    let Some(stat) = stats.remove(&merged) else { return };
    let mut fresh: Vec<Pair> = Vec::new();
    for at in stat.words {
        let Word { start, length, count } = corpus.words[at as usize];
        let count = count as i64;
        let symbols = &mut corpus.symbols[start..start + length as usize];
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
                less(stats, pair(before, left), count, whole, least);
                stats.entry(pair(before, whole)).or_default().add(count, at);
                fresh.push(pair(before, whole));
            }
            if read + 2 < symbols.len() {
                let after = symbols[read + 2];
                less(stats, pair(right, after), count, whole, least);
                stats.entry(pair(whole, after)).or_default().add(count, at);
                fresh.push(pair(whole, after));
            }
            symbols[write] = whole;
            read += 2;
            write += 1;
        }
        corpus.words[at as usize].length = write as u32;
    }
    fresh.sort_unstable();
    fresh.dedup();
    for pair in fresh {
        match stats.get(&pair) {
            Some(stat) if stat.count >= least => heap.push((stat.count, Reverse(pair))),
            _ => {
                stats.remove(&pair);
            }
        }
    }
}

/// A pair occurs less often. Only one of the piece that is just made may occur more often again.
fn less(stats: &mut QuickMap<Pair, Stat>, pair: Pair, count: i64, whole: u32, least: i64) {
    let Some(stat) = stats.get_mut(&pair) else { return };
    stat.count -= count;
    let (left, right) = halves(pair);
    if stat.count < least && left != whole && right != whole {
        stats.remove(&pair);
    }
}
