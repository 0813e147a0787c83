//! One forward pass over token rows: the operations that architectures and heads are written in.

use super::adapt::lora::Beneath;
use super::cache::Cache;
use super::config::{Config, OutputEmbeddings};
use super::input::Input;
use super::observer::Observer;
use super::relative::Relative;
use super::rows_apart::IdsApart;
use super::weights::Weights;
use crate::sync::unpoisoned;
use crate::tensor::nn::{self, Dropout, LossShape, Mask, Precision, Rotary};
use crate::tensor::{Array, DType, Device, Rng, Tensor, ops};
use crate::{Error, Result};
use std::borrow::Cow;
use std::sync::{Arc, Mutex};

/// A forward pass. Cheap to clone: a recomputed layer keeps a copy.
#[derive(Clone)]
pub struct Forward {
    pub(super) config: Arc<Config>,
    pub(super) weights: Arc<Weights>,
    pub(super) rotary: Option<Arc<Rotary>>,
    /// For the layers with a window, if different.
    pub(super) local_rotary: Option<Arc<Rotary>>,
    pub(super) precision: Precision,
    pub(super) input: Arc<Input>,
    pub(super) cache: Option<Arc<Mutex<Cache>>>,
    /// The random stream of dropout, in training.
    pub(super) dropout: Option<Rng>,
    /// Observes the inputs of linear layers.
    pub(super) observer: Option<Arc<Observer>>,
}

impl Forward {
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn ids(&self) -> &[u32] {
        &self.input.ids
    }

    pub fn positions(&self) -> &[u32] {
        &self.input.positions
    }

