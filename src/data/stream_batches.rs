//! Batches of a stream: encoded, packed and shuffled a buffer at a time.

use super::batches::Replay;
use super::mask::encode::MaskPlan;
use super::stream_parts::DatasetParts;
use super::{Batch, Dataset, Encoded, Stream, encode, mask};
use crate::tensor::Rng;
use crate::token::Tokenizer;
use crate::{Error, Result, bail};
use std::sync::Arc;

/// How rows are encoded.
#[derive(Clone)]
pub enum RowPlan {
    /// Text with loss token by token.
    Written(Arc<encode::EncodePlan>),
    /// For masked models.
    Masked(Arc<MaskPlan>),
}

/// A stream that is encoded while it is read, and packed if a length is given.
#[derive(Clone)]
pub struct EncodedStream {
    stream: Stream,
    tokenizer: Tokenizer,
    plan: RowPlan,
    pack: Option<(usize, Option<bool>)>,
}

impl EncodedStream {
    pub fn new(stream: Stream, tokenizer: Tokenizer, plan: RowPlan) -> EncodedStream {
        EncodedStream { stream, tokenizer, plan, pack: None }
    }

    pub fn pack(&self, length: usize, cut: Option<bool>) -> EncodedStream {
        EncodedStream { pack: Some((length, cut)), ..self.clone() }
    }

    /// Encodes the rows of a buffer, the first of which has this index: it differs each time the file is read.
    fn encode(&self, part: &Dataset, number: u64) -> Result<Encoded> {
        let rows = match &self.plan {
            RowPlan::Written(plan) => encode::encode_part(part, &self.tokenizer, plan, number)?,
            RowPlan::Masked(plan) => mask::encode::encode_part(part, &self.tokenizer, plan)?,
        };
        match self.pack {
            Some((length, cut)) => rows.pack(length, cut.unwrap_or(rows.is_stream())),
            None => Ok(rows),
        }
    }
}

impl std::fmt::Display for EncodedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "encoded {}", self.stream)
    }
}

/// Settings of the batches of a stream.
#[derive(Clone)]
pub struct StreamPlan {
    pub batch_size: usize,
    pub steps: usize,
    /// Rows that are read, encoded, packed and shuffled at a time.
    pub buffer_size: usize,
    pub order: Option<Rng>,
    /// Rows of other text to replay.
    pub replay: Option<Replay>,
    pub start_step: usize,
}

/// Batches of a stream: in file order, shuffled within a buffer, repeating the file as needed.
#[derive(Clone)]
pub struct StreamBatches {
    rows: EncodedStream,
    plan: StreamPlan,
}

impl StreamBatches {
    pub fn new(rows: EncodedStream, plan: StreamPlan) -> Result<StreamBatches> {
        if plan.batch_size == 0 || plan.buffer_size == 0 {
            bail!(
                "batches",
                "batch_size {} and buffer_size {}: both are at least 1",
                plan.batch_size,
                plan.buffer_size
            );
        }
        if plan.start_step > plan.steps {
            bail!("batches", "start_step {} is beyond the {} steps", plan.start_step, plan.steps);
        }
        if let Some(replay) = &plan.replay {
            replay.check()?;
        }
        Ok(StreamBatches { rows, plan })
    }

    pub fn total(&self) -> usize {
        self.plan.steps
    }

    pub fn len(&self) -> usize {
        self.plan.steps - self.plan.start_step
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn walk(&self) -> StreamWalk {
        let batches = self.clone();
        StreamWalk { batches, parts: None, part: 0, buffer: None, step: 0, epoch: 0, found: false, failed: false }
    }
}

impl std::fmt::Display for StreamBatches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let StreamPlan { start_step, steps, batch_size, .. } = self.plan;
        write!(f, "batches {start_step} to {steps} of up to {batch_size} rows of {}", self.rows.stream)
    }
}

/// Iterates over [`StreamBatches`].
pub struct StreamWalk {
    batches: StreamBatches,
    parts: Option<DatasetParts>,
    /// Number of buffers so far, over all epochs.
    part: usize,
    buffer: Option<ShuffleBuffer>,
    step: usize,
    epoch: usize,
    /// Whether this pass through the file had a usable row.
    found: bool,
    failed: bool,
}

/// Buffered rows, and their order.
struct ShuffleBuffer {
    /// Its index, over all epochs.
    part: usize,
    rows: Encoded,
    order: Vec<usize>,
    at: usize,
}

impl ShuffleBuffer {
    /// The next `count` rows, or the remaining ones.
    fn take(&mut self, count: usize) -> Option<Batch> {
        let rows = &self.order[self.at..self.order.len().min(self.at + count)];
        self.at += rows.len();
        (!rows.is_empty()).then(|| self.rows.batch(rows, self.part as u64))
    }
}

impl StreamWalk {
    fn batch(&mut self) -> Result<Option<Batch>> {
        let plan = self.batches.plan.clone();
        while self.step < plan.steps {
            let (own, others) = match &plan.replay {
                Some(replay) => replay.shares(self.step, plan.batch_size),
                None => (0..plan.batch_size, 0..0),
            };
            let rows = self.buffer.as_mut().and_then(|buffer| buffer.take(own.len()));
            if rows.is_none() && !own.is_empty() {
                self.open_part(&plan)?;
                continue;
            }
            let step = self.step;
            self.step += 1;
            // resuming reads the file again up to that point
            if step < plan.start_step {
                continue;
            }
            let pad = self.buffer.as_ref().map_or(0, |buffer| buffer.rows.pad_id());
            let batch = match &plan.replay {
                Some(replay) => replay.mixed(rows, others, plan.order.as_ref(), pad),
                None => rows,
            };
            return Ok(batch.map(|batch| Batch { step, total: plan.steps, epoch: self.epoch, ..batch }));
        }
        Ok(None)
    }

    /// Opens the next buffer; at the end of the file, the first one again.
    fn open_part(&mut self, plan: &StreamPlan) -> Result<()> {
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => self.batches.rows.stream.parts(plan.buffer_size)?,
        };
        let fresh = parts.is_fresh();
        match parts.next() {
            Some(part) => {
                let rows = self.batches.rows.encode(&part?, (self.part * plan.buffer_size) as u64)?;
                // a buffer whose rows were all skipped yields no rows
                self.found |= !rows.is_empty();
                let order = match &plan.order {
                    Some(rng) => rng.split(self.part as u64).split(0u64).permutation(rows.len()),
                    None => (0..rows.len()).collect(),
                };
                self.buffer = Some(ShuffleBuffer { part: self.part, rows, order, at: 0 });
                self.part += 1;
                self.parts = Some(parts);
            }
            None if fresh => bail!("batches", "{} has no rows", self.batches.rows.stream),
            None if !self.found => {
                return Err(Error::new("batches", format!("no row of {} has a loss token", self.batches.rows.stream))
                    .help("check what `loss_on` selected"));
            }
            None => (self.epoch, self.found) = (self.epoch + 1, false),
        }
        Ok(())
    }
}

impl Iterator for StreamWalk {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.failed {
            return None;
        }
        let batch = self.batch();
        self.failed = batch.is_err();
        batch.transpose()
    }
}
