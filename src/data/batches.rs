//! Batches: encoded rows in a seeded order, every row once per epoch.

use super::{Batch, Encoded};
use crate::tensor::Rng;
use crate::{Result, bail};
use std::ops::Range;
use std::sync::Arc;

/// Batches whose rows are sorted by length together.
const BUCKET: usize = 50;

/// Batches of encoded rows, from any step on. Iterating does not consume them.
#[derive(Clone)]
pub struct Batches {
    data: Encoded,
    batch_size: usize,
    /// `None` is the order of the rows.
    order: Option<Rng>,
    group_by_length: bool,
    replay: Option<Replay>,
    start_step: usize,
    total: usize,
}

/// Rows of other text to replay, against forgetting.
#[derive(Clone)]
pub struct Replay {
    pub data: Encoded,
    /// Their share of all rows, from 0 to 1.
    pub ratio: f64,
}

impl Replay {
    /// Number of replayed rows among the first `rows`: their share, rounded down.
    fn among(&self, rows: usize) -> usize {
        // slightly above, so that 0.1 of 10 is 1
        (rows as f64 * self.ratio + 1e-9) as usize
    }

    /// The rows of a step, as positions in two endless sequences: of own rows, and of rows to replay.
    pub fn shares(&self, step: usize, batch_size: usize) -> (Range<usize>, Range<usize>) {
        let (before, after) = (step * batch_size, (step + 1) * batch_size);
        let (old, new) = (self.among(before), self.among(after));
        (before - old..after - new, old..new)
    }

    /// Checks that there are rows to replay, and that their share is possible.
    pub fn check(&self) -> Result<()> {
        if self.data.is_empty() {
            bail!("batches", "there are no rows to replay");
        }
        if !(0.0..1.0).contains(&self.ratio) {
            bail!("batches", "replay at a ratio of {}, which is not in 0..1", self.ratio);
        }
        Ok(())
    }

    /// A batch of own rows, if any, and the replayed ones at `places`.
    pub fn mixed(&self, own: Option<Batch>, places: Range<usize>, order: Option<&Rng>, pad: u32) -> Option<Batch> {
        let pass = (places.start / self.data.len()) as u64;
        let others = drawn(&self.data, order.map(|rng| rng.split("replay")), places);
        let others = (!others.is_empty()).then(|| self.data.batch(&others, pass));
        match (own, others) {
            (Some(own), Some(others)) => Some(own.join(others, pad)),
            (own, others) => own.or(others),
        }
    }
}

/// The rows at some positions in the endless sequence of `data`.
fn drawn(data: &Encoded, order: Option<Rng>, places: Range<usize>) -> Vec<usize> {
    let mut known: Option<(usize, Vec<usize>)> = None;
    let mut rows = Vec::with_capacity(places.len());
    for place in places {
        let (epoch, at) = (place / data.len(), place % data.len());
        let Some(order) = &order else {
            rows.push(at);
            continue;
        };
        if known.as_ref().is_none_or(|(own, _)| *own != epoch) {
            known = Some((epoch, order.split(epoch as u64).permutation(data.len())));
        }
        rows.extend(known.as_ref().map(|(_, order)| order[at]));
    }
    rows
}

pub struct BatchPlan {
    /// Rows per batch.
    pub batch_size: usize,
    pub epochs: usize,
    /// Number of steps, over as many epochs as needed; replaces `epochs`.
    pub steps: Option<usize>,
    /// `None` is the order of the rows.
    pub order: Option<Rng>,
    /// Batch rows of similar length.
    pub group_by_length: bool,
    pub replay: Option<Replay>,
    /// The first step.
    pub start_step: usize,
}

