//! Batches: encoded rows in a seeded order, every row once an epoch.

use super::{Batch, Encoded};
use crate::tensor::Rng;
use crate::{Result, bail};
use std::sync::Arc;

/// Batches of an encoded dataset, from any step on. Iterating does not use them up.
#[derive(Clone)]
pub struct Batches {
    data: Encoded,
    size: usize,
    /// None: in the order of the rows.
    order: Option<Rng>,
    from: usize,
    total: usize,
}

pub struct Plan {
    /// Rows of a batch.
    pub size: usize,
    pub epochs: usize,
    /// So many steps, over as many epochs as that takes, instead of `epochs`.
    pub steps: Option<usize>,
    /// None: in the order of the rows.
    pub order: Option<Rng>,
    /// The step to begin with.
    pub from: usize,
}

impl Batches {
    pub fn new(data: Encoded, plan: Plan) -> Result<Batches> {
        if plan.size == 0 {
            bail!("batches", "size 0: a batch has at least one row");
        }
        if data.is_empty() {
            bail!("batches", "there are no rows");
        }
        let total = plan.steps.unwrap_or(plan.epochs * data.len().div_ceil(plan.size));
        if plan.from > total {
            bail!("batches", "from step {} of {total}", plan.from);
        }
        Ok(Batches { data, size: plan.size, order: plan.order, from: plan.from, total })
    }

    /// Steps in all, counted from step 0.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Batches that are to come.
    pub fn len(&self) -> usize {
        self.total - self.from
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Batches of one epoch.
    pub fn per_epoch(&self) -> usize {
        self.data.len().div_ceil(self.size)
    }

    pub fn data(&self) -> &Encoded {
        &self.data
    }

    /// The order of the rows in an epoch: the same whenever it is asked for.
    fn epoch(&self, epoch: usize) -> Arc<Vec<usize>> {
        Arc::new(match &self.order {
            Some(rng) => rng.split(epoch as u64).permutation(self.data.len()),
            None => (0..self.data.len()).collect(),
        })
    }
}

/// Goes through [`Batches`].
pub struct Walk {
    batches: Batches,
    step: usize,
    epoch: Option<(usize, Arc<Vec<usize>>)>,
}

impl Iterator for Walk {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let Batches { total, size, .. } = self.batches;
        let step = self.step;
        if step >= total {
            return None;
        }
        self.step += 1;
        let (epoch, part) = (step / self.batches.per_epoch(), step % self.batches.per_epoch());
        let order = match &self.epoch {
            Some((known, order)) if *known == epoch => order.clone(),
            _ => self.batches.epoch(epoch),
        };
        let rows = &order[part * size..order.len().min((part + 1) * size)];
        let batch = self.batches.data.batch(rows);
        self.epoch = Some((epoch, order));
        Some(Batch { step, total, epoch, ..batch })
    }
}

impl IntoIterator for Batches {
    type Item = Batch;
    type IntoIter = Walk;

    fn into_iter(self) -> Walk {
        Walk { step: self.from, batches: self, epoch: None }
    }
}

/// `batches 0 to 88 of 88, 8 rows each`.
impl std::fmt::Display for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "batches {} to {} of up to {} rows", self.from, self.total, self.size)
    }
}
