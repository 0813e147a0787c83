//! One token for each row, on all threads.

use super::attend::{KvCache, Read, attend};
use super::weights::{Decoder, Layer, LayerView, LinearView, WeightView};
use crate::kernel::activation::swiglu_rows;
use crate::kernel::buffer::unwritten;
use crate::kernel::math;
use crate::kernel::norm::rms_rows;
use crate::kernel::profile::{self, Pass};
use crate::kernel::rope_cache::RopeCache;
use crate::kernel::rotary::apply_rope;
use crate::kernel::score_scale::ScoreScale;
use crate::kernel::team::{self, Board, Phase, Worker};
use crate::kernel::view::view;
use crate::{Result, bail};

impl Decoder {
    /// Computes the logits after one more token of each row, `[rows, vocabulary]`. `caches` holds one cache per layer of each
    /// row, to which the new keys and values are appended.
    pub fn step(
        &self,
        ids: &[u32],
        positions: &[u32],
        rope: Option<&RopeCache>,
        caches: &mut [Vec<KvCache>],
    ) -> Result<Vec<f32>> {
        let _timed = profile::span("decode", Pass::Forward);
        let rows = ids.len();
        let wide = self.kv_heads * self.head_dim;
        let (vocabulary, hidden) = self.head.weight.dims()?;
        if positions.len() != rows || caches.len() != rows || caches.iter().any(|row| row.len() != self.layers.len()) {
            bail!("generate", "{rows} ids with {} positions and {} caches", positions.len(), caches.len());
        }
        let layers = self.layers.iter().map(Layer::view).collect::<Result<Vec<_>>>()?;
        let head = self.head.view()?;
        let norm = view::<f32>(&self.norm)?;
        let mut x = vec![0.0; rows * hidden];
        for (id, x) in ids.iter().zip(x.chunks_exact_mut(hidden)) {
            let id = *id as usize;
            match self.table.view()? {
                WeightView::Plain(table) => table.row(id, x),
                WeightView::Blocks(blocks) => blocks.widen(id..id + 1, x),
            }
        }
        let lengths: Vec<usize> = caches.iter().map(|row| row[0].keys.len() / wide.max(1)).collect();
        // room for the new keys and values, which the threads write in place
        let mut boards = Vec::with_capacity(2 * rows * layers.len());
        for layer in caches.iter_mut().flatten() {
            for numbers in [&mut layer.keys, &mut layer.values] {
                numbers.resize(numbers.len() + wide, 0.0);
                boards.push(Board::new(numbers));
            }
        }
        let queries = self.heads * self.head_dim;
        let inner = layers.first().map_or(0, |layer| layer.down.input);
        let (mut qkv, mut heads) = (unwritten(rows * (queries + 2 * wide)), unwritten(rows * queries));
        let (mut mlp, mut logits) = (unwritten(rows * inner), unwritten(rows * vocabulary));
        let step = TokenStep {
            decoder: self,
            positions,
            rope,
            lengths,
            caches: boards,
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
            step.matmul(worker, 5 * layers.len(), Input::Normed(&norm), &[&head], &step.logits, &mut scratch);
        });
        drop(step);
        Ok(logits)
    }
}

/// State shared by the threads while they compute one token of each row.
struct TokenStep<'a> {
    decoder: &'a Decoder,
    positions: &'a [u32],
    rope: Option<&'a RopeCache>,
    /// Number of earlier tokens of each row.
    lengths: Vec<usize>,
    /// Keys, then values, of each layer of each row.
    caches: Vec<Board<'a>>,
    x: Board<'a>,
    qkv: Board<'a>,
    heads: Board<'a>,
    mlp: Board<'a>,
    logits: Board<'a>,
    hidden: usize,
    /// For every layer: queries, keys and values; attention; its output; gate and up; down. Then the head.
    phases: Vec<Phase>,
}

/// The input of a matmul.
#[derive(Clone, Copy)]
enum Input<'a> {
    /// The hidden states after this norm.
    Normed(&'a [f32]),
    Board(&'a Board<'a>),
}

/// Thread-local buffers.
#[derive(Default)]
struct Scratch {
    x: Vec<f32>,
    y: Vec<f32>,
    up: Vec<f32>,
    scores: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    rotated: Vec<f32>,
}

/// Minimum bytes of weights per part: at the start of a part memory is not prefetched yet.
const PART: usize = 32 << 10;

/// Rows of a matrix per part, of `row_bytes` bytes each.
fn unit(linear: &LinearView, row_bytes: usize) -> usize {
    (PART / row_bytes.max(1)).max(1).next_multiple_of(linear.rows_together())
}

