//! One pass of token rows through a model: what an architecture's blocks are written with.

use super::cache::Cache;
use super::learn::rows_name;
use super::wire::{add, put_rows, reshape, untouched};
use super::{Config, Rows, Weights, arch};
use crate::sync::unpoisoned;
use crate::tensor::nn::{self, Mask, Precision, Rotary};
use crate::tensor::{Array, DType, Rng, Tensor};
use crate::{Result, bail};
use std::sync::{Arc, Mutex};

/// A pass. Cheap to copy: a block that is recomputed keeps one.
#[derive(Clone)]
pub struct Pass {
    pub(super) config: Arc<Config>,
    pub(super) weights: Arc<Weights>,
    pub(super) rotary: Option<Arc<Rotary>>,
    pub(super) precision: Precision,
    pub(super) input: Arc<Input>,
    pub(super) cache: Option<Arc<Mutex<Cache>>>,
    /// What dropout draws from, in training.
    pub(super) dropout: Option<Rng>,
}

/// The rows of a pass, with every position said.
pub struct Input {
    pub rows: usize,
    pub length: usize,
    pub ids: Vec<u32>,
    pub positions: Vec<u32>,
    /// Only where there is more than one, or padding.
    pub segments: Option<Vec<u32>>,
}

impl Input {
    /// Checks rows from outside: their sizes, and every id against the table.
    pub fn new(who: &str, rows: &Rows, vocab: usize) -> Result<Input> {
        let count = rows.rows * rows.length;
        if count == 0 {
            bail!(who, "there are no ids");
        }
        let sizes = [
            ("ids", Some(rows.ids.len())),
            ("labels", rows.labels.map(<[_]>::len)),
            ("segments", rows.segments.map(<[_]>::len)),
            ("positions", rows.positions.map(<[_]>::len)),
        ];
        for (what, size) in sizes {
            if size.is_some_and(|size| size != count) {
                bail!(who, "{} {what} for {} rows of {}", size.unwrap_or_default(), rows.rows, rows.length);
            }
        }
        if let Some(at) = rows.ids.iter().position(|&id| id as usize >= vocab) {
            let (row, column) = (at / rows.length, at % rows.length);
            bail!(who, "id {} (row {row}, place {column}) is outside the table of {vocab} rows", rows.ids[at]);
        }
        let segments = rows.segments.filter(|segments| segments.iter().any(|&segment| segment != 1));
        let positions = match rows.positions {
            Some(positions) => positions.to_vec(),
            None => positions(rows.rows, rows.length, segments),
        };
        Ok(Input {
            rows: rows.rows,
            length: rows.length,
            ids: rows.ids.to_vec(),
            positions,
            segments: segments.map(<[_]>::to_vec),
        })
    }
}

/// Positions from 0 in each segment of each row.
fn positions(rows: usize, length: usize, segments: Option<&[u32]>) -> Vec<u32> {
    let mut positions = Vec::with_capacity(rows * length);
    for row in 0..rows {
        let mut next = 0;
        for column in 0..length {
            let at = row * length + column;
            if column > 0 && segments.is_some_and(|segments| segments[at] != segments[at - 1]) {
                next = 0;
            }
            positions.push(next);
            next += 1;
        }
    }
    positions
}

impl Pass {
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn ids(&self) -> &[u32] {
        &self.input.ids
    }

    pub fn positions(&self) -> &[u32] {
        &self.input.positions
    }