    /// The token type of every token, 0 by default.
    pub fn token_types(&self) -> Cow<'_, [u32]> {
        match &self.input.token_types {
            Some(types) => Cow::Borrowed(types),
            None => Cow::Owned(vec![0; self.input.ids.len()]),
        }
    }

    /// The trainable weights below a path that ends in a dot.
    pub fn trainable_below(&self, path: &str) -> Vec<Tensor> {
        self.weights.trainable_below(path)
    }

    /// The weights below `path`.
    pub fn at(&self, path: impl Into<String>) -> At<'_> {
        At { pass: self, path: path.into() }
    }

    /// Embedding lookup with attached adapters, `[rows, length, hidden]`.
    pub fn embedding(&self, table: &str, ids: &[u32]) -> Result<Tensor> {
        let rows = self.table_rows(table, ids)?;
        let adapter = table.strip_suffix(".weight").and_then(|layer| self.weights.lora.get(layer));
        let Some(adapter) = adapter.filter(|adapter| adapter.embedding) else { return Ok(rows) };
        let weight = || Ok(self.weights.whole(table)?.to_dtype(DType::F32)?.t()?.contiguous()?);
        adapter.apply_rows(&rows, ids, &weight, self.precision)
    }

    fn table_rows(&self, table: &str, ids: &[u32]) -> Result<Tensor> {
        let Some(apart) = self.weights.rows_apart(table)? else { return self.lookup(table, ids) };
        // two lookups: in the frozen table, and in the separate rows
        let new = apart.places(ids);
        let old: Vec<u32> = ids.iter().zip(&new).map(|(&id, new)| if new.is_some() { 0 } else { id }).collect();
        let places: Vec<usize> = (0..ids.len()).filter(|&place| new[place].is_some()).collect();
        let base = self.lookup(table, &old)?;
        let learned = self.weights.working(&apart.weight)?;
        if places.is_empty() {
            return untouched(&base.value(), &learned);
        }
        let new: Vec<u32> = new.into_iter().flatten().collect();
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
            // convert only the rows that are read
            let index = Array::from_vec(ids.to_vec(), ids.len(), value.device())?;
            let rows = value.index_select(&index, 0)?.to_dtype(DType::F32)?;
            return Ok(rows.reshape((dims[0], dims[1], ()))?.into());
        }
        nn::embedding(&self.weights.working(table)?, ids, &dims)
    }

    /// A linear layer by its full name: see [`At::linear`].
    pub fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        At { pass: self, path: String::new() }.linear(name, x)
    }

    /// A weight by its full name.
    pub fn weight(&self, name: &str) -> Result<Tensor> {
        self.weights.working(name)
    }

    pub fn layer_norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        At { pass: self, path: String::new() }.layer_norm(name, x)
    }

    /// The tokens of each sequence, as positions in `rows × length`.
    pub fn sequences(&self) -> Vec<Vec<u32>> {
        self.input.sequences()
    }

    /// Applies rotary positions to `[rows, length, heads, head_dim]`.
    pub fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        self.rotated(x, &self.rotary)
    }

    /// The same for a layer, whose rotary positions may differ if it has a window.
    pub fn rotate_in(&self, layer: usize, x: &Tensor) -> Result<Tensor> {
        match &self.local_rotary {
            local @ Some(_) if self.config.windows[layer].is_some() => self.rotated(x, local),
            _ => self.rotate(x),
        }
    }

    fn rotated(&self, x: &Tensor, rotary: &Option<Arc<Rotary>>) -> Result<Tensor> {
        match rotary {
            Some(rotary) if self.cache.is_some() && self.input.length == 1 => {
                let last = self.input.positions.iter().copied().max().unwrap_or(0);
                nn::rotate(x, rotary.step_cache(last), &self.input.positions)
            }
            Some(rotary) if rotary.depends_on_length() => {
                nn::rotary_of(x, rotary, &self.sequences(), &self.input.positions)
            }
            Some(rotary) => nn::rotary(x, rotary, &self.input.positions),
            None => Ok(x.clone()),
        }
    }

    /// Applies dropout with this probability, in training: the mask is the same whenever `place` is recomputed.
    pub fn drop(&self, place: &str, x: &Tensor, p: f64) -> Result<Tensor> {
        match &self.dropout {
            Some(rng) if p > 0.0 => nn::dropout(x, p, &mut rng.split("dropout").split(place)),
            _ => Ok(x.clone()),
        }
    }

    /// The attention mask and dropout of a layer: the same when the layer is recomputed.
    fn mask(&self, layer: usize) -> Result<Mask<'_>> {
        let (window, p) = (self.config.windows[layer], self.config.dropout.attention);
        let rng = self.dropout.as_ref().filter(|_| p > 0.0).map(|rng| rng.split("attention").split(layer as u64));
        let dropout = rng.map(|mut rng| Dropout::new("attention", p, rng.next_u64())).transpose()?;
        Ok(Mask { causal: self.config.layout.causal, window, segments: self.input.segments.as_deref(), dropout })
    }

    /// Attention with relative-position scores: `keys` and `queries` are the relative embeddings.
    pub fn attend_by_distance(
        &self,
        layer: usize,
        [q, k, v]: [&Tensor; 3],
        [keys, queries]: [Option<&Tensor>; 2],
        relative: &Relative,
    ) -> Result<Tensor> {
        let terms = 1 + usize::from(keys.is_some()) + usize::from(queries.is_some());
        let scale = 1.0 / ((self.config.head_dim * terms) as f64).sqrt();
        let distances = nn::Distances { keys, queries, rows: relative.rows(self.input.length) };
        self.joined(&nn::disentangled_attention(q, k, v, distances, scale, &self.mask(layer)?)?)
    }

    /// The heads of each token, concatenated.
    fn joined(&self, heads: &Tensor) -> Result<Tensor> {
        reshape(heads, &[self.input.rows, self.input.length, self.config.heads * self.config.head_dim])
    }

    /// Attention of a layer within segments, heads concatenated: `[rows, length, heads × head_dim]`.
    pub fn attend(&self, layer: usize, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let scale = self.config.score_scale();
        let mask = self.mask(layer)?;
        let heads = match &self.cache {
            None => nn::attention(q, k, v, scale, &mask, self.precision)?,
            Some(cache) => unpoisoned(cache.lock()).attend(layer, q, k, v, scale, &mask)?,
        };
        self.joined(&heads)
    }

    fn output(&self) -> Result<&OutputEmbeddings> {
        self.config.output.as_ref().ok_or_else(|| Error::new("model", "this head has no output embeddings"))
    }

    /// The output embeddings with their bias: one table, or its old rows followed by its new rows.
    fn output_tables(&self) -> Result<Vec<(Tensor, Option<Tensor>)>> {
        let OutputEmbeddings { weight, bias, .. } = self.output()?;
        let bias = bias.as_ref().map(|bias| self.weights.working(bias)).transpose()?;
        let Some(apart) = self.weights.rows_apart(weight)? else {
            return Ok(vec![(self.weights.factor(weight)?, bias)]);
        };
        let first = match apart.ids {
            IdsApart::Of(ids) => return Ok(vec![(self.weights.with_scattered(weight, &apart.weight, ids)?, bias)]),
            IdsApart::From(first) => i64::from(first),
        };
        let (old, new) = (self.weights.factor(weight)?, self.weights.factor(&apart.weight)?);
        let count = new.value().dims()[0] as i64;
        let part = |from: i64, size: i64| bias.as_ref().map(|bias| ops::narrow(bias, 0, from, size)).transpose();
        Ok(vec![(old, part(0, first)?), (new, part(first, count)?)])
    }

    /// Logits of hidden states: a score for each token id.
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let logits = self.unlimited_logits(hidden)?;
        match self.config.logit_softcap {
            Some(cap) => nn::softcap(&logits, cap),
            None => Ok(logits),
        }
    }

    fn unlimited_logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let output = self.output()?;
        let bias = output.bias.as_ref().map(|bias| self.weights.working(bias)).transpose()?;
        let weight = self.weights.get(&output.weight)?;
        let logits = match &weight.blocks {
            Some(blocks) => nn::linear_blocks(hidden, blocks, bias.as_ref(), self.precision)?,
            None => {
                let tables = self.output_tables()?;
                let tables: Vec<_> = tables.iter().map(|(table, bias)| (table, bias.as_ref())).collect();
                nn::side_by_side(hidden, &tables, self.precision)?
            }
        };
        let Some(adapter) = self.weights.lora.get(output.layer()) else { return Ok(logits) };
        let product = |x: &Tensor| match &weight.blocks {
            Some(blocks) => nn::linear_blocks(x, blocks, None, self.precision),
            None => nn::linear(x, &self.weights.factor(&output.weight)?, None, self.precision),
        };
        let numbers = || Ok(self.weights.whole(&output.weight)?.to_dtype(DType::F32)?);
        let beneath = Beneath { weight: &numbers, product: &product, bias: bias.as_ref() };
        let mut rng = self.dropout.as_ref().map(|rng| rng.split(output.layer()));
        adapter.apply(&logits, hidden, &beneath, rng.as_mut(), self.precision)
    }

    /// Summed cross-entropy of hidden states `[N, hidden]` without holding all logits, except with LoRA on the output embeddings.
    pub fn cross_entropy(&self, hidden: &Tensor, targets: &[i64], smoothing: f64) -> Result<Tensor> {
        if self.weights.lora.contains_key(self.output()?.layer()) {
            return nn::cross_entropy(&self.logits(hidden)?, targets, smoothing);
        }
        let tables = self.output_tables()?;
        let tables: Vec<_> = tables.iter().map(|(table, bias)| (table, bias.as_ref())).collect();
        let shape = LossShape { smoothing, cap: self.config.logit_softcap };
        nn::tables_cross_entropy(hidden, &tables, targets, shape, self.precision)
    }
}

