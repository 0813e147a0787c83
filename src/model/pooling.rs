//! Pools the hidden states of each sequence into one vector.

use crate::tensor::ops::{SegmentWeights as Weights, segment_mean};
use crate::tensor::{Array, DType, Device, Tensor, ops};
use crate::{Error, Result};

/// Pooling modes, by the names of sentence-transformers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The first token, `[CLS]` or `<s>`.
    First,
    Last,
    Mean,
    Max,
    /// The sum divided by the root of the length.
    MeanSqrt,
    /// The mean with weights 1, 2, 3, …
    WeightedMean,
}

impl Pooling {
    pub const NAMES: [&'static str; 6] = ["cls", "lasttoken", "mean", "max", "mean_sqrt_len_tokens", "weightedmean"];

    const ALL: [Pooling; 6] =
        [Pooling::First, Pooling::Last, Pooling::Mean, Pooling::Max, Pooling::MeanSqrt, Pooling::WeightedMean];

    pub fn named(who: &str, name: &str) -> Result<Pooling> {
        match Pooling::NAMES.iter().position(|own| *own == name) {
            Some(at) => Ok(Pooling::ALL[at]),
            None => Err(Error::unknown(who, "pooling", name, Pooling::NAMES)),
        }
    }

    pub fn name(self) -> &'static str {
        Pooling::ALL.iter().position(|own| *own == self).map_or("", |at| Pooling::NAMES[at])
    }

    /// The pooled states `[sequences, hidden]` of hidden states `[tokens, hidden]`. Sequences must not be empty.
    pub fn apply(self, hidden: &Tensor, sequences: &[Vec<u32>]) -> Result<Tensor> {
        let pick = |at: fn(&Vec<u32>) -> Option<&u32>| {
            let places: Vec<i64> = sequences.iter().filter_map(at).map(|&place| i64::from(place)).collect();
            select(hidden, places)
        };
        match self {
            Pooling::First => pick(|places| places.first()),
            Pooling::Last => pick(|places| places.last()),
            Pooling::Mean => segment_mean(hidden, sequences, &Weights::Equal, false),
            Pooling::Max => greatest(hidden, sequences),
            Pooling::MeanSqrt => {
                let roots: Vec<f32> = sequences.iter().map(|places| (places.len() as f32).sqrt()).collect();
                let roots = Array::from_vec(roots, (sequences.len(), 1), hidden.value().device())?;
                ops::multiply(&segment_mean(hidden, sequences, &Weights::Equal, false)?, Tensor::from(roots))
            }
            Pooling::WeightedMean => {
                let rising: Vec<Vec<f64>> =
                    sequences.iter().map(|places| (1..=places.len()).map(|at| at as f64).collect()).collect();
                segment_mean(hidden, sequences, &Weights::Given(&rising), false)
            }
        }
    }
}

/// Selects these rows.
pub fn select(hidden: &Tensor, places: Vec<i64>) -> Result<Tensor> {
    let count = places.len();
    ops::index_select(hidden, 0, &Array::from_vec(places, count, &Device::Cpu)?.into())
}

/// The maximum of each column in each sequence.
fn greatest(hidden: &Tensor, sequences: &[Vec<u32>]) -> Result<Tensor> {
    let value = hidden.value();
    let width = value.dims().last().copied().unwrap_or(0);
    let numbers: Vec<f32> = value.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    let mut places = Vec::with_capacity(sequences.len() * width);
    for sequence in sequences {
        for column in 0..width {
            let number = |place: u32| numbers[place as usize * width + column];
            let best =
                sequence.iter().copied().reduce(|best, next| if number(next) > number(best) { next } else { best });
            places.push(i64::from(best.unwrap_or(0)));
        }
    }
    ops::gather(hidden, 0, &Array::from_vec(places, (sequences.len(), width), &Device::Cpu)?.into())
}
