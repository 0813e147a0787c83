//! Input and output embeddings: growing them with the vocabulary, and access to rows by id.

use super::model::Inner;
use super::weights::Weights;
use super::{Config, Model};
use crate::tensor::ops::volume;
use crate::tensor::{Array, DType, Device, Tensor};
use crate::{Error, Result, bail};
use std::sync::Arc;

/// The input embeddings, or the output embeddings (lm_head). Tied embeddings are both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Embeddings {
    Input,
    Output,
}

impl Embeddings {
    fn name(self, who: &str, config: &Config) -> Result<String> {
        match (self, &config.output) {
            (Embeddings::Input, _) => Ok(config.layout.embeddings.into()),
            (Embeddings::Output, Some(output)) => Ok(output.weight.clone()),
            (Embeddings::Output, None) => Err(Error::new(who, "this model's head has no output embeddings")),
        }
    }
}

/// The names of the weights with one row per token id, which grow and shrink together.
pub(super) fn by_id(config: &Config) -> Vec<String> {
    let mut names = vec![config.layout.embeddings.to_string()];
    if let Some(output) = &config.output {
        names.extend((!config.tied).then(|| output.weight.clone()));
        names.extend(output.bias.clone());
    }
    names
}

/// Returns an error if an adapter depends on the current size of the embeddings.
fn check_free(who: &str, inner: &Inner) -> Result<()> {
    let names = by_id(&inner.config);
    let attached =
        |name: &String| name.strip_suffix(".weight").is_some_and(|layer| inner.weights.lora.contains_key(layer));
    if inner.replaced.is_some() || names.iter().any(attached) {
        return Err(Error::new(who, "LoRA is attached to the embeddings, or its adapter replaced weights of the base")
            .help("merge or detach it first, with `net.merge_lora()` or `net.detach_lora()`"));
    }
    Ok(())
}

/// Applies `change` to every weight with one row per token id.
fn reshape(
    config: &mut Config,
    weights: &mut Weights,
    rows: usize,
    change: impl Fn(&Array) -> Result<Array>,
) -> Result<()> {
    weights.join()?;
    // compute all of them first, so that an error changes nothing
    let names = by_id(config);
    let changed = names.iter().map(|name| change(&weights.get(name)?.value()?)).collect::<Result<Vec<Array>>>()?;
    for (name, value) in names.iter().zip(changed) {
        weights.replace(name, value);
    }
    // a separate bias of an untied head
    let head = config.output.as_ref().map_or(&[][..], |output| output.head);
    let own = |name: &str| head.iter().any(|prefix| name.starts_with(prefix));
    let device = weights.device();
    for (_, value) in weights.unused.iter_mut().filter(|(name, _)| own(name)) {
        if value.dims() == [config.vocab] {
            *value = change(&value.to_device(&device)?)?;
        }
    }
    config.set_vocab(rows);
    Ok(())
}

/// Resizes the embeddings to exactly `rows` rows; new rows start as the mean of the old.
pub(super) fn resize(config: &mut Config, weights: &mut Weights, rows: usize) -> Result<()> {
    reshape(config, weights, rows, |table| resized(table, rows))
}

impl Model {
    /// Grows the embeddings, the output bias and the config to at least `rows` rows, or with `shrink` truncates them to exactly
    /// that number. Old rows keep their values; new rows start as the mean of the old. Returns the number of rows.
    pub fn resize_embeddings(&self, rows: usize, shrink: bool) -> Result<usize> {
        self.check_trainable("resize_embeddings")?;
        const WHO: &str = "resize_embeddings";
        if rows == 0 {
            bail!(WHO, "embeddings need at least one row");
        }
        let held = self.config().vocab;
        if rows == held || (rows < held && !shrink) {
            return Ok(held);
        }
        volume(WHO, &[rows, self.config().embedding])?;
        let mut inner = self.write();
        inner.reshape(WHO, rows, |table| resized(table, rows))?;
        inner.grown_from = (rows > held).then_some(held);
        inner.base_rows = inner.base_rows.map(|base| base.min(rows));
        Ok(rows)
    }