/// Reshapes a tensor.
fn reshape(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    ops::reshape(x, &dims.iter().map(|&size| size as i64).collect::<Vec<_>>())
}

/// A frozen array with the rows at `places` replaced by `rows`.
fn put_rows(base: &Array, rows: &Tensor, places: Vec<usize>) -> Result<Tensor> {
    if !base.device().is_cpu() {
        return put_rows_there(base, rows, &places);
    }
    let width = base.dims().last().copied().unwrap_or(1);
    let mut numbers: Vec<f32> = base.flatten_all()?.to_vec1()?;
    let new: Vec<f32> = rows.value().flatten_all()?.to_vec1()?;
    for (place, row) in places.iter().zip(new.chunks_exact(width)) {
        numbers[place * width..][..width].copy_from_slice(row);
    }
    let value = Array::from_vec(numbers, base.dims(), base.device())?;
    Ok(Tensor::derive(value, [rows], move |grad, flow| {
        flow.add(0, || {
            let grad: Vec<f32> = grad.flatten_all()?.to_vec1()?;
            let taken = places.iter().flat_map(|place| &grad[place * width..][..width]).copied().collect();
            Ok(Array::from_vec(taken, (places.len(), width), &Device::Cpu)?)
        })
    }))
}

/// [`put_rows`] on a device other than the CPU: only the indices are transferred.
fn put_rows_there(base: &Array, rows: &Tensor, places: &[usize]) -> Result<Tensor> {
    let width = base.dims().last().copied().unwrap_or(1);
    let flat = base.reshape(((), width))?;
    let count = flat.dims()[0];
    // each index points to an old row or, beyond them, to a new one
    let mut index: Vec<u32> = (0..count as u32).collect();
    places.iter().zip(count as u32..).for_each(|(place, new)| index[*place] = new);
    let index = Array::from_vec(index, count, base.device())?;
    let value = Array::cat(&[&flat, &rows.value()], 0)?.index_select(&index, 0)?.reshape(base.dims())?;
    let places: Vec<u32> = places.iter().map(|place| *place as u32).collect();
    Ok(Tensor::derive(value, [rows], move |grad, flow| {
        flow.add(0, || {
            let index = Array::from_slice(&places, places.len(), grad.device())?;
            Ok(grad.contiguous()?.reshape(((), width))?.index_select(&index, 0)?)
        })
    }))
}

