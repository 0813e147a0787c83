//! The gradients of all steps, from the last to the first.

use super::product::RightOperand;
use super::{Cell, Sequences, cells, group};
use crate::kernel::buffer::unwritten;
use crate::kernel::matrix::{Matrix, Precision};
use crate::kernel::shared::SharedOutput;
use crate::kernel::view::{array, view};
use crate::kernel::{Array, matmul, norm, parallel};
use crate::{Result, cancel};
use rayon::prelude::*;

/// The gradients of a layer.
pub struct Backward {
    /// Of the gates' inputs from the layer input, `[N, G·H]`.
    pub gates: Array,
    /// Of the initial states, `[S, H]`, and of the initial cells of an LSTM.
    pub start: Array,
    pub start_cell: Option<Array>,
    /// Of the state's contribution to the last gate of a GRU, where it differs from the input's, `[N, H]`.
    own: Option<Array>,
    /// The state before each token, `[N, H]`.
    before: Array,
}

/// Runs a layer backward. `out` and `saved` come from [`forward`](super::forward()), `grad` is the gradient of `out`.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    cell: Cell,
    weight: &Array,
    start: &Array,
    start_cell: &Array,
    sequences: &Sequences,
    out: &Array,
    saved: &[f32],
    grad: &Array,
    precision: Precision,
) -> Result<Backward> {
    let (weight, grad) = (weight.contiguous()?, grad.contiguous()?);
    let (start, start_cell) = (start.contiguous()?, start_cell.contiguous()?);
    let (w, g, y) = (view::<f32>(&weight)?, view::<f32>(&grad)?, view::<f32>(out)?);
    let (h0, c0) = (view::<f32>(&start)?, view::<f32>(&start_cell)?);
    let width = weight.dims()[1];
    let (tokens, count, wide) = (sequences.tokens(), sequences.spans.len(), cell.gates() * width);
    let of_state = RightOperand::new(Matrix::rows(&w[..], width), wide, width, precision);
    let mut gates = unwritten(tokens * wide);
    let mut own = unwritten(if cell == Cell::Gru { tokens * width } else { 0 });
    let mut start_grad = unwritten(count * width);
    let mut cell_grad = unwritten(if cell == Cell::Lstm { count * width } else { 0 });
    let layer = Layer {
        cell,
        sequences,
        width,
        tokens,
        out: &y,
        saved,
        start: &h0,
        start_cell: &c0,
        grad: &g,
        of_state: &of_state,
        gates: SharedOutput::of(&mut gates),
        own: SharedOutput::of(&mut own),
        start_grad: SharedOutput::of(&mut start_grad),
        cell_grad: SharedOutput::of(&mut cell_grad),
    };
    let cancel = cancel::current();
    sequences.by_length().par_chunks(group(precision)).for_each(|group| layer.group(group, &|| cancel.is_requested()));
    of_state.done();
    cancel::check()?;
    let before = states_before(&y, &h0, sequences, width);
    Ok(Backward {
        gates: array(gates, &[tokens, wide])?,
        start: array(start_grad, &[count, width])?,
        start_cell: if cell == Cell::Lstm { Some(array(cell_grad, &[count, width])?) } else { None },
        own: if cell == Cell::Gru { Some(array(own, &[tokens, width])?) } else { None },
        before: array(before, &[tokens, width])?,
    })
}

/// The state before each token.
fn states_before(out: &[f32], start: &[f32], sequences: &Sequences, width: usize) -> Vec<f32> {
    let mut from = vec![0isize; sequences.tokens()];
    for sequence in 0..sequences.spans.len() {
        from[sequences.token(sequence, 0)] = -1 - sequence as isize;
        for step in 1..sequences.spans[sequence].len() {
            from[sequences.token(sequence, step)] = sequences.token(sequence, step - 1) as isize;
        }
    }
    let mut before = unwritten(from.len() * width);
    parallel::rows(&mut before, width, |first, rows| {
        for (row, from) in rows.chunks_exact_mut(width).zip(&from[first..]) {
            let (all, at) = if *from < 0 { (start, (-1 - from) as usize) } else { (out, *from as usize) };
            row.copy_from_slice(&all[at * width..][..width]);
        }
    });
    before
}

