//! Rows of different length, and several sequences in one row: segment ids, 0 for padding.

use crate::tensor::ops::{cat, index_select, reshape};
use crate::tensor::{Array, Device, Tensor};
use crate::{Error, Result, bail};
use std::collections::HashSet;
use std::ops::Range;

/// Sequences in the rows of a batch.
#[derive(Clone, Debug)]
pub struct Packing {
    pub rows: usize,
    pub length: usize,
    /// The range of each sequence among the tokens that are not padding, in row order.
    pub spans: Vec<Range<usize>>,
    /// The index in the batch of each token that is not padding.
    pub places: Vec<usize>,
}

impl Packing {
    /// Each run of equal ids is a sequence; without ids each row is.
    pub fn of(who: &str, segments: Option<&[u32]>, rows: usize, length: usize) -> Result<Packing> {
        let Some(segments) = segments else {
            let spans = (0..rows).map(|row| row * length..(row + 1) * length).filter(|span| !span.is_empty());
            return Ok(Packing { rows, length, spans: spans.collect(), places: (0..rows * length).collect() });
        };
        if segments.len() != rows * length {
            bail!(who, "{} segment ids for {rows} rows of {length}", segments.len());
        }
        let (mut spans, mut places): (Vec<Range<usize>>, Vec<usize>) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let (mut seen, mut last) = (HashSet::new(), 0);
            for (at, &id) in segments.iter().enumerate().skip(row * length).take(length) {
                if id != 0 && id != last {
                    if !seen.insert(id) {
                        return Err(Error::new(who, format!("segment {id} of row {row} is in several pieces"))
                            .help("the steps of a sequence follow each other: give each piece an id of its own"));
                    }
                    spans.push(places.len()..places.len());
                }
                if let Some(span) = spans.last_mut().filter(|_| id != 0) {
                    span.end += 1;
                    places.push(at);
                }
                last = id;
            }
        }
        if spans.is_empty() {
            bail!(who, "all {} places are padding", segments.len());
        }
        Ok(Packing { rows, length, spans, places })
    }

    /// Whether there is no padding.
    fn is_full(&self) -> bool {
        self.places.len() == self.rows * self.length
    }

    /// The tokens of x `[B, T, D]` that are not padding, `[N, D]`.
    pub fn pack(&self, x: &Tensor) -> Result<Tensor> {
        let width = x.shape().last().copied().unwrap_or(1);
        let flat = reshape(x, &[(self.rows * self.length) as i64, width as i64])?;
        if self.is_full() { Ok(flat) } else { index_select(&flat, 0, &indices(self.places.iter().copied())?) }
    }

    /// The inverse of [`Packing::pack`], with zeros for padding.
    pub fn unpack(&self, tokens: &Tensor) -> Result<Tensor> {
        let width = tokens.shape()[1];
        let dims = [self.rows as i64, self.length as i64, width as i64];
        if self.is_full() {
            return reshape(tokens, &dims);
        }
        // padding selects a row of zeros after the tokens
        let mut from = vec![self.places.len(); self.rows * self.length];
        self.places.iter().enumerate().for_each(|(token, place)| from[*place] = token);
        let value = tokens.value();
        let zeros = Array::zeros((1, width), value.dtype(), value.device())?.into();
        let rows = index_select(&cat(&[tokens.clone(), zeros], 0)?, 0, &indices(from.into_iter())?)?;
        reshape(&rows, &dims)
    }
}

/// Integers as a tensor.
pub fn indices(numbers: impl Iterator<Item = usize>) -> Result<Tensor> {
    let numbers: Vec<i64> = numbers.map(|number| number as i64).collect();
    let count = numbers.len();
    Ok(Array::from_vec(numbers, count, &Device::Cpu)?.into())
}