/// A result that does not depend on `rows` here: their gradient is 0 instead of missing.
fn untouched(numbers: &Array, rows: &Tensor) -> Result<Tensor> {
    let zero = rows.value();
    Ok(Tensor::derive(numbers.clone(), [rows], move |_, flow| flow.add(0, || Ok(zero.zeros_like()?))))
}

/// A place in the tree of weights: `at.linear("self_attn.q_proj", &x)`.
pub struct At<'a> {
    pass: &'a Forward,
    path: String,
}

impl At<'_> {
    fn name(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// A linear layer with its bias, if any, and the adapters attached to it or after it.
    pub fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let layer = self.name(name);
        let weights = &self.pass.weights;
        let name = format!("{layer}.weight");
        if let Some(observer) = &self.pass.observer {
            observer.add(&name, x)?;
        }
        let bias = format!("{layer}.bias");
        let bias = if weights.has(&bias) { Some(weights.working(&bias)?) } else { None };
        let precision = self.pass.precision;
        let transposed = self.pass.config.is_transposed(&layer);
        let blocks = &weights.get(&name)?.blocks;
        let product = |x: &Tensor, bias: Option<&Tensor>| match blocks {
            Some(blocks) => nn::linear_blocks(x, blocks, bias, precision),
            None if transposed => nn::linear_transposed(x, &weights.factor(&name)?, bias, precision),
            None => nn::linear(x, &weights.factor(&name)?, bias, precision),
        };
        let y = product(x, bias.as_ref())?;
        let y = match weights.lora.get(&layer) {
            Some(adapter) => {
                let numbers = || match transposed {
                    true => Ok(weights.plain(&name)?.t()?.contiguous()?),
                    false => weights.plain(&name),
                };
                let product = |x: &Tensor| product(x, None);
                let beneath = Beneath { weight: &numbers, product: &product, bias: bias.as_ref() };
                let mut rng = self.pass.dropout.as_ref().map(|rng| rng.split(layer.as_str()));
                adapter.apply(&y, x, &beneath, rng.as_mut(), precision)?
            }
            None => y,
        };
        match weights.bottlenecks.get(&layer) {
            Some(adapter) => adapter.apply(&y, precision),
            None => Ok(y),
        }
    }

    /// Applies dropout to the output of a sublayer.
    pub fn dropped(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let y = self.linear(name, x)?;
        self.pass.drop(&self.name(name), &y, self.pass.config.dropout.hidden)
    }

    pub fn rms_norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let weight = self.pass.weights.working(&format!("{}.weight", self.name(name)))?;
        let weight = if self.pass.config.norm_from_one { ops::add(&weight, 1.0)? } else { weight };
        nn::rms_norm(x, &weight, self.pass.config.norm_eps)
    }

    pub fn layer_norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let name = self.name(name);
        let weight = self.pass.weights.working(&format!("{name}.weight"))?;
        let bias = format!("{name}.bias");
        let bias = self.pass.weights.has(&bias).then(|| self.pass.weights.working(&bias)).transpose()?;
        nn::layer_norm(x, &weight, bias.as_ref(), self.pass.config.norm_eps)
    }

    /// `[rows, length, heads × head_dim]` reshaped to heads.
    pub fn heads(&self, x: &Tensor, heads: usize) -> Result<Tensor> {
        let input = &self.pass.input;
        reshape(x, &[input.rows, input.length, heads, self.pass.config.head_dim])
    }
}