    /// Reduces the embeddings to the rows of these ids, in this order; an id may repeat.
    pub fn select_embedding_rows(&self, ids: &[u32]) -> Result<usize> {
        self.check_trainable("select_embedding_rows")?;
        const WHO: &str = "select_embedding_rows";
        check(WHO, ids, self.config().vocab)?;
        let mut inner = self.write();
        let index = Array::from_vec(ids.to_vec(), ids.len(), &inner.weights.device())?;
        inner.reshape(WHO, ids.len(), |table| Ok(table.index_select(&index, 0)?))?;
        (inner.grown_from, inner.base_rows) = (None, None);
        Ok(ids.len())
    }

    /// The rows of these ids, `[ids, hidden]`.
    pub fn embedding_rows(&self, side: Embeddings, ids: &[u32]) -> Result<Tensor> {
        let inner = self.read();
        check("embedding_rows", ids, inner.config.vocab)?;
        let name = side.name("embedding_rows", &inner.config)?;
        let weight = inner.weights.get(&name)?;
        if let Some(blocks) = &weight.blocks {
            return Ok(blocks.select(ids)?.into());
        }
        let value = inner.weights.whole(&name)?;
        let index = Array::from_vec(ids.to_vec(), ids.len(), value.device())?;
        Ok(value.index_select(&index, 0)?.into())
    }

    /// Replaces the rows of these ids by `rows`, `[ids, hidden]`.
    pub fn set_embedding_rows(&self, side: Embeddings, ids: &[u32], rows: &Array) -> Result<()> {
        let inner = self.read();
        let name = side.name("set_embedding_rows", &inner.config)?;
        let hidden = inner.config.embedding;
        check("set_embedding_rows", ids, inner.config.vocab)?;
        if rows.dims() != [ids.len(), hidden] {
            bail!("set_embedding_rows", "shape {:?} for {} rows of {hidden} numbers", rows.dims(), ids.len());
        }
        if let Some(twice) = twice(ids) {
            bail!("set_embedding_rows", "id {twice} is given twice");
        }
        let value = inner.weights.whole(&name)?;
        let mut numbers: Vec<f32> = value.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        let new: Vec<f32> = rows.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        for (id, row) in ids.iter().zip(new.chunks_exact(hidden)) {
            numbers[*id as usize * hidden..][..hidden].copy_from_slice(row);
        }
        let whole = Array::from_vec(numbers, value.dims(), &Device::Cpu)?;
        let apart = inner.weights.ids_apart(&name)?;
        if let Some(rows) = inner.weights.rows_apart(&name)?.filter(|_| ids.iter().any(|id| apart.contains(id))) {
            let index = Array::from_vec(apart.clone(), apart.len(), whole.device())?;
            inner.weights.set(&rows.weight, &whole.index_select(&index, 0)?)?;
        }
        if ids.iter().any(|id| !apart.contains(id)) {
            inner.weights.set(&name, &whole.narrow(0, 0, inner.weights.get(&name)?.dims()[0])?)?;
        }
        Ok(())
    }
}

impl Inner {
    fn reshape(&mut self, who: &str, rows: usize, change: impl Fn(&Array) -> Result<Array>) -> Result<()> {
        check_free(who, self)?;
        let (mut config, mut weights) = (Config::clone(&self.config), Weights::clone(&self.weights));
        reshape(&mut config, &mut weights, rows, change)?;
        weights.settle()?;
        (self.config, self.weights) = (Arc::new(config), Arc::new(weights));
        Ok(())
    }
}

fn check(who: &str, ids: &[u32], rows: usize) -> Result<()> {
    if ids.is_empty() {
        bail!(who, "there are no ids");
    }
    match ids.iter().find(|&&id| id as usize >= rows) {
        Some(id) => Err(Error::new(who, format!("id {id} is outside the embeddings of {rows} rows"))
            .help("grow them first, with `net.resize_embeddings(tok.len())`")),
        None => Ok(()),
    }
}

fn twice(ids: &[u32]) -> Option<u32> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// Embeddings, or their bias, with more or fewer rows, in the same dtype.
fn resized(table: &Array, rows: usize) -> Result<Array> {
    let held = table.dims()[0];
    if rows <= held {
        return Ok(table.narrow(0, 0, rows)?.contiguous()?);
    }
    let mean = table.to_dtype(DType::F32)?.mean_keepdim(0)?.to_dtype(table.dtype())?;
    let mut dims = table.dims().to_vec();
    dims[0] = rows - held;
    Ok(Array::cat(&[table, &mean.broadcast_as(dims)?.contiguous()?], 0)?)
}
