//! The words of a corpus as concatenated letter numbers.

use crate::{Result, bail, cancel};
use std::ops::Range;

/// Follows each word in [`Corpus::text`]. Letter numbers start at 1.
pub const END: u32 = 0;

/// Maximum word length: longer ones are read in parts, as if they were several words.
const LONGEST: usize = 4096;

/// Number of parts of a corpus that are summed separately, and minimum letters of a part.
const PARTS: (usize, usize) = (16, 1 << 16);

/// Distinct words with their counts.
#[derive(Default)]
pub struct Corpus {
    /// The distinct letters in order: number n is `letters[n - 1]`.
    pub letters: Vec<char>,
    /// The letter numbers of all words, with an [`END`] after each.
    pub text: Vec<u32>,
    pub words: Vec<Word>,
}

/// A word's range in [`Corpus::text`], without its end, and its count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Word {
    pub start: u32,
    pub end: u32,
    pub count: u64,
}

impl Corpus {
    /// Reads words, each with its count.
    pub fn new<W: AsRef<str>>(who: &str, words: impl Iterator<Item = (W, u64)>) -> Result<Corpus> {
        let mut corpus = Corpus::default();
        let mut used = vec![false; char::MAX as usize + 1];
        for (at, (word, count)) in words.enumerate() {
            if at % 4096 == 0 {
                cancel::check()?;
            }
            corpus.push(word.as_ref(), count, &mut used);
            if corpus.text.len() >= u32::MAX as usize {
                bail!(who, "the texts have more than 4 billion letters of different words: train on some of them");
            }
        }
        corpus.number(&used);
        Ok(corpus)
    }

    /// Adds a word by its code points.
    fn push(&mut self, word: &str, count: u64, used: &mut [bool]) {
        let mut start = self.text.len();
        for (at, letter) in word.chars().enumerate() {
            if at > 0 && at % LONGEST == 0 {
                start = self.end(start, count);
            }
            used[letter as usize] = true;
            self.text.push(letter as u32);
        }
        if self.text.len() > start {
            self.end(start, count);
        }
    }

    /// Ends the word that began at `start`; returns the start of the next.
    fn end(&mut self, start: usize, count: u64) -> usize {
        self.words.push(Word { start: start as u32, end: self.text.len() as u32, count });
        self.text.push(END);
        self.text.len()
    }

    /// Numbers the letters in use, in code point order.
    fn number(&mut self, used: &[bool]) {
        let mut numbers = vec![END; used.len()];
        for letter in ('\0'..=char::MAX).filter(|letter| used[*letter as usize]) {
            self.letters.push(letter);
            numbers[letter as usize] = self.letters.len() as u32;
        }
        for word in &self.words {
            self.text[word.start as usize..word.end as usize]
                .iter_mut()
                .for_each(|letter| *letter = numbers[*letter as usize]);
        }
    }

    /// Ranges of words with about equal numbers of letters: the same on any number of threads.
    pub fn parts(&self) -> Vec<Range<usize>> {
        let parts = (self.text.len() / PARTS.1).clamp(1, PARTS.0);
        let border = |part: usize| {
            let place = (self.text.len() as u64 * part as u64 / parts as u64) as u32;
            self.words.partition_point(|word| word.start < place)
        };
        (0..parts).map(|part| border(part)..border(part + 1)).collect()
    }

    /// The count of the word at a position.
    pub fn count(&self, place: u32) -> u64 {
        self.words[self.words.partition_point(|word| word.end < place)].count
    }

    /// The text of a token, by one of its positions.
    pub fn spell(&self, start: u32, length: u32) -> String {
        let places = start as usize..(start + length) as usize;
        self.text[places].iter().map(|number| self.letters[*number as usize - 1]).collect()
    }
}
