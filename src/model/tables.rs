//! The vocabulary's tables: growing them, and their rows by id.

use super::arch::HEAD;
use super::learn::rows_name;
use super::{Config, Model, Weights};
use crate::tensor::{Array, DType, Device, Tensor};
use crate::{Error, Result, bail};
use std::sync::Arc;

/// Which table: of the ids that are read, or of the ids that are written. Where they are tied it is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Table {
    Input,
    Output,
}

impl Table {
    fn name(self, config: &Config) -> String {
        match self {
            Table::Input => config.arch.table.into(),
            Table::Output => config.head(),
        }
    }
}

impl Model {
    /// Grows both tables and the config to at least `rows` rows, or cuts them to exactly that many with `shrink`.
    /// Old rows keep their numbers; new rows start as the mean of the old. Says how many rows there are now.
    pub fn resize(&self, rows: usize, shrink: bool) -> Result<usize> {
        if rows == 0 {
            bail!("resize", "a table needs at least one row");
        }
        let mut inner = self.write();
        let held = inner.config.vocab;
        if rows == held || (rows < held && !shrink) {
            return Ok(held);
        }
        if !inner.weights.adapters.is_empty() && inner.weights.adapters.contains_key(HEAD) {
            return Err(Error::new("resize", "an adapter is attached to the output table")
                .help("merge or detach it first, with `net.merge_lora()` or `net.detach_lora()`"));
        }
        let mut weights = Weights::clone(&inner.weights);
        weights.join()?;
        let mut names = vec![Table::Input.name(&inner.config)];
        if !inner.config.tied {
            names.push(Table::Output.name(&inner.config));
        }
        // all tables first, so that what fails changes nothing
        let resized =
            names.iter().map(|name| resized(&weights.get(name)?.value()?, rows)).collect::<Result<Vec<Array>>>()?;
        for (name, table) in names.iter().zip(resized) {
            weights.replace(name, table);
        }
        let mut config = Config::clone(&inner.config);
        config.set_vocab(rows);
        inner.weights = Arc::new(weights);
        inner.config = Arc::new(config);
        inner.grown_from = (rows > held).then_some(held);
        Ok(rows)
    }

    /// Makes the tables of nothing but the rows of these ids, in this order: a row may be taken several times.
    pub fn select_rows(&self, ids: &[u32]) -> Result<usize> {
        let mut inner = self.write();
        check("select_rows", ids, inner.config.vocab)?;
        if inner.weights.adapters.contains_key(HEAD) {
            return Err(Error::new("select_rows", "an adapter is attached to the output table")
                .help("merge or detach it first, with `net.merge_lora()` or `net.detach_lora()`"));
        }
        let mut names = vec![Table::Input.name(&inner.config)];
        if !inner.config.tied {
            names.push(Table::Output.name(&inner.config));
        }
        let mut weights = Weights::clone(&inner.weights);
        weights.join()?;
        let index = Array::from_vec(ids.to_vec(), ids.len(), &Device::Cpu)?;
        // all tables first, so that what fails changes nothing
        let selected = names
            .iter()
            .map(|name| Ok(weights.get(name)?.param.value().index_select(&index, 0)?))
            .collect::<Result<Vec<Array>>>()?;
        for (name, table) in names.iter().zip(selected) {
            weights.replace(name, table);
        }
        let mut config = Config::clone(&inner.config);
        config.set_vocab(ids.len());
        inner.weights = Arc::new(weights);
        inner.config = Arc::new(config);
        inner.grown_from = None;
        Ok(ids.len())
    }

    /// The rows of these ids, `[ids, hidden]`.
    pub fn rows(&self, table: Table, ids: &[u32]) -> Result<Tensor> {
        let inner = self.read();
        check("rows", ids, inner.config.vocab)?;
        let weight = inner.weights.get(&table.name(&inner.config))?;
        if let Some(blocks) = &weight.blocks {
            return Ok(blocks.select(ids)?.into());
        }
        let value = inner.weights.whole(&table.name(&inner.config))?;
        let index = Array::from_vec(ids.to_vec(), ids.len(), &Device::Cpu)?;
        Ok(value.index_select(&index, 0)?.into())
    }

    /// Replaces the rows of these ids by those of `rows`, `[ids, hidden]`.
    pub fn set_rows(&self, table: Table, ids: &[u32], rows: &Array) -> Result<()> {
        let inner = self.read();
        let name = table.name(&inner.config);
        let hidden = inner.config.hidden;
        check("set_rows", ids, inner.config.vocab)?;
        if rows.dims() != [ids.len(), hidden] {
            bail!("set_rows", "shape {:?} for {} rows of {hidden} numbers", rows.dims(), ids.len());
        }
        if let Some(twice) = twice(ids) {
            bail!("set_rows", "id {twice} is given twice");
        }
        let value = inner.weights.whole(&name)?;
        let mut numbers: Vec<f32> = value.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        let new: Vec<f32> = rows.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        for (id, row) in ids.iter().zip(new.chunks_exact(hidden)) {
            numbers[*id as usize * hidden..][..hidden].copy_from_slice(row);
        }
        let whole = Array::from_vec(numbers, value.dims(), &Device::Cpu)?;
        let first = inner.weights.get(&name)?.dims()[0];
        if first < value.dims()[0] {
            inner.weights.set(&rows_name(&name), &whole.narrow(0, first, value.dims()[0] - first)?)?;
        }
        inner.weights.set(&name, &whole.narrow(0, 0, first)?)
    }
}

fn check(who: &str, ids: &[u32], rows: usize) -> Result<()> {
    if ids.is_empty() {
        bail!(who, "there are no ids");
    }
    match ids.iter().find(|&&id| id as usize >= rows) {
        Some(id) => Err(Error::new(who, format!("id {id} is outside the table of {rows} rows"))
            .help("grow it first, with `net.resize(tok.len())`")),
        None => Ok(()),
    }
}

fn twice(ids: &[u32]) -> Option<u32> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// A table with more or fewer rows, in its own dtype.
fn resized(table: &Array, rows: usize) -> Result<Array> {
    let held = table.dims()[0];
    if rows <= held {
        return Ok(table.narrow(0, 0, rows)?.contiguous()?);
    }
    let mean = table.to_dtype(DType::F32)?.mean_keepdim(0)?.to_dtype(table.dtype())?;
    let new = mean.broadcast_as((rows - held, table.dims()[1]))?;
    Ok(Array::cat(&[table, &new.contiguous()?], 0)?)
}