    /// The weights below `path`.
    pub fn at(&self, path: impl Into<String>) -> At<'_> {
        At { pass: self, path: path.into() }
    }

    /// Rows of a table, `[rows, length, hidden]`.
    pub fn embedding(&self, table: &str, ids: &[u32]) -> Result<Tensor> {
        let rows = rows_name(table);
        if !self.weights.has(&rows) {
            return self.lookup(table, ids);
        }
        // two lookups: of the old rows, which are frozen, and of the new ones
        let first = self.weights.get(table)?.dims()[0] as u32;
        let old: Vec<u32> = ids.iter().map(|&id| if id < first { id } else { 0 }).collect();
        let places: Vec<usize> = (0..ids.len()).filter(|&place| ids[place] >= first).collect();
        let base = self.lookup(table, &old)?;
        let learned = self.weights.working(&rows)?;
        if places.is_empty() {
            return untouched(&base.value(), &learned);
        }
        let new: Vec<u32> = places.iter().map(|&place| ids[place] - first).collect();
        put_rows(&base.value(), &nn::embedding(&learned, &new, &[new.len()])?, places)
    }

    fn lookup(&self, table: &str, ids: &[u32]) -> Result<Tensor> {
        let dims = [self.input.rows, self.input.length];
        let weight = self.weights.get(table)?;
        if let Some(blocks) = &weight.blocks {
            return Ok(blocks.select(ids)?.reshape((dims[0], dims[1], ()))?.into());
        }
        let value = weight.param.value();
        if value.dtype() != DType::F32 && (weight.frozen || !Tensor::records(&[&weight.param])) {
            // only the rows that are read are widened
            let index = Array::from_vec(ids.to_vec(), ids.len(), value.device())?;
            let rows = value.index_select(&index, 0)?.to_dtype(DType::F32)?;
            return Ok(rows.reshape((dims[0], dims[1], ()))?.into());
        }
        nn::embedding(&self.weights.working(table)?, ids, &dims)
    }

    /// Rotary positions on `[rows, length, heads, head_dim]`.
    pub fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        match &self.rotary {
            Some(rotary) => nn::rotary(x, rotary, &self.input.positions),
            None => Ok(x.clone()),
        }
    }

    /// Causal attention of a layer, within segments, heads put together again: `[rows, length, heads × head_dim]`.
    pub fn attend(&self, layer: usize, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let scale = 1.0 / (self.config.head_dim as f64).sqrt();
        let mask = Mask { causal: true, window: self.config.windows[layer], segments: self.input.segments.as_deref() };
        let heads = match &self.cache {
            None => nn::attention(q, k, v, scale, &mask, self.precision)?,
            Some(cache) => unpoisoned(cache.lock()).attend(layer, q, k, v, scale, &mask)?,
        };
        reshape(&heads, &[self.input.rows, self.input.length, self.config.heads * self.config.head_dim])
    }

    /// All blocks and the last norm: hidden states `[rows, length, hidden]`.
    pub fn hidden(&self, recompute: bool) -> Result<Tensor> {
        let arch = self.config.arch;
        let mut x = (arch.embed)(self)?;
        for layer in 0..self.config.layers {
            crate::cancel::check()?;
            x = if recompute { self.recomputed(layer, &x)? } else { (arch.block)(self, layer, &x)? };
        }
        (arch.finish)(self, &x)
    }

    /// A block that keeps only its input, and computes the rest again when its gradient is asked for.
    fn recomputed(&self, layer: usize, x: &Tensor) -> Result<Tensor> {
        let arch = self.config.arch;
        let below = format!("{}{layer}.", arch.blocks);
        let learning: Vec<Tensor> = self.weights.learning_below(&below);
        let inputs: Vec<&Tensor> = std::iter::once(x).chain(&learning).collect();
        if !Tensor::records(&inputs) {
            return (arch.block)(self, layer, x);
        }
        let y = crate::tensor::no_grad(|| (arch.block)(self, layer, x))?;
        let (pass, input) = (self.clone(), x.clone());
        Ok(Tensor::derive_from(y.value(), &inputs, move |grad, flow| {
            let y = (arch.block)(&pass, layer, &input)?;
            flow.seed(&y, grad)
        }))
    }

    /// The output table, its own or the input table: as one, or as its old rows and its new ones.
    pub fn head(&self) -> Result<Vec<Tensor>> {
        let head = self.config.head();
        let rows = rows_name(&head);
        let mut tables = vec![self.weights.factor(&head)?];
        if self.weights.has(&rows) {
            tables.push(self.weights.factor(&rows)?);
        }
        Ok(tables)
    }

    /// Logits of hidden states.
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let logits = match &self.weights.get(&self.config.head())?.blocks {
            Some(blocks) => nn::linear_blocks(hidden, blocks, None, self.precision)?,
            None => {
                let head = self.head()?;
                let tables: Vec<_> = head.iter().map(|table| (table, None)).collect();
                nn::side_by_side(hidden, &tables, self.precision)?
            }
        };
        let Some(adapter) = self.weights.adapters.get(arch::HEAD) else { return Ok(logits) };
        let mut rng = self.dropout.as_ref().map(|rng| rng.split(arch::HEAD));
        add(&logits, &adapter.apply(hidden, rng.as_mut(), self.precision)?)
    }

    /// Summed cross-entropy of hidden states `[places, hidden]`, without holding all logits; with them where the output
    /// table has an adapter.
    pub fn cross_entropy(&self, hidden: &Tensor, targets: &[i64], smoothing: f64) -> Result<Tensor> {
        if self.weights.adapters.contains_key(arch::HEAD) {
            return nn::cross_entropy(&self.logits(hidden)?, targets, smoothing);
        }
        let head = self.head()?;
        let tables: Vec<_> = head.iter().map(|table| (table, None)).collect();
        nn::tables_cross_entropy(hidden, &tables, targets, smoothing, self.precision)
    }
}

/// A place in the tree of weights: `at.linear("self_attn.q_proj", &x)`.
pub struct At<'a> {
    pass: &'a Pass,
    path: String,
}

impl At<'_> {
    fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// A linear layer with its bias, if it has one, and with what is attached to it and behind it.
    pub fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let layer = self.name(name);
        let weights = &self.pass.weights;
        let name = format!("{layer}.weight");
        let bias = format!("{layer}.bias");
        let bias = if weights.has(&bias) { Some(weights.working(&bias)?) } else { None };
        let precision = self.pass.precision;
        let y = if let Some(blocks) = &weights.get(&name)?.blocks {
            nn::linear_blocks(x, blocks, bias.as_ref(), precision)?
        } else if self.pass.config.arch.transposed {
            let weight = weights.factor(&name)?;
            nn::linear_transposed(x, &weight, bias.as_ref(), precision)?
        } else {
            nn::linear(x, &weights.factor(&name)?, bias.as_ref(), precision)?
        };
        let y = match weights.adapters.get(&layer) {
            Some(adapter) => {
                let mut rng = self.pass.dropout.as_ref().map(|rng| rng.split(layer.as_str()));
                add(&y, &adapter.apply(x, rng.as_mut(), precision)?)?
            }
            None => y,
        };
        match weights.bottlenecks.get(&layer) {
            Some(adapter) => adapter.apply(&y, precision),
            None => Ok(y),
        }
    }

    pub fn rms_norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let weight = self.pass.weights.working(&format!("{}.weight", self.name(name)))?;
        nn::rms_norm(x, &weight, self.pass.config.norm_eps)
    }

    pub fn layer_norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let name = self.name(name);
        let weight = self.pass.weights.working(&format!("{name}.weight"))?;
        let bias = self.pass.weights.working(&format!("{name}.bias"))?;
        nn::layer_norm(x, &weight, Some(&bias), self.pass.config.norm_eps)
    }

    /// `[rows, length, heads × head_dim]` seen as heads.
    pub fn heads(&self, x: &Tensor, heads: usize) -> Result<Tensor> {
        let input = &self.pass.input;
        reshape(x, &[input.rows, input.length, heads, self.pass.config.head_dim])
    }
}
