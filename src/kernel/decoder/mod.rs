//! The next token of a Llama-style decoder as one operation, every weight read once: RMS norms, rotary positions,
//! grouped heads, SwiGLU, with the biases and head norms of its relatives, and LoRA adapters.
//!
//! The same mathematics as the model's blocks, operation by operation. There, decoding is a few hundred small
//! operations a token, and their threads, memory and names cost more than what they compute.

mod attend;

pub use attend::attend_heads;
use attend::{Read, attend};

use super::activation::swiglu_rows;
use super::matvec;
use super::memory::unwritten;
use super::norm::rms_rows;
use super::product::Weight;
use super::profile::{self, Pass};
use super::quant::Blocks;
use super::rotary::{Turns, turn};
use super::team::{self, Board, Phase, Worker};
use super::view::{View, view};
use super::{Array, DType, fused};
use crate::{Result, bail};
use std::ops::Range;
use std::sync::Arc;

/// A matrix: f32 or bf16, or in blocks.
#[derive(Clone)]
pub enum Factor {
    Plain(Array),
    Blocks(Arc<Blocks>),
}

/// x · weightᵀ + bias, and the product of two narrow matrices beside it.
pub struct Linear {
    /// `[out, in]`
    pub weight: Factor,
    pub bias: Option<Array>,
    /// A `[rank, in]`, B `[out, rank]`, and the scale of their product.
    pub adapter: Option<(Array, Array, f32)>,
}

pub struct Layer {
    pub attention_norm: Array,
    /// Queries, keys and values.
    pub qkv: [Linear; 3],
    /// Norms on the heads of queries and keys.
    pub head_norms: Option<[Array; 2]>,
    pub out: Linear,
    pub mlp_norm: Array,
    /// Gate and up.
    pub gate_up: [Linear; 2],
    pub down: Linear,
    /// How far back it sees, its own place counted.
    pub window: Option<usize>,
}

pub struct Decoder {
    pub table: Factor,
    pub layers: Vec<Layer>,
    pub norm: Array,
    pub head: Linear,
    pub heads: usize,
    pub groups: usize,
    pub head_dim: usize,
    pub eps: f64,
}

/// Keys and values of one sequence, layer by layer: `groups × head_dim` numbers a token.
#[derive(Clone, Default)]
pub struct Memory {
    pub keys: Vec<f32>,
    pub values: Vec<f32>,
}

/// A [`Factor`] whose numbers are at hand.
enum Numbers<'a> {
    Plain(Weight<'a>),
    Blocks(&'a Blocks),
}

impl Factor {
    fn open(&self) -> Result<Numbers<'_>> {
        Ok(match self {
            Factor::Plain(array) => Numbers::Plain(Weight::of(array)?),
            Factor::Blocks(blocks) => Numbers::Blocks(blocks),
        })
    }

    fn dims(&self) -> Result<(usize, usize)> {
        match self {
            Factor::Plain(array) => Ok(array.dims2()?),
            Factor::Blocks(blocks) => Ok((blocks.dims()[0], blocks.dims()[1])),
        }
    }

    /// Contiguous on the CPU, in f32, bf16 or blocks.
    fn fits(&self) -> bool {
        match self {
            Factor::Plain(array) => {
                array.is_contiguous() && array.device().is_cpu() && matches!(array.dtype(), DType::F32 | DType::BF16)
            }
            Factor::Blocks(_) => true,
        }
    }
}

/// A [`Linear`] whose numbers are at hand.
struct Open<'a> {
    weight: Numbers<'a>,
    bias: Option<View<'a, f32>>,
    adapter: Option<(View<'a, f32>, View<'a, f32>, f32)>,
    output: usize,
    input: usize,
}

impl Linear {
    fn open(&self) -> Result<Open<'_>> {
        let (output, input) = self.weight.dims()?;
        let adapter = match &self.adapter {
            Some((a, b, scale)) => Some((view::<f32>(a)?, view::<f32>(b)?, *scale)),
            None => None,
        };
        let bias = self.bias.as_ref().map(view::<f32>).transpose()?;
        Ok(Open { weight: self.weight.open()?, bias, adapter, output, input })
    }

    fn arrays(&self) -> impl Iterator<Item = &Array> {
        let adapter = self.adapter.iter().flat_map(|(a, b, _)| [a, b]);
        self.bias.iter().chain(adapter)
    }
}

