//! Excerpts of documents as evaluation items, each with its preceding context in the same document.

use crate::tensor::Rng;
use crate::{Result, bail, cancel};

/// How documents are cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Characters of an excerpt.
    pub chars: usize,
    /// Maximum characters of context before it.
    pub context: usize,
    /// Maximum number of excerpts in total.
    pub limit: usize,
    pub seed: u64,
}

/// A part of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Excerpt {
    pub text: String,
    /// The preceding text.
    pub context: String,
    /// The index of its document.
    pub document: usize,
}

/// Cuts each of `documents` into parts that do not overlap, and takes the documents in turn: one part of each, then another of
/// each that has more. Documents, and parts within each, are in an order given by `seed`, so that a smaller number of excerpts is
/// a prefix of a larger one.
pub fn excerpts(documents: &[String], by: Cut) -> Result<Vec<Excerpt>> {
    if by.chars == 0 {
        bail!("excerpts", "excerpts of 0 characters");
    }
    let mut order: Vec<usize> = (0..documents.len()).collect();
    Rng::new(by.seed).shuffle(&mut order);
    let mut parts: Vec<Option<Parts>> = documents.iter().map(|_| None).collect();
    let mut found = Vec::new();
    for turn in 0.. {
        let before = found.len();
        for document in &order {
            cancel::check()?;
            if found.len() == by.limit {
                return Ok(found);
            }
            // documents never reached are not cut
            let parts = parts[*document].get_or_insert_with(|| {
                let seed = Rng::new(by.seed).split(*document as u64);
                Parts::of(&documents[*document], by.chars, seed)
            });
            if let Some((start, end)) = parts.ranges.get(turn).copied() {
                let text = &documents[*document];
                found.push(Excerpt {
                    text: text[start..end].to_string(),
                    context: text[back(text, start, by.context)..start].to_string(),
                    document: *document,
                });
            }
        }
        if found.len() == before {
            break;
        }
    }
    Ok(found)
}

/// The byte `chars` characters before `end`.
fn back(text: &str, end: usize, chars: usize) -> usize {
    match chars.checked_sub(1) {
        None => end,
        Some(last) => text[..end].char_indices().rev().nth(last).map_or(0, |(at, _)| at),
    }
}

/// The parts of a document as byte ranges, in the order in which they are taken.
struct Parts {
    ranges: Vec<(usize, usize)>,
}

impl Parts {
    fn of(text: &str, chars: usize, mut rng: Rng) -> Parts {
        let mut ranges = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let end = start + length(&text[start..], chars);
            if !text[start..end].trim().is_empty() {
                ranges.push((start, end));
            }
            start = end;
        }
        rng.shuffle(&mut ranges);
        Parts { ranges }
    }
}

/// The bytes of the first part of `text`: about `chars` characters, up to the last word break in its second half. A remainder of
/// less than half a part belongs to it.
fn length(text: &str, chars: usize) -> usize {
    let mut signs = text.char_indices().map(|(at, sign)| (at, at + sign.len_utf8(), sign));
    if signs.clone().nth(chars + chars / 2).is_none() {
        return text.len();
    }
    let mut last = None;
    let mut end = 0;
    for (number, (from, to, sign)) in signs.by_ref().take(chars).enumerate() {
        end = to;
        if 2 * number >= chars {
            last = break_at(from, to, sign).or(last);
        }
    }
    // the following text may begin a word
    match text[end..].chars().next() {
        Some(next) if next.is_whitespace() => end,
        _ => last.unwrap_or(end),
    }
}

/// Word breaks at a character: before a space, which tokens have in front, and after a punctuation mark in scripts without
/// spaces.
fn break_at(from: usize, to: usize, sign: char) -> Option<usize> {
    match sign {
        sign if sign.is_whitespace() => Some(from),
        '。' | '，' | '、' | '；' | '：' | '！' | '？' | '」' | '』' | '》' | '）' | '．' => Some(to),
        _ => None,
    }
}
