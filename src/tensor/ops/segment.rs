//! Weighted means of rows that lists of indices pick: a token's embedding from those of its subtokens.

use crate::tensor::values::{array, each_line, with_values};
use crate::tensor::{DType, Tensor};
use crate::{Result, bail};

/// How the rows of a segment weigh.
pub enum Weights<'a> {
    Equal,
    /// One list for each segment.
    Given(&'a [Vec<f64>]),
    /// Each row weighs `decay` of the one before it, or with `reverse` of the one after it.
    Decaying {
        decay: f64,
        reverse: bool,
    },
}

impl Weights<'_> {
    /// The weights of segment `at` of `len` rows, which sum to 1.
    fn of(&self, at: usize, len: usize) -> Vec<f64> {
        let mut weights = match self {
            Weights::Equal => vec![1.0; len],
            Weights::Given(lists) => lists[at].clone(),
            Weights::Decaying { decay, reverse } => {
                let mut weights: Vec<f64> =
                    std::iter::successors(Some(1.0), |weight| Some(weight * decay)).take(len).collect();
                if *reverse {
                    weights.reverse();
                }
                weights
            }
        };
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        weights
    }
}

/// For each list of row indices the weighted mean of these rows, in f32: `[lists, width]`.
///
/// With `keep_norm` a mean is scaled to the mean norm of its rows; a mean of several vectors is shorter than each of them.
pub fn segment_mean(rows: &Tensor, lists: &[Vec<u32>], weights: &Weights, keep_norm: bool) -> Result<Tensor> {
    const WHO: &str = "segment_mean";
    let shape = rows.shape();
    let &[count, width] = shape.as_slice() else { bail!(WHO, "the rows have shape {shape:?}, not two dimensions") };
    for (at, list) in lists.iter().enumerate() {
        if list.is_empty() {
            bail!(WHO, "list {at} is empty");
        }
        if let Some(index) = list.iter().find(|index| **index as usize >= count) {
            bail!(WHO, "index {index} of list {at} is outside {count} rows");
        }
    }
    if let Weights::Given(given) = weights {
        if given.len() != lists.len() {
            bail!(WHO, "{} lists of weights for {} lists", given.len(), lists.len());
        }
        if let Some(at) = (0..lists.len()).find(|at| given[*at].len() != lists[*at].len()) {
            bail!(WHO, "{} weights for the {} rows of list {at}", given[at].len(), lists[at].len());
        }
    }
    let value = rows.value().to_dtype(DType::F32)?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let means = with_values(&value, |numbers: &[f32]| {
        let row = |index: u32| &numbers[index as usize * width..][..width];
        each_line(lists.len(), width * longest, |at| {
            let list: Vec<&[f32]> = lists[at].iter().map(|index| row(*index)).collect();
            mean(&list, &weights.of(at, list.len()), keep_norm)
        })
    })
    .flatten()?;
    Ok(array(means.concat(), &[lists.len(), width], &value)?.into())
}

fn mean(rows: &[&[f32]], weights: &[f64], keep_norm: bool) -> Vec<f32> {
    let mut mean = vec![0.0; rows.first().map_or(0, |row| row.len())];
    for (row, weight) in rows.iter().zip(weights) {
        mean.iter_mut().zip(*row).for_each(|(sum, number)| *sum += weight * f64::from(*number));
    }
    let length = mean.iter().map(|number| number * number).sum::<f64>().sqrt();
    // a mean of nothing has no direction to scale
    let scale = if keep_norm && length >= 1e-12 {
        rows.iter().zip(weights).map(|(row, weight)| weight * norm(row)).sum::<f64>() / length
    } else {
        1.0
    };
    mean.into_iter().map(|number| (number * scale) as f32).collect()
}

fn norm(row: &[f32]) -> f64 {
    row.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt()
}