impl Open<'_> {
    /// Bytes of one row, about.
    fn row_bytes(&self) -> usize {
        match &self.weight {
            Numbers::Plain(Weight::F32(_)) => 4 * self.input,
            Numbers::Plain(Weight::Bf16(_)) => 2 * self.input,
            Numbers::Blocks(blocks) => blocks.row_bytes(),
        }
    }

    /// The columns `range` of the product for every row of `x`, one row's after the other's.
    fn columns(&self, x: &[f32], range: Range<usize>, y: &mut Vec<f32>) {
        let rows = x.len() / self.input;
        profile::product([rows, range.len(), self.input]);
        y.clear();
        y.resize(rows * range.len(), 0.0);
        match &self.weight {
            Numbers::Plain(weight) => {
                matvec::rows(x, self.input, weight.rows(self.input).values, self.input, range.clone(), y);
            }
            Numbers::Blocks(blocks) => blocks.rows(x, range.clone(), y),
        }
        if let Some(bias) = &self.bias {
            y.chunks_exact_mut(range.len()).for_each(|y| super::math::add_scaled(y, 1.0, &bias[range.clone()]));
        }
        if let Some((a, b, scale)) = &self.adapter {
            let rank = a.len() / self.input;
            let mut narrow = vec![0.0; rows * rank];
            matvec::rows(x, self.input, (&a[..]).into(), self.input, 0..rank, &mut narrow);
            super::math::scale(&mut narrow, *scale);
            let mut beside = vec![0.0; y.len()];
            matvec::rows(&narrow, rank, (&b[..]).into(), rank, range, &mut beside);
            super::math::add_scaled(y, 1.0, &beside);
        }
    }
}

/// A [`Layer`] whose numbers are at hand.
struct OpenLayer<'a> {
    attention_norm: View<'a, f32>,
    qkv: [Open<'a>; 3],
    head_norms: Option<[View<'a, f32>; 2]>,
    out: Open<'a>,
    mlp_norm: View<'a, f32>,
    gate_up: [Open<'a>; 2],
    down: Open<'a>,
    window: Option<usize>,
}

impl Layer {
    fn open(&self) -> Result<OpenLayer<'_>> {
        let [q, k, v] = &self.qkv;
        let [gate, up] = &self.gate_up;
        Ok(OpenLayer {
            attention_norm: view(&self.attention_norm)?,
            qkv: [q.open()?, k.open()?, v.open()?],
            head_norms: match &self.head_norms {
                Some([q, k]) => Some([view(q)?, view(k)?]),
                None => None,
            },
            out: self.out.open()?,
            mlp_norm: view(&self.mlp_norm)?,
            gate_up: [gate.open()?, up.open()?],
            down: self.down.open()?,
            window: self.window,
        })
    }

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.qkv.iter().chain(&self.gate_up).chain([&self.out, &self.down])
    }
}

impl Decoder {
    /// Whether the kernel takes these weights: contiguous on the CPU, the matrices in f32, bf16 or blocks, the rest in f32.
    pub fn takes(&self) -> bool {
        let linears = || self.layers.iter().flat_map(Layer::linears).chain([&self.head]);
        let norms = self.layers.iter().flat_map(|layer| {
            [&layer.attention_norm, &layer.mlp_norm].into_iter().chain(layer.head_norms.iter().flatten())
        });
        let plain: Vec<&Array> = norms.chain([&self.norm]).chain(linears().flat_map(Linear::arrays)).collect();
        fused(&plain)
            && plain.iter().all(|array| array.is_contiguous())
            && linears().map(|linear| &linear.weight).chain([&self.table]).all(Factor::fits)
    }

