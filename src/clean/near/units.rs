//! Units of comparison: words in scripts with spaces between words, characters in others.

use crate::token::script;
use std::sync::LazyLock;

/// Units per shingle by default, as in datatrove and text-dedup.
pub const NGRAM: usize = 5;

/// Class of a character for segmentation into units.
const GAP: u8 = 0;
const WORD: u8 = 1;
const ALONE: u8 = 2;

/// Class of each character of the first plane.
static CLASSES: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..=0xffffu32).map(|code| char::from_u32(code).map_or(GAP, class_of)).collect());

fn class_of(char: char) -> u8 {
    // combining marks belong to the word of their letter
    let is_mark = matches!(u32::from(char), 0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x64b..=0x65f | 0x900..=0x903 | 0x93a..=0x94f
        | 0x981..=0x983 | 0x9bc..=0x9d7 | 0xb82 | 0xbbe..=0xbcd | 0xc00..=0xc04 | 0xc3e..=0xc56);
    match () {
        _ if is_mark => WORD,
        _ if !char.is_alphanumeric() => GAP,
        _ if is_unspaced(char) => ALONE,
        _ => WORD,
    }
}

/// Whether its script writes words without spaces between them.
fn is_unspaced(char: char) -> bool {
    const RUNNING: [&str; 7] = ["Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"];
    RUNNING.contains(&script::NAMES[script::of(char)])
}

#[inline]
fn class(char: char) -> u8 {
    match u32::from(char) {
        code @ 0..=0xffff => CLASSES[code as usize],
        0x20000..=0x3ffff => ALONE,
        _ if char.is_alphanumeric() => WORD,
        _ => GAP,
    }
}

/// Whether a character is a unit by itself, as in scripts without spaces between words.
pub fn is_alone(char: char) -> bool {
    class(char) == ALONE
}

/// Whether a character is a word or part of one.
pub fn is_word(char: char) -> bool {
    class(char) != GAP
}

/// Folds a letter to lower case and half width for comparison.
#[inline]
fn folded(char: char) -> u32 {
    match char {
        'A'..='Z' => u32::from(char) | 0x20,
        '\0'..='\u{7f}' => u32::from(char),
        '\u{ff21}'..='\u{ff3a}' => u32::from(char) - 0xff21 + 0x61,
        '\u{ff10}'..='\u{ff19}' | '\u{ff41}'..='\u{ff5a}' => u32::from(char) - 0xfee0,
        other => other.to_lowercase().next().map_or(u32::from(other), u32::from),
    }
}

/// A hash of which every bit depends on every bit of `x` (the finalizer of MurmurHash3).
#[inline]
pub fn mixed(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// Calls `unit(hash, bytes)` for each unit of a text, in order, with its byte range.
pub fn each(text: &str, mut unit: impl FnMut(u64, std::ops::Range<usize>)) {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let (mut word, mut start) = (0u64, 0);
    let mut is_open = false;
    for (at, char) in text.char_indices() {
        let class = class(char);
        if class == WORD {
            if !is_open {
                (word, start, is_open) = (0, at, true);
            }
            word = (word.rotate_left(5) ^ u64::from(folded(char))).wrapping_mul(FACTOR);
            continue;
        }
        if is_open {
            unit(mixed(word), start..at);
            is_open = false;
        }
        if class == ALONE {
            unit(mixed(u64::from(folded(char)).wrapping_mul(FACTOR)), at..at + char.len_utf8());
        }
    }
    if is_open {
        unit(mixed(word), start..text.len());
    }
}

/// Hashes of the units of a text.
pub fn units(text: &str) -> Vec<u64> {
    let mut found = Vec::with_capacity(text.len() / 4);
    each(text, |unit, _| found.push(unit));
    found
}

/// A hash of consecutive units, dependent on their order.
#[inline]
pub fn together(units: &[u64]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    mixed(units.iter().fold(0u64, |hash, unit| hash.wrapping_mul(FACTOR).wrapping_add(*unit)))
}

/// Hashes of each `ngram` consecutive units; a shorter text is one shingle. In text order, with repetitions.
pub fn shingles(text: &str, ngram: usize) -> Vec<u32> {
    let units = units(text);
    if units.is_empty() {
        return Vec::new();
    }
    let ngram = ngram.min(units.len()).max(1);
    units.windows(ngram).map(|some| (together(some) >> 32) as u32).collect()
}

/// Jaccard similarity (Jaccard 1901) of two texts, from their sorted and deduplicated shingles.
pub fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        both += usize::from(x == y);
        (i, j) = (i + usize::from(x <= y), j + usize::from(y <= x));
    }
    let all = a.len() + b.len() - both;
    if all == 0 { 1.0 } else { both as f64 / all as f64 }
}

/// Sorts and deduplicates shingles.
pub fn set(mut shingles: Vec<u32>) -> Vec<u32> {
    shingles.sort_unstable();
    shingles.dedup();
    shingles
}

/// Whether most of a text is in a script without spaces between words.
pub fn is_running(text: &str) -> bool {
    let (mut alone, mut words, mut open) = (0usize, 0usize, false);
    for char in text.chars() {
        let class = class(char);
        alone += usize::from(class == ALONE);
        words += usize::from(class == WORD && !open);
        open = class == WORD;
    }
    alone > words
}