impl Batches {
    pub fn new(data: Encoded, plan: BatchPlan) -> Result<Batches> {
        if plan.batch_size == 0 {
            bail!("batches", "batch_size 0: a batch has at least one row");
        }
        if data.is_empty() {
            bail!("batches", "there are no rows");
        }
        if let Some(replay) = &plan.replay {
            replay.check()?;
        }
        let each = match &plan.replay {
            // epochs count the data's own rows
            Some(replay) => (plan.epochs as f64 * data.len() as f64 / (plan.batch_size as f64 * (1.0 - replay.ratio))
                - 1e-9)
                .ceil() as usize,
            None => plan.epochs * data.len().div_ceil(plan.batch_size),
        };
        let total = plan.steps.unwrap_or(each);
        if plan.start_step > total {
            bail!("batches", "start_step {} is beyond the {total} steps", plan.start_step);
        }
        Ok(Batches {
            data,
            batch_size: plan.batch_size,
            order: plan.order,
            group_by_length: plan.group_by_length,
            replay: plan.replay,
            start_step: plan.start_step,
            total,
        })
    }

    /// Number of steps, counted from step 0.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Number of remaining batches.
    pub fn len(&self) -> usize {
        self.total - self.start_step
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Batches per epoch.
    pub fn per_epoch(&self) -> usize {
        self.data.len().div_ceil(self.batch_size)
    }

    pub fn data(&self) -> &Encoded {
        &self.data
    }

    /// The seeded row order of an epoch.
    fn epoch(&self, epoch: usize) -> Arc<Vec<usize>> {
        Arc::new(match &self.order {
            Some(rng) if self.group_by_length => self.by_length(&rng.split(epoch as u64)),
            Some(rng) => rng.split(epoch as u64).permutation(self.data.len()),
            None => (0..self.data.len()).collect(),
        })
    }

    /// Shuffled rows, sorted by length within runs of [`BUCKET`] batches, and these batches shuffled: little padding, with still
    /// random neighbors. The last batch, which may be smaller, stays last.
    fn by_length(&self, rng: &Rng) -> Vec<usize> {
        let mut order = rng.clone().permutation(self.data.len());
        for stretch in order.chunks_mut(BUCKET * self.batch_size) {
            stretch.sort_by_key(|&row| std::cmp::Reverse(self.data.tokens_of(row)));
        }
        let mut batches: Vec<&[usize]> = order.chunks(self.batch_size).collect();
        let whole = self.data.len() / self.batch_size;
        rng.split("batches").shuffle(&mut batches[..whole]);
        batches.concat()
    }

    /// A batch of own and replayed rows, each continuing after the previous step, epoch after epoch.
    fn mixed(&self, step: usize, replay: &Replay) -> Option<Batch> {
        let (own, others) = replay.shares(step, self.batch_size);
        let epoch = own.start / self.data.len();
        let own = drawn(&self.data, self.order.clone(), own);
        let own = (!own.is_empty()).then(|| self.data.batch(&own, epoch as u64));
        let batch = replay.mixed(own, others, self.order.as_ref(), self.data.pad_id())?;
        Some(Batch { step, total: self.total, epoch, ..batch })
    }
}

/// Iterates over [`Batches`].
pub struct BatchWalk {
    batches: Batches,
    step: usize,
    epoch: Option<(usize, Arc<Vec<usize>>)>,
}

impl Iterator for BatchWalk {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let Batches { total, batch_size, .. } = self.batches;
        let step = self.step;
        if step >= total {
            return None;
        }
        self.step += 1;
        if let Some(replay) = &self.batches.replay {
            return self.batches.mixed(step, replay);
        }
        let (epoch, part) = (step / self.batches.per_epoch(), step % self.batches.per_epoch());
        let order = match &self.epoch {
            Some((known, order)) if *known == epoch => order.clone(),
            _ => self.batches.epoch(epoch),
        };
        let rows = &order[part * batch_size..order.len().min((part + 1) * batch_size)];
        let batch = self.batches.data.batch(rows, epoch as u64);
        self.epoch = Some((epoch, order));
        Some(Batch { step, total, epoch, ..batch })
    }
}

impl IntoIterator for Batches {
    type Item = Batch;
    type IntoIter = BatchWalk;

    fn into_iter(self) -> BatchWalk {
        BatchWalk { step: self.start_step, batches: self, epoch: None }
    }
}

/// `batches 0 to 88 of 88, 8 rows each`.
impl std::fmt::Display for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "batches {} to {} of up to {} rows", self.start_step, self.total, self.batch_size)
    }
}
