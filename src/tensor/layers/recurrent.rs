//! GRU, LSTM and Elman RNN: layers, both directions, sequences of different lengths.

use super::segments::{Packing, indices};
use crate::kernel::fused;
use crate::kernel::matrix::Precision;
use crate::kernel::recurrent::{self, Sequences};
use crate::tensor::ops::{add, cat, index_select, multiply, narrow, relu, reshape, sigmoid, stack, subtract, tanh};
use crate::tensor::{Array, Rng, Tensor, nn};
use crate::{Result, bail};

pub use crate::kernel::recurrent::Cell;

/// The weights of one direction of one layer, in PyTorch's layout: gates stacked, for an LSTM input, forget, cell, output, for a
/// GRU reset, update, new.
#[derive(Clone)]
pub struct Direction {
    /// For the input `[G·H, I]`, and for the state `[G·H, H]`.
    pub weight_ih: Tensor,
    pub weight_hh: Tensor,
    pub bias_ih: Option<Tensor>,
    pub bias_hh: Option<Tensor>,
}

/// Layers, each with one direction or two.
pub struct Recurrent<'a> {
    pub who: &'a str,
    pub cell: Cell,
    pub layers: Vec<Vec<Direction>>,
    /// Initial states `[layers · directions, sequences, H]`; 0 if not given.
    pub h_0: Option<Tensor>,
    pub c_0: Option<Tensor>,
    /// Between layers, with masks from `rng`.
    pub dropout: f64,
    pub precision: Precision,
}

/// The result of layers.
pub struct States {
    /// Of the last layer after each step, directions concatenated, `[B, T, directions · H]`; 0 for padding.
    pub output: Tensor,
    /// The final state of each sequence in its direction, `[layers · directions, sequences, H]`.
    pub h_n: Tensor,
    /// The final cells of an LSTM.
    pub c_n: Option<Tensor>,
}

impl Recurrent<'_> {
    /// Runs over x `[B, T, I]`, whose segments are separate sequences.
    pub fn run(&self, x: &Tensor, segments: Option<&[u32]>, rng: &mut Rng) -> Result<States> {
        let dims = x.shape();
        let &[rows, length, _] = dims.as_slice() else { bail!(self.who, "x has shape {dims:?}, not three dimensions") };
        let packing = Packing::of(self.who, segments, rows, length)?;
        if packing.spans.is_empty() {
            bail!(self.who, "x of shape {dims:?} holds no step");
        }
        let count = packing.spans.len();
        let directions = self.layers.first().map_or(0, Vec::len);
        let [h_0, c_0] = [&self.h_0, &self.c_0].map(|given| self.starts(given.as_ref(), x, count));
        let (h_0, c_0) = (h_0?, c_0?);
        let (mut tokens, mut last, mut last_cells) = (packing.pack(x)?, Vec::new(), Vec::new());
        for (at, layer) in self.layers.iter().enumerate() {
            let mut sides = Vec::new();
            for (side, direction) in layer.iter().enumerate() {
                let sequences = Sequences { spans: packing.spans.clone(), reverse: side == 1 };
                let place = (at * directions + side) as i64;
                let start = |all: &Tensor| -> Result<Tensor> {
                    let part = narrow(all, 0, place, 1)?;
                    reshape(&part, &[count as i64, -1])
                };
                let (states, cells) = self.side(&tokens, direction, &start(&h_0)?, &start(&c_0)?, &sequences)?;
                last.push(index_select(&states, 0, &indices((0..count).map(|at| sequences.last(at)))?)?);
                last_cells.extend(cells);
                sides.push(states);
            }
            tokens = if sides.len() == 1 { sides.swap_remove(0) } else { cat(&sides, 1)? };
            if at + 1 < self.layers.len() && self.dropout > 0.0 {
                tokens = nn::dropout(&tokens, self.dropout, rng)?;
            }
        }
        let c_n = if last_cells.is_empty() { None } else { Some(stack(&last_cells, 0)?) };
        Ok(States { output: packing.unpack(&tokens)?, h_n: stack(&last, 0)?, c_n })
    }

    /// Initial states, zeros if not given.
    fn starts(&self, given: Option<&Tensor>, x: &Tensor, count: usize) -> Result<Tensor> {
        let directions = self.layers.first().map_or(0, Vec::len);
        let width = self.layers[0][0].weight_hh.shape()[1];
        let dims = [self.layers.len() * directions, count, width];
        match given {
            Some(given) if given.shape() == dims => Ok(given.clone()),
            Some(given) => bail!(
                self.who,
                "first states of shape {:?}: {} layers, {directions} directions and {count} sequences need {dims:?}",
                given.shape(),
                self.layers.len()
            ),
            None => {
                let value = x.value();
                Ok(Array::zeros(dims.as_slice(), value.dtype(), value.device())?.into())
            }
        }
    }

    /// One direction of a layer: states of all tokens, and the final cells of an LSTM.
    fn side(
        &self,
        x: &Tensor,
        weights: &Direction,
        h_0: &Tensor,
        c_0: &Tensor,
        sequences: &Sequences,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let gates = nn::linear(x, &weights.weight_ih, weights.bias_ih.as_ref(), self.precision)
            .map_err(|error| error.attributed_to(self.who))?;
        let (values, w) = (gates.value(), weights.weight_hh.value());
        let bias = match &weights.bias_hh {
            Some(bias) => bias.clone(),
            None => Array::zeros(w.dims()[0], w.dtype(), w.device())?.into(),
        };
        if !fused(&[&values, &w, &bias.value(), &h_0.value(), &c_0.value()]) {
            return composed(self.cell, &gates, &weights.weight_hh, &bias, h_0, c_0, sequences);
        }
        let out = recurrent_layer(self.cell, &gates, &weights.weight_hh, &bias, h_0, c_0, sequences, self.precision)?;
        if self.cell != Cell::Lstm {
            return Ok((out, None));
        }
        let (tokens, count) = (sequences.tokens() as i64, sequences.spans.len() as i64);
        Ok((narrow(&out, 0, 0, tokens)?, Some(narrow(&out, 0, tokens, count)?)))
    }
}