    /// Logits after one more token of each row, `[rows, vocabulary]`. `memory` holds a layer of each row after the
    /// other, and takes in the new keys and values.
    pub fn step(
        &self,
        ids: &[u32],
        positions: &[u32],
        turns: Option<&Turns>,
        memory: &mut [Vec<Memory>],
    ) -> Result<Vec<f32>> {
        let _timed = profile::span("decode", Pass::Forward);
        let rows = ids.len();
        let wide = self.groups * self.head_dim;
        let (vocabulary, hidden) = self.head.weight.dims()?;
        if positions.len() != rows || memory.len() != rows || memory.iter().any(|row| row.len() != self.layers.len()) {
            bail!("generate", "{rows} ids with {} positions and {} memories", positions.len(), memory.len());
        }
        let layers = self.layers.iter().map(Layer::open).collect::<Result<Vec<_>>>()?;
        let head = self.head.open()?;
        let norm = view::<f32>(&self.norm)?;
        let mut x = vec![0.0; rows * hidden];
        for (id, x) in ids.iter().zip(x.chunks_exact_mut(hidden)) {
            let id = *id as usize;
            match self.table.open()? {
                Numbers::Plain(table) => table.row(id, x),
                Numbers::Blocks(blocks) => blocks.widen(id..id + 1, x)?,
            }
        }
        let lengths: Vec<usize> = memory.iter().map(|row| row[0].keys.len() / wide.max(1)).collect();
        // room for the new keys and values, which the threads write in their place
        let mut boards = Vec::with_capacity(2 * rows * layers.len());
        for layer in memory.iter_mut().flatten() {
            for numbers in [&mut layer.keys, &mut layer.values] {
                numbers.resize(numbers.len() + wide, 0.0);
                boards.push(Board::new(numbers));
            }
        }
        let queries = self.heads * self.head_dim;
        let inner = layers.first().map_or(0, |layer| layer.down.input);
        let (mut qkv, mut heads) = (unwritten(rows * (queries + 2 * wide)), unwritten(rows * queries));
        let (mut mlp, mut logits) = (unwritten(rows * inner), unwritten(rows * vocabulary));
        let step = Step {
            decoder: self,
            positions,
            turns,
            lengths,
            memory: boards,
            x: Board::new(&mut x),
            qkv: Board::new(&mut qkv),
            heads: Board::new(&mut heads),
            mlp: Board::new(&mut mlp),
            logits: Board::new(&mut logits),
            hidden,
            phases: std::iter::repeat_with(Phase::default).take(5 * layers.len() + 1).collect(),
        };
        team::run(|worker| {
            let mut scratch = Scratch::default();
            for (index, layer) in layers.iter().enumerate() {
                step.layer(worker, index, layer, &mut scratch);
            }
            step.product(worker, 5 * layers.len(), Input::Normed(&norm), &[&head], &step.logits, &mut scratch);
        });
        drop(step);
        Ok(logits)
    }
}

/// What the threads share while they compute one token of each row.
struct Step<'a> {
    decoder: &'a Decoder,
    positions: &'a [u32],
    turns: Option<&'a Turns>,
    /// Tokens that were read before, of each row.
    lengths: Vec<usize>,
    /// Keys, then values, of each layer of each row.
    memory: Vec<Board<'a>>,
    x: Board<'a>,
    qkv: Board<'a>,
    heads: Board<'a>,
    mlp: Board<'a>,
    logits: Board<'a>,
    hidden: usize,
    /// Of every layer: queries, keys and values; attention; its output; gate and up; down. Then the head.
    phases: Vec<Phase>,
}

/// What a product reads.
#[derive(Clone, Copy)]
enum Input<'a> {
    /// The states under this norm.
    Normed(&'a [f32]),
    Board(&'a Board<'a>),
}

/// What a thread has to itself.
#[derive(Default)]
struct Scratch {
    x: Vec<f32>,
    y: Vec<f32>,
    up: Vec<f32>,
    scores: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    turned: Vec<f32>,
}

/// The least bytes of weights that are taken at once: where a part starts, memory is not yet on its way.
const PART: usize = 32 << 10;

/// Rows of a matrix that are taken at once.
fn unit(row_bytes: usize) -> usize {
    (PART / row_bytes.max(1)).max(1)
}

