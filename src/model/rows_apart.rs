//! Embedding rows that are trained separately: a weight of their own, `….new_rows` beside `….weight`, which is frozen. So the
//! other rows cannot change, and have neither gradients nor optimizer state.
//!
//! New rows at the end are cut off their table. Other rows stay in it, and are overridden by the separate weight.

use super::weights::{Scattered, Weights};
use crate::tensor::{Array, DType, Tensor};
use crate::{Error, Result, bail};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The name of a separate weight of rows: `model.embed_tokens.new_rows` beside `model.embed_tokens.weight`.
pub fn rows_name(embeddings: &str) -> String {
    format!("{}.new_rows", embeddings.strip_suffix(".weight").unwrap_or(embeddings))
}

/// The embeddings that a weight of rows belongs to.
pub fn embeddings_of(rows: &str) -> Option<String> {
    rows.strip_suffix(".new_rows").map(|embeddings| format!("{embeddings}.weight"))
}

/// Embedding rows stored as a separate weight.
pub struct RowsApart {
    /// The name of the weight.
    pub weight: String,
    pub ids: IdsApart,
}

/// The ids of separate embedding rows.
pub enum IdsApart {
    /// All from this id on: they are cut off the table.
    From(u32),
    /// These ids, in their order in the weight.
    Of(Arc<[u32]>),
}

impl RowsApart {
    /// The row in the weight of each of these ids.
    pub fn places(&self, ids: &[u32]) -> Vec<Option<u32>> {
        match &self.ids {
            IdsApart::From(first) => ids.iter().map(|id| id.checked_sub(*first)).collect(),
            IdsApart::Of(apart) => {
                let places: HashMap<u32, u32> = apart.iter().copied().zip(0..).collect();
                ids.iter().map(|id| places.get(id).copied()).collect()
            }
        }
    }
}

impl Weights {
    /// The separate rows of a table, if any.
    pub fn rows_apart(&self, table: &str) -> Result<Option<RowsApart>> {
        if let Some(Scattered { ids, weight }) = self.scattered.get(table) {
            return Ok(Some(RowsApart { weight: weight.clone(), ids: IdsApart::Of(ids.clone()) }));
        }
        let weight = rows_name(table);
        if !self.has(&weight) {
            return Ok(None);
        }
        let first = self.get(table)?.dims()[0] as u32;
        Ok(Some(RowsApart { weight, ids: IdsApart::From(first) }))
    }

    /// The ids of the separate rows of a table.
    pub fn ids_apart(&self, table: &str) -> Result<Vec<u32>> {
        let Some(apart) = self.rows_apart(table)? else { return Ok(Vec::new()) };
        Ok(match apart.ids {
            IdsApart::Of(ids) => ids.to_vec(),
            IdsApart::From(first) => (first..first + self.get(&apart.weight)?.dims()[0] as u32).collect(),
        })
    }

    /// The tables with separate rows.
    fn divided(&self) -> BTreeSet<String> {
        self.iter().filter_map(|(name, _)| embeddings_of(name)).chain(self.scattered.keys().cloned()).collect()
    }

    /// Splits embeddings: the rows from `first` on become a trainable weight, the rest is frozen.
    pub fn divide(&mut self, table: &str, first: usize) -> Result<()> {
        let value = self.get(table)?.value()?;
        let held = value.dims()[0];
        if first == 0 || first >= held {
            bail!("train_only", "`first_new_id` is {first}, and the embeddings have {held} rows");
        }
        self.check_divisible(table)?;
        // the old rows stay in place; the new ones get their own numbers, in f32, which training needs
        let new = value.narrow(0, first, held - first)?.to_dtype(DType::F32)?.copy()?;
        self.insert(table, value.narrow(0, 0, first)?);
        self.set_frozen(table, true)?;
        self.insert(&rows_name(table), new);
        Ok(())
    }