impl TokenStep<'_> {
    fn rows(&self) -> usize {
        self.positions.len()
    }

    fn layer(&self, worker: &Worker, index: usize, layer: &LayerView, scratch: &mut Scratch) {
        let (phase, rows) = (5 * index, self.rows());
        let [q, k, v] = &layer.qkv;
        self.matmul(worker, phase, Input::Normed(&layer.attention_norm), &[q, k, v], &self.qkv, scratch);
        worker.share(&self.phases[phase + 1], rows * self.decoder.heads, 1, |tasks| {
            tasks.for_each(|task| self.attend(index, layer, task, scratch));
        });
        self.matmul(worker, phase + 2, Input::Board(&self.heads), &[&layer.out], &self.x, scratch);
        self.gate_up(worker, phase + 3, layer, scratch);
        self.matmul(worker, phase + 4, Input::Board(&self.mlp), &[&layer.down], &self.x, scratch);
    }

    /// The norm of all rows. Every thread computes its own: sharing it would take longer.
    fn normed(&self, weight: &[f32], y: &mut Vec<f32>) {
        // SAFETY: no phase that reads x through a norm writes it
        let x = unsafe { self.x.read(0..self.rows() * self.hidden) };
        let mut scales = vec![0.0; self.rows()];
        y.clear();
        y.resize(x.len(), 0.0);
        rms_rows(x, weight, y, &mut scales, self.decoder.eps);
    }

    /// Products of one input with several adjacent matrices, in `out`; an input from a board is added to it.
    fn matmul(
        &self,
        worker: &Worker,
        phase: usize,
        input: Input,
        linears: &[&LinearView],
        out: &Board,
        scratch: &mut Scratch,
    ) {
        let width: usize = linears.iter().map(|linear| linear.output).sum();
        let Scratch { x, y, .. } = scratch;
        x.clear();
        worker.share(&self.phases[phase], width, unit(linears[0], linears[0].row_bytes()), |range| {
            let (x, add) = match input {
                Input::Normed(weight) => {
                    if x.is_empty() {
                        self.normed(weight, x);
                    }
                    (&x[..], false)
                }
                // SAFETY: it was written in the previous phase, and is not written in this one
                Input::Board(board) => (unsafe { board.read(0..self.rows() * linears[0].input) }, true),
            };
            let mut first = 0;
            for linear in linears {
                let (start, end) = (range.start.max(first), range.end.min(first + linear.output));
                if start < end {
                    linear.columns(x, start - first..end - first, self.decoder.precision, y);
                    for (row, y) in y.chunks_exact(end - start).enumerate() {
                        // SAFETY: these columns belong to this thread, and are read in a later phase
                        let out = unsafe { out.write(row * width + start..row * width + end) };
                        if add {
                            math::add_scaled(out, 1.0, y);
                        } else {
                            out.copy_from_slice(y);
                        }
                    }
                }
                first += linear.output;
            }
        });
    }

    /// silu(gate) · up, with the columns of both in one part.
    fn gate_up(&self, worker: &Worker, phase: usize, layer: &LayerView, scratch: &mut Scratch) {
        let [gate, up] = &layer.gate_up;
        let width = gate.output;
        scratch.x.clear();
        worker.share(&self.phases[phase], width, unit(gate, 2 * gate.row_bytes()), |range| {
            if scratch.x.is_empty() {
                self.normed(&layer.mlp_norm, &mut scratch.x);
            }
            gate.columns(&scratch.x, range.clone(), self.decoder.precision, &mut scratch.y);
            up.columns(&scratch.x, range.clone(), self.decoder.precision, &mut scratch.up);
            let parts = scratch.y.chunks_exact(range.len()).zip(scratch.up.chunks_exact(range.len()));
            for (row, (gate, up)) in parts.enumerate() {
                // SAFETY: these columns belong to this thread, and are read in the next phase
                swiglu_rows(gate, up, unsafe { self.mlp.write(row * width + range.start..row * width + range.end) });
            }
        });
    }

    /// One head of one row; the first head of a group also stores the group's key and value.
    fn attend(&self, index: usize, layer: &LayerView, task: usize, scratch: &mut Scratch) {
        let Decoder { heads, kv_heads, head_dim: head, eps, .. } = *self.decoder;
        let (row, h) = (task / heads, task % heads);
        let (queries, wide) = (heads * head, kv_heads * head);
        let kv_head = h / (heads / kv_heads);
        let base = row * (queries + 2 * wide);
        // SAFETY: queries, keys and values were written in the previous phase
        let part = |from: usize| unsafe { self.qkv.read(base + from..base + from + head) };
        let value = part(queries + wide + kv_head * head);
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
            if let Some(rope) = self.rope {
                let at = self.positions[row] as usize * rope.half;
                let angles = at..at + rope.half;
                scratch.rotated.clear();
                scratch.rotated.resize(head, 0.0);
                apply_rope(y, &mut scratch.rotated, head, &rope.cos[angles.clone()], &rope.sin[angles], 1.0);
                y.copy_from_slice(&scratch.rotated);
            }
        };
        place(part(h * head), q_norm, &mut scratch.q);
        place(part(queries + kv_head * head), k_norm, &mut scratch.k);
        let count = self.lengths[row];
        let at = 2 * (row * self.decoder.layers.len() + index);
        let (keys, values) = (&self.caches[at], &self.caches[at + 1]);
        if h.is_multiple_of(heads / kv_heads) {
            let own = count * wide + kv_head * head..count * wide + (kv_head + 1) * head;
            // SAFETY: only this task writes the new token's slot in this kv_head; the others use their own copy of its numbers
            unsafe {
                keys.write(own.clone()).copy_from_slice(&scratch.k);
                values.write(own).copy_from_slice(value);
            }
        }
        // SAFETY: earlier tokens are not written; the heads' columns belong to this task
        let (read, out) = unsafe {
            let read = Read {
                keys: keys.read(0..count * wide),
                values: values.read(0..count * wide),
                stride: wide,
                offset: kv_head * head,
            };
            (read, self.heads.write(row * queries + h * head..row * queries + (h + 1) * head))
        };
        let from = layer.window.map_or(0, |window| (count + 1).saturating_sub(window.max(1)));
        let scale = ScoreScale::from(1.0 / (head as f64).sqrt());
        attend(&scratch.q, read, (from, count), (&scratch.k, value), scale, &mut scratch.scores, out);
    }
}