impl Step<'_> {
    fn rows(&self) -> usize {
        self.positions.len()
    }

    fn layer(&self, worker: &Worker, index: usize, layer: &OpenLayer, scratch: &mut Scratch) {
        let (phase, rows) = (5 * index, self.rows());
        let [q, k, v] = &layer.qkv;
        self.product(worker, phase, Input::Normed(&layer.attention_norm), &[q, k, v], &self.qkv, scratch);
        worker.share(&self.phases[phase + 1], rows * self.decoder.heads, 1, |tasks| {
            tasks.for_each(|task| self.attend(index, layer, task, scratch));
        });
        self.product(worker, phase + 2, Input::Board(&self.heads), &[&layer.out], &self.x, scratch);
        self.gate_up(worker, phase + 3, layer, scratch);
        self.product(worker, phase + 4, Input::Board(&self.mlp), &[&layer.down], &self.x, scratch);
    }

    /// The norm of all rows. Every thread has its own: to share it would take longer.
    fn normed(&self, weight: &[f32], y: &mut Vec<f32>) {
        // SAFETY: no phase that reads x through a norm writes it
        let x = unsafe { self.x.read(0..self.rows() * self.hidden) };
        let mut scales = vec![0.0; self.rows()];
        y.clear();
        y.resize(x.len(), 0.0);
        rms_rows(x, weight, y, &mut scales, self.decoder.eps);
    }

    /// Products of one input with several matrices side by side, in `out`; what comes from a board is added to it.
    fn product(
        &self,
        worker: &Worker,
        phase: usize,
        input: Input,
        linears: &[&Open],
        out: &Board,
        scratch: &mut Scratch,
    ) {
        let width: usize = linears.iter().map(|linear| linear.output).sum();
        let Scratch { x, y, .. } = scratch;
        x.clear();
        worker.share(&self.phases[phase], width, unit(linears[0].row_bytes()), |range| {
            let (x, add) = match input {
                Input::Normed(weight) => {
                    if x.is_empty() {
                        self.normed(weight, x);
                    }
                    (&x[..], false)
                }
                // SAFETY: it was written in the phase before, and is not in this
                Input::Board(board) => (unsafe { board.read(0..self.rows() * linears[0].input) }, true),
            };
            let mut first = 0;
            for linear in linears {
                let (start, end) = (range.start.max(first), range.end.min(first + linear.output));
                if start < end {
                    linear.columns(x, start - first..end - first, y);
                    for (row, y) in y.chunks_exact(end - start).enumerate() {
                        // SAFETY: these columns are this thread's, and are read in a later phase
                        let out = unsafe { out.write(row * width + start..row * width + end) };
                        if add {
                            super::math::add_scaled(out, 1.0, y);
                        } else {
                            out.copy_from_slice(y);
                        }
                    }
                }
                first += linear.output;
            }
        });
    }

    /// silu(gate) · up, columns of both in one part.
    fn gate_up(&self, worker: &Worker, phase: usize, layer: &OpenLayer, scratch: &mut Scratch) {
        let [gate, up] = &layer.gate_up;
        let width = gate.output;
        scratch.x.clear();
        worker.share(&self.phases[phase], width, unit(2 * gate.row_bytes()), |range| {
            if scratch.x.is_empty() {
                self.normed(&layer.mlp_norm, &mut scratch.x);
            }
            gate.columns(&scratch.x, range.clone(), &mut scratch.y);
            up.columns(&scratch.x, range.clone(), &mut scratch.up);
            let parts = scratch.y.chunks_exact(range.len()).zip(scratch.up.chunks_exact(range.len()));
            for (row, (gate, up)) in parts.enumerate() {
                // SAFETY: these columns are this thread's, and are read in the next phase
                swiglu_rows(gate, up, unsafe { self.mlp.write(row * width + range.start..row * width + range.end) });
            }
        });
    }

    /// One head of one row; the first head of a group also keeps the group's key and value.
    fn attend(&self, index: usize, layer: &OpenLayer, task: usize, scratch: &mut Scratch) {
        let Decoder { heads, groups, head_dim: head, eps, .. } = *self.decoder;
        let (row, h) = (task / heads, task % heads);
        let (queries, wide) = (heads * head, groups * head);
        let group = h / (heads / groups);
        let base = row * (queries + 2 * wide);
        // SAFETY: queries, keys and values were written in the phase before
        let part = |from: usize| unsafe { self.qkv.read(base + from..base + from + head) };
        let value = part(queries + wide + group * head);
        let (q_norm, k_norm) = match &layer.head_norms {
            Some([q, k]) => (Some(&q[..]), Some(&k[..])),
            None => (None, None),
        };
        let mut place = |x: &[f32], norm: Option<&[f32]>, y: &mut Vec<f32>| {
            y.clear();
            y.extend_from_slice(x);
            if let Some(norm) = norm {
                rms_rows(x, norm, y, &mut [0.0], eps);
            }
            if let Some(turns) = self.turns {
                let at = self.positions[row] as usize * turns.half;
                let angles = at..at + turns.half;
                scratch.turned.clear();
                scratch.turned.resize(head, 0.0);
                turn(y, &mut scratch.turned, head, &turns.cos[angles.clone()], &turns.sin[angles], 1.0);
                y.copy_from_slice(&scratch.turned);
            }
        };
        place(part(h * head), q_norm, &mut scratch.q);
        place(part(queries + group * head), k_norm, &mut scratch.k);
        let count = self.lengths[row];
        let at = 2 * (row * self.decoder.layers.len() + index);
        let (keys, values) = (&self.memory[at], &self.memory[at + 1]);
        if h.is_multiple_of(heads / groups) {
            let own = count * wide + group * head..count * wide + (group + 1) * head;
            // SAFETY: the new token's place in this group is this task's; the others have its numbers at hand
            unsafe {
                keys.write(own.clone()).copy_from_slice(&scratch.k);
                values.write(own).copy_from_slice(value);
            }
        }
        // SAFETY: what was read before is not written; the heads' columns are this task's
        let (read, out) = unsafe {
            let read = Read {
                keys: keys.read(0..count * wide),
                values: values.read(0..count * wide),
                stride: wide,
                offset: group * head,
            };
            (read, self.heads.write(row * queries + h * head..row * queries + (h + 1) * head))
        };
        let from = layer.window.map_or(0, |window| (count + 1).saturating_sub(window.max(1)));
        let by = 1.0 / (head as f64).sqrt() as f32;
        attend(&scratch.q, read, (from, count), (&scratch.k, value), by, &mut scratch.scores, out);
    }
}
