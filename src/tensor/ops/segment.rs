//! Weighted means of rows selected by lists of indices: a token's embedding from those of its subtokens.

use crate::tensor::values::{array, each_line, values_f64, with_values};
use crate::tensor::{DType, Tensor};
use crate::{Result, bail};

/// Weights of the rows of a segment.
pub enum Weights<'a> {
    Equal,
    /// One list for each segment.
    Given(&'a [Vec<f64>]),
    /// Each weight is `decay` times the one before it, or with `reverse` the one after it.
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

/// The weighted mean of the rows of each list of indices, in f32: `[lists, width]`.
///
/// With `keep_norm` a mean is scaled to the mean norm of its rows; a mean of several vectors is shorter than they are.
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
    let value = rows.value();
    let numbers = value.to_dtype(DType::F32)?;
    let shares: Vec<Vec<f64>> = (0..lists.len()).map(|at| weights.of(at, lists[at].len())).collect();
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let means = with_values(&numbers, |numbers: &[f32]| {
        each_line(lists.len(), width * longest, |at| {
            Segment::new(numbers, width, &lists[at], &shares[at]).result(keep_norm)
        })
    })
    .flatten()?;
    let result = array(means.concat(), &[lists.len(), width], &value)?;
    // only backward needs the lists again
    let lists = if Tensor::records(&[rows]) { lists.to_vec() } else { Vec::new() };
    Ok(Tensor::derive(result, [rows], move |grad, flow| {
        flow.add(0, || {
            let (dtype, mut sums) = (value.dtype(), vec![0.0; value.elem_count()]);
            let grads = values_f64(&grad)?;
            with_values(&numbers, |numbers: &[f32]| {
                for (at, list) in lists.iter().enumerate() {
                    let segment = Segment::new(numbers, width, list, &shares[at]);
                    segment.add_gradient(keep_norm, &grads[at * width..][..width], &mut sums);
                }
            })?;
            Ok(array(sums, value.dims(), &value)?.to_dtype(dtype)?)
        })
    }))
}

/// One list of rows and their weighted mean.
struct Segment<'a> {
    rows: Vec<&'a [f32]>,
    list: &'a [u32],
    weights: &'a [f64],
    mean: Vec<f64>,
    length: f64,
}

impl<'a> Segment<'a> {
    fn new(numbers: &'a [f32], width: usize, list: &'a [u32], weights: &'a [f64]) -> Segment<'a> {
        let rows: Vec<&[f32]> = list.iter().map(|index| &numbers[*index as usize * width..][..width]).collect();
        let mut mean = vec![0.0; width];
        for (row, weight) in rows.iter().zip(weights) {
            mean.iter_mut().zip(*row).for_each(|(sum, number)| *sum += weight * f64::from(*number));
        }
        let length = mean.iter().map(|number| number * number).sum::<f64>().sqrt();
        Segment { rows, list, weights, mean, length }
    }

    /// The mean norm of the rows, if the mean is scaled to it: a zero mean has no direction to scale.
    fn scaled_to(&self, keep_norm: bool) -> Option<f64> {
        let mean_norm = || self.rows.iter().zip(self.weights).map(|(row, weight)| weight * norm(row)).sum();
        (keep_norm && self.length >= 1e-12).then(mean_norm)
    }

    fn result(&self, keep_norm: bool) -> Vec<f32> {
        let scale = self.scaled_to(keep_norm).map_or(1.0, |norm| norm / self.length);
        self.mean.iter().map(|number| (number * scale) as f32).collect()
    }

    /// Adds to the gradients of its rows.
    fn add_gradient(&self, keep_norm: bool, grad: &[f64], sums: &mut [f64]) {
        let along = self.mean.iter().zip(grad).map(|(mean, grad)| mean * grad).sum::<f64>();
        let norm_of_all = self.scaled_to(keep_norm);
        // of the mean, which with a given length has only a direction
        let of_mean: Vec<f64> = match norm_of_all {
            None => grad.to_vec(),
            Some(norm) => {
                let turned =
                    |(mean, grad): (&f64, &f64)| norm / self.length * (grad - mean * along / self.length.powi(2));
                self.mean.iter().zip(grad).map(turned).collect()
            }
        };
        for ((row, index), weight) in self.rows.iter().zip(self.list).zip(self.weights) {
            let length = norm(row);
            // of the row's own norm
            let own = if norm_of_all.is_some() && length > 0.0 { along / self.length / length } else { 0.0 };
            let sums = &mut sums[*index as usize * row.len()..][..row.len()];
            for ((sum, grad), number) in sums.iter_mut().zip(&of_mean).zip(*row) {
                *sum += weight * (grad + own * f64::from(*number));
            }
        }
    }
}

fn norm(row: &[f32]) -> f64 {
    row.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt()
}
