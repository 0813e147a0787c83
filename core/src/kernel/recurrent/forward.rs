//! The states of all steps.

use super::product::RightOperand;
use super::{Cell, Sequences, cells, group};
use crate::kernel::Array;
use crate::kernel::buffer::unwritten;
use crate::kernel::matrix::{Matrix, Precision};
use crate::kernel::shared::SharedOutput;
use crate::kernel::view::{array, view};
use crate::{Result, cancel};
use rayon::prelude::*;

/// The result of a layer.
pub struct Forward {
    /// The state after each token `[N, H]`; for an LSTM followed by the last cell of each sequence, `[N + S, H]`.
    pub out: Array,
    /// Values of each token for backward; empty if not requested.
    pub saved: Vec<f32>,
}

/// Runs a layer, in f32 on the CPU. `gates [N, G·H]` is the contribution of the input; `weight [G·H, H]` and `bias [G·H]` are the
/// recurrent parameters. The initial state is `start [S, H]`, and the initial cell of an LSTM `start_cell`. `keep` saves values
/// for backward.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    cell: Cell,
    gates: &Array,
    weight: &Array,
    bias: &Array,
    start: &Array,
    start_cell: &Array,
    sequences: &Sequences,
    keep: bool,
    precision: Precision,
) -> Result<Forward> {
    let (gates, weight, bias) = (gates.contiguous()?, weight.contiguous()?, bias.contiguous()?);
    let (start, start_cell) = (start.contiguous()?, start_cell.contiguous()?);
    let (gates, w, bias) = (view::<f32>(&gates)?, view::<f32>(&weight)?, view::<f32>(&bias)?);
    let (start, start_cell) = (view::<f32>(&start)?, view::<f32>(&start_cell)?);
    let (w, width) = (&w[..], weight.dims()[1]);
    let (tokens, wide) = (sequences.tokens(), cell.gates() * width);
    let of_state = RightOperand::new(Matrix::rows(w, width).t(), width, wide, precision);
    let ends = if cell == Cell::Lstm { sequences.spans.len() } else { 0 };
    let mut out = unwritten((tokens + ends) * width);
    let mut saved = unwritten(if keep { tokens * cell.saved() * width } else { 0 });
    let layer = Layer {
        cell,
        gates: &gates,
        bias: &bias,
        start: &start,
        start_cell: &start_cell,
        sequences,
        width,
        tokens,
        of_state: &of_state,
        out: SharedOutput::of(&mut out),
        saved: keep.then(|| SharedOutput::of(&mut saved)),
    };
    let cancel = cancel::current();
    sequences.by_length().par_chunks(group(precision)).for_each(|group| layer.group(group, &|| cancel.is_requested()));
    of_state.done();
    cancel::check()?;
    Ok(Forward { out: array(out, &[tokens + ends, width])?, saved })
}

struct Layer<'a> {
    cell: Cell,
    gates: &'a [f32],
    bias: &'a [f32],
    start: &'a [f32],
    start_cell: &'a [f32],
    sequences: &'a Sequences,
    width: usize,
    tokens: usize,
    of_state: &'a RightOperand<'a>,
    out: SharedOutput,
    saved: Option<SharedOutput>,
}

impl Layer<'_> {
    /// All steps of a group of sequences.
    fn group(&self, group: &[usize], is_stopped: &dyn Fn() -> bool) {
        let (width, wide) = (self.width, self.cell.gates() * self.width);
        let kept = self.cell.saved() * width;
        let rows =
            |from: &[f32]| -> Vec<f32> { group.iter().flat_map(|at| &from[at * width..][..width]).copied().collect() };
        let mut states = rows(self.start);
        let mut cells = if self.cell == Cell::Lstm { rows(self.start_cell) } else { Vec::new() };
        let (mut own, mut unkept) = (unwritten(group.len() * wide), vec![0.0; kept]);
        for step in 0..self.sequences.steps(group) {
            if is_stopped() {
                return;
            }
            let active = self.sequences.active(group, step);
            self.of_state.multiply(&mut own, active, &states[..active * width], false);
            for (at, sequence) in group[..active].iter().enumerate() {
                let token = self.sequences.token(*sequence, step);
                let saved = match self.saved {
                    // SAFETY: a token belongs to one sequence, and a sequence to one group
                    Some(saved) => unsafe { saved.part(token * kept, kept) },
                    None => &mut unkept[..],
                };
                let (x, own) = (&self.gates[token * wide..][..wide], &own[at * wide..][..wide]);
                let state = &mut states[at * width..][..width];
                match self.cell {
                    Cell::Gru => cells::gru(x, own, self.bias, state, saved),
                    Cell::Lstm => cells::lstm(x, own, self.bias, state, &mut cells[at * width..][..width], saved),
                    Cell::Tanh => cells::rnn_tanh(x, own, self.bias, state),
                    Cell::Relu => cells::rnn_relu(x, own, self.bias, state),
                }
                // SAFETY: a token belongs to one sequence, and a sequence to one group
                unsafe { self.out.part(token * width, width) }.copy_from_slice(state);
            }
        }
        for (cell, sequence) in cells.chunks_exact(width).zip(group) {
            // SAFETY: a sequence belongs to one group
            unsafe { self.out.part((self.tokens + sequence) * width, width) }.copy_from_slice(cell);
        }
    }
}
