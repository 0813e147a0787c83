//! All segmentations of a word: the expected count of each token, and the best segmentation.

use std::ops::Range;

/// No token.
pub const NONE: u32 = u32::MAX;

/// A token at a start position: its probability (or logarithm), and the next shorter token with the same start.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub weight: f64,
    pub length: u32,
    pub shorter: u32,
}

/// Tokens by their positions in a text.
#[derive(Clone, Copy)]
pub struct Lattice<'a> {
    pub steps: &'a [Step],
    /// The longest token that starts at each position.
    pub longest: &'a [u32],
    /// Length of the longest token in letters.
    pub reach: usize,
}

/// Buffers for the passes over a word.
#[derive(Default)]
pub struct Scratch {
    forward: Vec<f64>,
    shifts: Vec<i32>,
    backward: Vec<f64>,
    last: Vec<u32>,
}

/// Sums below `TINY` are multiplied by `SCALE` if they, and all sums that they are added to, would underflow.
const TINY: f64 = 1.0 / SCALE;
const SCALE: f64 = f64::from_bits((1023 + 256) << 52); // 2^256

/// Maximum difference in [`SCALE`]s between a position and its word's sum: anything further is ignored.
const FAR: i32 = 2;

impl Lattice<'_> {
    /// The tokens that start at a position, longest first.
    fn at(&self, place: usize) -> impl Iterator<Item = (u32, &Step)> {
        let mut next = self.longest[place];
        std::iter::from_fn(move || {
            let token = next;
            let step = self.steps.get(token as usize)?;
            next = step.shorter;
            Some((token, step))
        })
    }

    /// Adds to `expected` the expected count of each token in a word, times `count`: the sum over all segmentations by
    /// probability (forward-backward). Returns the logarithm of the word's probability. Weights are probabilities.
    pub fn expect(&self, word: Range<usize>, count: f64, scratch: &mut Scratch, expected: &mut [f64]) -> f64 {
        let (start, length) = (word.start, word.len());
        let last_shift = self.forward(word, scratch);
        let Scratch { forward, shifts, backward, .. } = scratch;
        let total = forward[length];
        backward.clear();
        backward.resize(length + 1, 0.0);
        backward[length] = 1.0;
        let mut shift = 0;
        for at in (0..length).rev() {
            let away = (last_shift - shifts[at] - shift).clamp(-FAR, FAR);
            let factor = forward[at] / total * count * SCALE.powi(away);
            let mut sum = 0.0;
            for (token, step) in self.at(start + at) {
                let ways = step.weight * backward[at + step.length as usize];
                expected[token as usize] += ways * factor;
                sum += ways;
            }
            backward[at] = sum;
            shift += self.lift(&mut backward[at..], sum);
        }
        total.ln() - f64::from(last_shift) * SCALE.ln()
    }

    /// Sums the probabilities of all segmentations up to each position. Returns the number of [`SCALE`] factors in the last sum.
    fn forward(&self, word: Range<usize>, scratch: &mut Scratch) -> i32 {
        let Scratch { forward, shifts, .. } = scratch;
        forward.clear();
        forward.resize(word.len() + 1, 0.0);
        forward[0] = 1.0;
        shifts.clear();
        let mut shift = 0;
        for at in 0..word.len() {
            let sum = forward[at];
            shift += self.lift(&mut forward[at..], sum);
            shifts.push(shift);
            let sum = forward[at];
            for (_, step) in self.at(word.start + at) {
                forward[at + step.length as usize] += sum * step.weight;
            }
        }
        shift
    }

    /// Multiplies sums by [`SCALE`] if the first one, and all within reach, are below [`TINY`]; returns 1 in that case.
    fn lift(&self, sums: &mut [f64], first: f64) -> i32 {
        let reach = sums.len().min(self.reach + 1);
        if first >= TINY || sums[..reach].iter().any(|sum| *sum >= TINY) {
            return 0;
        }
        sums[..reach].iter_mut().for_each(|sum| *sum *= SCALE);
        1
    }

    /// Calls `take` with the tokens of the best segmentation of a word, last first, and returns the sum of their weights, which
    /// are logarithms (Viterbi 1967). In a tie the one with longer first tokens is taken. `but` is a token to exclude.
    pub fn best(&self, word: Range<usize>, but: u32, scratch: &mut Scratch, mut take: impl FnMut(u32)) -> f64 {
        let (start, length) = (word.start, word.len());
        let Scratch { forward: best, last, .. } = scratch;
        best.clear();
        best.resize(length + 1, f64::NEG_INFINITY);
        best[0] = 0.0;
        last.clear();
        last.resize(length + 1, NONE);
        for at in 0..length {
            let sum = best[at];
            for (token, step) in self.at(start + at) {
                let end = at + step.length as usize;
                if end <= length && token != but && sum + step.weight > best[end] {
                    best[end] = sum + step.weight;
                    last[end] = token;
                }
            }
        }
        let mut end = length;
        while let Some(step) = self.steps.get(last[end] as usize) {
            take(last[end]);
            end -= step.length as usize;
        }
        best[length]
    }
}
