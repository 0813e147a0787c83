//! Vectors of tokens from their neighbors: the dominant directions of positive pointwise mutual information (Levy and Goldberg
//! 2014: what skip-gram with negative sampling factorizes). They show which old tokens resemble a new one, without a model.

use crate::rng::splitmix;
use crate::token::Tokenizer;
use crate::token::words::{FastMap, in_tasks};
use crate::{Error, Result, bail};
use rayon::prelude::*;

const WHO: &str = "ppmi_vectors";

/// Counts of neighbors, over texts added in parts.
pub struct Neighbors<'t> {
    tokenizer: &'t Tokenizer,
    window: usize,
    pairs: FastMap<u64, u32>,
}

impl<'t> Neighbors<'t> {
    pub fn new(tokenizer: &'t Tokenizer, window: usize) -> Result<Neighbors<'t>> {
        if window == 0 {
            bail!(WHO, "option `window` is 0: a token has no neighbors then");
        }
        Ok(Neighbors { tokenizer, window, pairs: FastMap::default() })
    }

    pub fn add<S: AsRef<str> + Sync>(&mut self, texts: &[S]) -> Result<()> {
        let Neighbors { tokenizer, window, pairs } = self;
        in_tasks(
            texts,
            |texts| {
                let mut part: FastMap<u64, u32> = FastMap::default();
                for text in texts {
                    let ids = tokenizer.ids(text.as_ref(), false)?;
                    for (at, left) in ids.iter().enumerate() {
                        for right in ids[at + 1..].iter().take(*window) {
                            let (low, high) = (left.min(right), left.max(right));
                            *part.entry(u64::from(*low) << 32 | u64::from(*high)).or_default() += 1;
                        }
                    }
                }
                Ok(part)
            },
            |part| {
                for (pair, count) in part {
                    let sum = pairs.entry(pair).or_default();
                    *sum = sum.saturating_add(count);
                }
            },
        )
    }

    /// One row of `dims` numbers for each token; zeros for a token that does not occur.
    pub fn vectors(self, dims: usize, seed: u64) -> Result<Vec<f32>> {
        let tokens = self.tokenizer.len();
        if self.pairs.is_empty() {
            return Err(Error::new(WHO, "no text has two tokens"));
        }
        if dims == 0 || dims > tokens {
            bail!(WHO, "option `dims` is {dims}, with {tokens} tokens");
        }
        let rows = information(&self.pairs, tokens);
        let mut basis: Vec<Vec<f32>> = (0..dims).map(|column| random(tokens, seed, column as u64)).collect();
        for _ in 0..4 {
            crate::cancel::check()?;
            basis = product(&rows, &basis);
            make_orthonormal(&mut basis);
        }
        let columns = product(&rows, &basis);
        Ok((0..tokens).flat_map(|row| columns.iter().map(move |column| column[row])).collect())
    }
}

type Sparse = Vec<Vec<(u32, f32)>>;

/// Positive pointwise mutual information, a row per token.
fn information(pairs: &FastMap<u64, u32>, tokens: usize) -> Sparse {
    let mut sums = vec![0.0f64; tokens];
    let halves = |pair: u64| ((pair >> 32) as usize, pair as u32 as usize);
    for (pair, count) in pairs {
        let (left, right) = halves(*pair);
        sums[left] += f64::from(*count);
        sums[right] += f64::from(*count);
    }
    let total: f64 = sums.iter().sum();
    let mut rows: Sparse = vec![Vec::new(); tokens];
    for (pair, count) in pairs {
        let (left, right) = halves(*pair);
        // a pair of the same token counts on both sides
        let both = f64::from(*count) * if left == right { 2.0 } else { 1.0 };
        let value = (both * total / (sums[left] * sums[right])).ln() as f32;
        if value > 0.0 {
            rows[left].push((right as u32, value));
            if left != right {
                rows[right].push((left as u32, value));
            }
        }
    }
    rows.par_iter_mut().for_each(|row| row.sort_unstable_by_key(|(at, _)| *at));
    rows
}

fn product(rows: &Sparse, columns: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let one = |column: &Vec<f32>| -> Vec<f32> {
        let dot = |row: &Vec<(u32, f32)>| row.iter().map(|(at, value)| value * column[*at as usize]).sum();
        rows.iter().map(dot).collect()
    };
    columns.par_iter().map(one).collect()
}

/// Gram-Schmidt: orthogonalizes each column against the previous ones.
fn make_orthonormal(columns: &mut [Vec<f32>]) {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    for at in 0..columns.len() {
        let (before, rest) = columns.split_at_mut(at);
        let column = &mut rest[0];
        for other in before {
            let part = dot(column, other) as f32;
            column.iter_mut().zip(other.iter()).for_each(|(value, other)| *value -= part * other);
        }
        let length = dot(column, column).sqrt();
        if length > 1e-12 {
            column.iter_mut().for_each(|value| *value /= length as f32);
        }
    }
}

/// Counter-based numbers between -1 and 1, determined by the seed alone.
fn random(count: usize, seed: u64, stream: u64) -> Vec<f32> {
    let mut state = seed ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03);
    (0..count).map(|_| (splitmix(&mut state) >> 40) as f32 / (1u32 << 23) as f32 - 1.0).collect()
}