/// The kernel, on the tape.
#[allow(clippy::too_many_arguments)]
fn recurrent_layer(
    cell: Cell,
    gates: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    h_0: &Tensor,
    c_0: &Tensor,
    sequences: &Sequences,
    precision: Precision,
) -> Result<Tensor> {
    let inputs = [gates, weight, bias, h_0, c_0];
    let sequences = sequences.clone();
    let (w, b, h, c) = (weight.value(), bias.value(), h_0.value(), c_0.value());
    let keep = Tensor::records(&inputs);
    let made = recurrent::forward(cell, &gates.value(), &w, &b, &h, &c, &sequences, keep, precision)?;
    let (out, saved) = (made.out.clone(), made.saved);
    Ok(Tensor::derive(made.out, inputs, move |grad, flow| {
        let back = recurrent::backward(cell, &w, &h, &c, &sequences, &out, &saved, &grad, precision)?;
        flow.accumulate(1, w.dims(), |sum, first| back.weight(sum, first, precision))?;
        flow.add(2, || back.bias())?;
        flow.add(3, || Ok(back.start.clone()))?;
        if let Some(start) = &back.start_cell {
            flow.add(4, || Ok(start.clone()))?;
        }
        flow.add(0, || Ok(back.gates))
    }))
}

/// The same step by step, as composed operations: any dtype, any device.
fn composed(
    cell: Cell,
    gates: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    h_0: &Tensor,
    c_0: &Tensor,
    sequences: &Sequences,
) -> Result<(Tensor, Option<Tensor>)> {
    let order = sequences.by_length();
    let sorted = |x: &Tensor| index_select(x, 0, &indices(order.iter().copied())?);
    let (mut h, mut c) = (sorted(h_0)?, sorted(c_0)?);
    let (mut states, mut cells) = (Vec::new(), Vec::new());
    let mut places = vec![0; sequences.tokens()];
    let (mut at, mut step) = (0, 0);
    loop {
        let active = order.partition_point(|sequence| sequences.spans[*sequence].len() > step);
        let gone = h.shape()[0] - active;
        if gone > 0 && cell == Cell::Lstm {
            cells.push(narrow(&c, 0, active as i64, gone as i64)?);
        }
        if active == 0 {
            break;
        }
        let tokens: Vec<usize> = order[..active].iter().map(|sequence| sequences.token(*sequence, step)).collect();
        for token in &tokens {
            places[*token] = at;
            at += 1;
        }
        let x = index_select(gates, 0, &indices(tokens.into_iter())?)?;
        (h, c) = (narrow(&h, 0, 0, active as i64)?, narrow(&c, 0, 0, active as i64)?);
        let own = nn::linear(&h, weight, Some(bias), Precision::F32)?;
        (h, c) = stepped(cell, &x, &own, &h, &c)?;
        states.push(h.clone());
        step += 1;
    }
    let states = index_select(&cat(&states, 0)?, 0, &indices(places.into_iter())?)?;
    if cell != Cell::Lstm {
        return Ok((states, None));
    }
    // the shortest ended first
    cells.reverse();
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(at, sequence)| back[*sequence] = at);
    Ok((states, Some(index_select(&cat(&cells, 0)?, 0, &indices(back.into_iter())?)?)))
}

/// One step: the new state and cell.
fn stepped(cell: Cell, x: &Tensor, own: &Tensor, h: &Tensor, c: &Tensor) -> Result<(Tensor, Tensor)> {
    let width = h.shape()[1] as i64;
    let part = |of: &Tensor, gate: i64| narrow(of, 1, gate * width, width);
    let both = |gate: i64| add(&part(x, gate)?, &part(own, gate)?);
    Ok(match cell {
        Cell::Gru => {
            let (r, z) = (sigmoid(&both(0)?)?, sigmoid(&both(1)?)?);
            let n = tanh(&add(&part(x, 2)?, &multiply(&r, &part(own, 2)?)?)?)?;
            (add(&n, &multiply(&z, &subtract(h, &n)?)?)?, c.clone())
        }
        Cell::Lstm => {
            let (i, f) = (sigmoid(&both(0)?)?, sigmoid(&both(1)?)?);
            let (g, o) = (tanh(&both(2)?)?, sigmoid(&both(3)?)?);
            let next = add(&multiply(&f, c)?, &multiply(&i, &g)?)?;
            (multiply(&o, &tanh(&next)?)?, next)
        }
        Cell::Tanh => (tanh(&both(0)?)?, c.clone()),
        Cell::Relu => (relu(&both(0)?)?, c.clone()),
    })
}
