//! A Unigram language model during training: its tokens, their scores, and their start positions in the corpus.

use super::corpus::Corpus;
use super::lattice::{Lattice, NONE, Scratch, Step};
use super::seeds::{Seed, Seeds};
use crate::{Result, cancel, tasks};
use std::collections::HashSet;
use std::ops::Range;

/// Letters between two checks for an interruption.
const LOOK: usize = 1 << 14;
/// Tokens, or positions, processed together.
const TOGETHER: usize = 1 << 14;

/// Minimum expected count of a token to be kept.
const LEAST: f64 = 0.5;

/// Adds the contribution of a word with its count to the sums of its tokens.
type Work<'a> = &'a (dyn Fn(Range<usize>, f64, &mut Scratch, &mut [f64]) + Sync);

pub struct Model<'c> {
    corpus: &'c Corpus,
    tokens: Vec<Token>,
    /// The longest token that starts at each position of the corpus, [`NONE`] at ends of words.
    longest: Vec<u32>,
}

#[derive(Clone, Copy)]
pub struct Token {
    /// A position of the token.
    pub place: u32,
    pub length: u32,
    /// Its next shorter prefix among the tokens, which comes before it.
    pub shorter: u32,
    /// The logarithm of its probability.
    pub score: f64,
}

impl<'c> Model<'c> {
    pub fn new(corpus: &'c Corpus, found: Seeds) -> Model<'c> {
        let total: f64 = found.seeds.iter().map(|seed| seed.gain as f64).sum();
        let token = |Seed { place, length, shorter, gain }: Seed| Token {
            place,
            length,
            shorter,
            score: (gain as f64 / total).ln(),
        };
        Model { corpus, tokens: found.seeds.into_iter().map(token).collect(), longest: found.longest }
    }

    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Removes tokens of several letters by their texts.
    pub fn bar(&mut self, texts: &HashSet<&str>) -> Result<()> {
        let lengths: HashSet<usize> = texts.iter().map(|text| text.chars().count()).collect();
        let barred = |token: &Token| {
            let may = token.length > 1 && lengths.contains(&(token.length as usize));
            may && texts.contains(self.corpus.spell(token.place, token.length).as_str())
        };
        let stays: Vec<bool> = self.tokens.iter().map(|token| !barred(token)).collect();
        self.keep(&stays)
    }

    /// Texts and scores, the most probable first.
    pub fn into_tokens(mut self) -> Vec<(String, f64)> {
        self.tokens.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.tokens.iter().map(|token| (self.corpus.spell(token.place, token.length), token.score)).collect()
    }

    /// One step of EM. Tokens with small expected counts are removed while more than `size` are left: the M step is that of
    /// variational Bayes under a sparse prior (Liang et al. 2007), as in SentencePiece. Letters are always kept.
    pub fn update(&mut self, size: usize) -> Result<()> {
        let steps = self.steps(f64::exp);
        let lattice = self.lattice(&steps);
        let expected = self.over_words(&|word, count, scratch, expected| {
            lattice.expect(word, count, scratch, expected);
        })?;
        let mut stays: Vec<bool> = self
            .tokens
            .iter()
            .zip(&expected)
            .map(|(token, expected)| token.length == 1 || *expected >= LEAST)
            .collect();
        let missing = size.min(self.len()).saturating_sub(stays.iter().filter(|stays| **stays).count());
        if missing > 0 {
            let mut others: Vec<usize> = (0..self.len()).filter(|at| !stays[*at]).collect();
            others.sort_by(|a, b| expected[*b].total_cmp(&expected[*a]));
            others[..missing].iter().for_each(|at| stays[*at] = true);
        }
        let sum = digamma(expected.iter().zip(&stays).filter(|(_, stays)| **stays).map(|(expected, _)| expected).sum());
        for (token, expected) in self.tokens.iter_mut().zip(expected) {
            token.score = digamma(expected.max(LEAST)) - sum;
        }
        self.keep(&stays)
    }

    /// Keeps `size` tokens: all letters, and those whose removal would cost the corpus the most likelihood. Each token's loss is
    /// estimated independently: all its occurrences in the best segmentations are replaced by its own best segmentation into
    /// others.
    pub fn prune(&mut self, size: usize) -> Result<()> {
        self.keep_most(size, &self.losses()?)
    }

    /// Keeps `size` tokens: all letters, and the most probable others.
    pub fn keep_probable(&mut self, size: usize) -> Result<()> {
        let score = |token: &Token| if token.length == 1 { f64::INFINITY } else { token.score };
        self.keep_most(size, &self.tokens.iter().map(score).collect::<Vec<f64>>())
    }

    /// Keeps the `size` tokens with the highest `worth`, the first in a tie.
    fn keep_most(&mut self, size: usize, worth: &[f64]) -> Result<()> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|a, b| worth[*b].total_cmp(&worth[*a]));
        let mut stays = vec![false; self.len()];
        order.iter().take(size).for_each(|at| stays[*at] = true);
        self.keep(&stays)
    }

    fn losses(&self) -> Result<Vec<f64>> {
        let steps = self.steps(|score| score);
        let lattice = self.lattice(&steps);
        let frequency = self.over_words(&|word, count, scratch, frequency| {
            lattice.best(word, NONE, scratch, |token| frequency[token as usize] += count);
        })?;
        let sum: f64 = frequency.iter().sum();
        let loss = |token: u32, others: &mut Vec<u32>, scratch: &mut Scratch| {
            let (own, Token { place, length, .. }) = (frequency[token as usize], self.tokens[token as usize]);
            if length == 1 {
                return f64::INFINITY;
            }
            if own == 0.0 {
                return f64::NEG_INFINITY;
            }
            others.clear();
            lattice.best(place as usize..(place + length) as usize, token, scratch, |other| others.push(other));
            let sum_after = (sum + own * (others.len() as f64 - 1.0)).ln();
            let after: f64 = others.iter().map(|other| (frequency[*other as usize] + own).ln() - sum_after).sum();
            own * (own.ln() - sum.ln() - after)
        };
        let losses = tasks::try_map(tasks::ranges(self.len(), TOGETHER), &|_, range| {
            cancel::check()?;
            let (mut others, mut scratch) = (Vec::new(), Scratch::default());
            Ok::<Vec<f64>, crate::Error>(range.map(|token| loss(token as u32, &mut others, &mut scratch)).collect())
        })?;
        Ok(losses.concat())
    }

    fn steps(&self, weight: impl Fn(f64) -> f64) -> Vec<Step> {
        let step = |token: &Token| Step { weight: weight(token.score), length: token.length, shorter: token.shorter };
        self.tokens.iter().map(step).collect()
    }

    fn lattice<'a>(&'a self, steps: &'a [Step]) -> Lattice<'a> {
        let reach = steps.iter().map(|step| step.length).max().unwrap_or(1) as usize;
        Lattice { steps, longest: &self.longest, reach }
    }

    /// For each token, the sum of the contributions of `work(word, count, scratch, sums)` over all words: parts of the corpus on
    /// all threads, then parts in order.
    fn over_words(&self, work: Work) -> Result<Vec<f64>> {
        let parts = tasks::try_map(self.corpus.parts(), &|_, words| {
            let (mut scratch, mut sums, mut letters) = (Scratch::default(), vec![0.0; self.len()], LOOK);
            for word in &self.corpus.words[words] {
                letters += (word.end - word.start) as usize;
                if letters >= LOOK {
                    cancel::check()?;
                    letters = 0;
                }
                work(word.start as usize..word.end as usize, word.count as f64, &mut scratch, &mut sums);
            }
            Ok::<Vec<f64>, crate::Error>(sums)
        })?;
        let mut parts = parts.into_iter();
        let mut sums = parts.next().unwrap_or_default();
        parts.for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, more)| *sum += more));
        Ok(sums)
    }

    /// Removes tokens. At their positions the next shorter token becomes the longest.
    fn keep(&mut self, stays: &[bool]) -> Result<()> {
        let mut now: Vec<u32> = Vec::with_capacity(stays.len());
        let mut kept: Vec<Token> = Vec::new();
        for (token, stays) in self.tokens.iter().zip(stays) {
            let shorter = now.get(token.shorter as usize).copied().unwrap_or(NONE);
            if *stays {
                now.push(kept.len() as u32);
                kept.push(Token { shorter, ..*token });
            } else {
                now.push(shorter);
            }
        }
        self.tokens = kept;
        let pieces: Vec<&mut [u32]> = self.longest.chunks_mut(TOGETHER).collect();
        tasks::try_map(pieces, &|_, longest| {
            cancel::check()?;
            longest.iter_mut().for_each(|token| *token = now.get(*token as usize).copied().unwrap_or(NONE));
            Ok::<(), crate::Error>(())
        })?;
        Ok(())
    }
}

/// The digamma function, for a number above 0.
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 7.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    // the asymptotic series around x - 1/2
    x -= 0.5;
    let square = 1.0 / (x * x);
    sum + x.ln()
        + square * (1.0 / 24.0 - square * (7.0 / 960.0 - square * (31.0 / 8064.0 - square * (127.0 / 30720.0))))
}
