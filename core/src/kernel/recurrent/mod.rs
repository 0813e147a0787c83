//! Recurrent layers: GRU (Cho et al. 2014, in cuDNN's form), LSTM (Hochreiter and Schmidhuber 1997) and Elman's RNN (1990).
//!
//! The contribution of the input to the gates is one product for all steps, computed beforehand. This module computes the
//! recurrence: sequences are divided among the threads in small groups, and a group runs all its steps alone, with the weight
//! packed once for all groups. Sequences of a group are sorted by length, so that the unfinished ones are its first rows and
//! nothing is padded.

mod backward;
mod cells;
mod forward;
mod product;

pub use backward::{Backward, backward};
pub use forward::{Forward, forward};

use super::matrix::Precision;
use std::ops::Range;

/// Sequences per group: the rows of a product tile, of vectors or of AMX.
fn group(precision: Precision) -> usize {
    if matches!(precision, Precision::F32 | Precision::Int8) { 12 } else { 32 }
}

/// The kind of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    Gru,
    Lstm,
    Tanh,
    Relu,
}

impl Cell {
    /// Gate inputs of a step per number of the state.
    pub fn gates(self) -> usize {
        match self {
            Cell::Gru => 3,
            Cell::Lstm => 4,
            Cell::Tanh | Cell::Relu => 1,
        }
    }

    /// Numbers saved for backward per step and number of the state.
    fn saved(self) -> usize {
        match self {
            Cell::Gru => 4,
            Cell::Lstm => 5,
            Cell::Tanh | Cell::Relu => 0,
        }
    }
}

/// The positions of sequences among concatenated tokens, and their direction.
#[derive(Clone, Debug)]
pub struct Sequences {
    /// Each as a range of tokens; none is empty.
    pub spans: Vec<Range<usize>>,
    pub reverse: bool,
}

impl Sequences {
    /// The token of a sequence at a step.
    pub fn token(&self, sequence: usize, step: usize) -> usize {
        let span = &self.spans[sequence];
        if self.reverse { span.end - 1 - step } else { span.start + step }
    }

    /// The token at the last step.
    pub fn last(&self, sequence: usize) -> usize {
        self.token(sequence, self.spans[sequence].len() - 1)
    }

    /// Number of tokens of all sequences.
    pub fn tokens(&self) -> usize {
        self.spans.iter().map(Range::len).sum()
    }

    /// The sequences, the longest first.
    pub fn by_length(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.spans.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(self.spans[*at].len()));
        order
    }

    /// Number of sequences in a group, which is sorted by length, that reach a step.
    fn active(&self, group: &[usize], step: usize) -> usize {
        group.partition_point(|at| self.spans[*at].len() > step)
    }

    /// Number of steps of a group.
    fn steps(&self, group: &[usize]) -> usize {
        group.first().map_or(0, |longest| self.spans[*longest].len())
    }
}