    /// The same for the rows of these ids, which must be distinct and in the table.
    pub fn divide_at(&mut self, table: &str, ids: &[u32]) -> Result<()> {
        self.check_divisible(table)?;
        let value = self.get(table)?.value()?;
        let index = Array::from_vec(ids.to_vec(), ids.len(), value.device())?;
        let rows = value.index_select(&index, 0)?.to_dtype(DType::F32)?;
        self.set_frozen(table, true)?;
        self.insert(&rows_name(table), rows);
        self.scattered.insert(table.into(), Scattered { ids: ids.into(), weight: rows_name(table) });
        Ok(())
    }

    /// Lets a second table of the same size use the separate rows of a first one: they are trained through both.
    pub fn share_rows(&mut self, of: &str, with: &str) -> Result<()> {
        self.join_cut(of)?;
        if let Some(rows) = self.scattered.get(of).cloned() {
            self.scattered.insert(with.into(), rows);
        }
        Ok(())
    }

    /// Appends rows that were cut off back to their table; they remain a separate weight.
    fn join_cut(&mut self, table: &str) -> Result<()> {
        let Some(RowsApart { weight, ids: IdsApart::From(_) }) = self.rows_apart(table)? else { return Ok(()) };
        let (ids, whole) = (self.ids_apart(table)?, self.whole(table)?);
        self.replace(table, whole);
        self.scattered.insert(table.into(), Scattered { ids: ids.into(), weight });
        Ok(())
    }

    fn check_divisible(&self, table: &str) -> Result<()> {
        if self.lora.keys().any(|layer| format!("{layer}.weight") == table) {
            let what = format!("LoRA is attached to `{table}`, whose rows are to be trained");
            return Err(Error::new("train_only", what).help("attach it to other layers"));
        }
        Ok(())
    }

    /// Joins all split embeddings again, in the dtype of their old rows.
    pub fn join(&mut self) -> Result<()> {
        let divided = self.divided();
        let whole = divided.iter().map(|table| self.whole(table)).collect::<Result<Vec<Array>>>()?;
        for (table, whole) in divided.iter().zip(whole) {
            self.remove(&rows_name(table));
            self.insert(table, whole);
        }
        self.scattered.clear();
        Ok(())
    }

    /// Joins embeddings whose old rows are trainable.
    pub fn join_trainable(&mut self) -> Result<()> {
        let mut learning = Vec::new();
        for table in self.divided() {
            if !self.get(&table)?.frozen {
                learning.push(table);
            }
        }
        if !learning.is_empty() {
            self.join()?;
            learning.iter().try_for_each(|table| self.set_frozen(table, false))?;
        }
        Ok(())
    }

    /// The numbers of a weight, with separate embedding rows in place.
    pub fn whole(&self, name: &str) -> Result<Array> {
        let old = self.get(name)?.value()?;
        let Some(apart) = self.rows_apart(name)? else { return Ok(old) };
        let new = self.get(&apart.weight)?.param.value().to_dtype(old.dtype())?;
        match apart.ids {
            IdsApart::From(_) => Ok(Array::cat(&[old, new], 0)?),
            IdsApart::Of(ids) => with_rows(&old, &new, &ids),
        }
    }

    /// A table with these rows replaced, in f32; the rows receive the gradient.
    pub fn with_scattered(&self, table: &str, weight: &str, ids: Arc<[u32]>) -> Result<Tensor> {
        let rows = self.working(weight)?;
        let value = with_rows(&self.plain(table)?, &rows.value(), &ids)?;
        Ok(Tensor::derive(value, [&rows], move |grad, flow| {
            flow.add(0, || {
                let index = Array::from_vec(ids.to_vec(), ids.len(), grad.device())?;
                Ok(grad.index_select(&index, 0)?)
            })
        }))
    }
}

/// A table with the rows of these ids replaced.
fn with_rows(table: &Array, rows: &Array, ids: &[u32]) -> Result<Array> {
    let dims = rows.dims();
    let index = Array::from_vec(ids.to_vec(), (ids.len(), 1), table.device())?.broadcast_as(dims)?.contiguous()?;
    Ok(table.contiguous()?.scatter(&index, &rows.contiguous()?, 0)?)
}