impl Backward {
    /// The gradient of the recurrent weight, `[G·H, H]`, written to `sum` when `first`, added to it otherwise.
    pub fn weight(&self, sum: &mut [f32], first: bool, precision: Precision) -> Result<()> {
        let (gates, before) = (view::<f32>(&self.gates)?, view::<f32>(&self.before)?);
        let ((tokens, width), wide) = (self.before.dims2()?, self.gates.dims()[1]);
        let before = Matrix::rows(&before[..], width);
        let turned = Matrix::rows(&gates[..], wide).t();
        let Some(own) = &self.own else {
            matmul::multiply(sum, [wide, width, tokens], turned, before, !first, precision);
            return cancel::check();
        };
        let own = view::<f32>(own)?;
        let (shared, last) = sum.split_at_mut(2 * width * width);
        matmul::multiply(shared, [2 * width, width, tokens], turned, before, !first, precision);
        let turned = Matrix::rows(&own[..], width).t();
        matmul::multiply(last, [width, width, tokens], turned, before, !first, precision);
        cancel::check()
    }

    /// The gradient of the recurrent bias, `[G·H]`.
    pub fn bias(&self) -> Result<Array> {
        let sums = norm::column_sum(&self.gates)?;
        match &self.own {
            None => Ok(sums),
            Some(own) => {
                let width = own.dims()[1];
                Ok(Array::cat(&[&sums.narrow(0, 0, 2 * width)?, &norm::column_sum(own)?], 0)?)
            }
        }
    }
}

struct Layer<'a> {
    cell: Cell,
    sequences: &'a Sequences,
    width: usize,
    tokens: usize,
    out: &'a [f32],
    saved: &'a [f32],
    start: &'a [f32],
    start_cell: &'a [f32],
    grad: &'a [f32],
    of_state: &'a RightOperand<'a>,
    gates: SharedOutput,
    own: SharedOutput,
    start_grad: SharedOutput,
    cell_grad: SharedOutput,
}

impl Layer<'_> {
    /// All steps of a group of sequences.
    fn group(&self, group: &[usize], is_stopped: &dyn Fn() -> bool) {
        let (width, wide) = (self.width, self.cell.gates() * self.width);
        let mut states = vec![0.0; group.len() * width];
        let mut cells = Vec::new();
        if self.cell == Cell::Lstm {
            let ends = group.iter().flat_map(|at| &self.grad[(self.tokens + at) * width..][..width]);
            cells.extend(ends.copied());
        }
        let mut own = unwritten(group.len() * wide);
        for step in (0..self.sequences.steps(group)).rev() {
            if is_stopped() {
                return;
            }
            let active = self.sequences.active(group, step);
            for (at, sequence) in group[..active].iter().enumerate() {
                let cell = cells.get_mut(at * width..(at + 1) * width).unwrap_or_default();
                self.step(*sequence, step, &mut states[at * width..][..width], cell, &mut own[at * wide..][..wide]);
            }
            self.of_state.multiply(&mut states, active, &own[..active * wide], true);
        }
        for (at, sequence) in group.iter().enumerate() {
            // SAFETY: a sequence belongs to one group
            let start = unsafe { self.start_grad.part(sequence * width, width) };
            start.copy_from_slice(&states[at * width..][..width]);
            if let Some(cell) = cells.get(at * width..(at + 1) * width) {
                // SAFETY: the same
                unsafe { self.cell_grad.part(sequence * width, width) }.copy_from_slice(cell);
            }
        }
    }

    /// A step of one sequence: `state` is the gradient from the next step, and becomes the part of the previous state's gradient
    /// that bypasses the product with `own`.
    fn step(&self, sequence: usize, step: usize, state: &mut [f32], cell: &mut [f32], own: &mut [f32]) {
        let (width, wide) = (self.width, own.len());
        let token = self.sequences.token(sequence, step);
        let kept = self.cell.saved() * width;
        let saved = &self.saved[token * kept..][..kept];
        let y = &self.out[token * width..][..width];
        state.iter_mut().zip(&self.grad[token * width..][..width]).for_each(|(state, grad)| *state += grad);
        let before = (step > 0).then(|| self.sequences.token(sequence, step - 1));
        // SAFETY: a token belongs to one sequence, and a sequence to one group
        let gates = unsafe { self.gates.part(token * wide, wide) };
        match self.cell {
            Cell::Gru => {
                let h = before.map_or(&self.start[sequence * width..], |before| &self.out[before * width..]);
                cells::gru_back(saved, &h[..width], state, gates, own);
                // SAFETY: the same
                unsafe { self.own.part(token * width, width) }.copy_from_slice(&own[2 * width..]);
                return;
            }
            Cell::Lstm => {
                let of = |before: usize| &self.saved[before * kept + 4 * width..];
                let c = before.map_or(&self.start_cell[sequence * width..], of);
                cells::lstm_back(saved, &c[..width], state, cell, gates);
            }
            Cell::Tanh => cells::rnn_tanh_back(y, state, gates),
            Cell::Relu => cells::rnn_relu_back(y, state, gates),
        }
        own.copy_from_slice(gates);
        state.fill(0.0);
    }
}
