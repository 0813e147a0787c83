//! How likely a model finds some texts: the number that bits per byte and perplexity are made of.
//!
//! Texts longer than a window are read by windows that overlap: each token is counted once, in the first window that
//! reaches it, so that all but the first window's tokens are predicted with at least `seq - stride` before them.

use crate::data::batches::BatchPlan;
use crate::data::{Batch, Batches, Encoded};
use crate::model::{Model, Reduce, Rows};
use crate::tensor::{DType, no_grad};
use crate::token::Tokenizer;
use crate::{Result, bail, cancel};

/// How texts are read.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Tokens in a window.
    pub seq: usize,
    /// Tokens from one window's start to the next one's.
    pub stride: usize,
    /// Rows in a batch.
    pub size: usize,
}

/// Of some texts together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likelihood {
    /// Negative log likelihood, natural logarithm.
    pub nats: f64,
    /// Tokens that were predicted.
    pub tokens: usize,
    /// Bytes of text that these tokens stand for.
    pub bytes: usize,
}

/// The likelihood of `texts`. Each begins after the tokenizer's start token (or else its end token), so that its
/// first token is predicted too; without either, the first token and its bytes are left out.
pub fn likelihood<S: AsRef<str> + Sync>(net: &Model, tok: &Tokenizer, texts: &[S], by: Windows) -> Result<Likelihood> {
    if by.seq < 2 || by.stride == 0 || by.stride >= by.seq || by.size == 0 {
        bail!("likelihood", "windows of {} tokens, {} apart, {} at a time", by.seq, by.stride, by.size);
    }
    let start = tok.start();
    let mut sum = Likelihood::default();
    let mut batch = Filling::new(by);
    for texts in texts.chunks(64) {
        cancel::check()?;
        for (text, mut ids) in texts.iter().zip(tok.encode_batch(texts, false)?) {
            let text = text.as_ref();
            sum.bytes += match start {
                Some(_) => text.len(),
                None => text.len() - tok.encode(text, false)?.offsets.first().map_or(0, |(_, end)| *end),
            };
            ids.splice(0..0, start);
            sum.tokens += ids.len().saturating_sub(1);
            for window in windows(ids.len(), by) {
                if !batch.fits(window.ids.len()) {
                    sum.nats += batch.run(net)?;
                }
                batch.add(&ids, window);
            }
        }
    }
    sum.nats += batch.run(net)?;
    if sum.tokens == 0 {
        bail!("likelihood", "there is no text to predict");
    }
    Ok(sum)
}

/// The likelihood of what is learned in rows that are encoded already.
pub fn likelihood_of_rows(net: &Model, rows: &Encoded, size: usize) -> Result<Likelihood> {
    let plan = BatchPlan { batch_size: size, epochs: 1, steps: None, order: None, replay: None, start_step: 0 };
    let mut sum = Likelihood::default();
    for batch in Batches::new(rows.clone(), plan)? {
        cancel::check()?;
        let tokens = batch.loss_tokens();
        if tokens > 0 {
            sum.nats += nats(net, &batch)?;
            sum.tokens += tokens;
            sum.bytes += batch.bytes;
        }
    }
    if sum.tokens == 0 {
        bail!("likelihood", "no row has anything to predict");
    }
    Ok(sum)
}

/// The sum of losses over a batch, without recording.
fn nats(net: &Model, batch: &Batch) -> Result<f64> {
    let loss = no_grad(|| net.loss(&Rows::from(batch), Reduce::Sum, 0.0))?.value();
    Ok(loss.to_dtype(DType::F64)?.to_scalar::<f64>()?)
}

/// A stretch of a text, and where the tokens begin that it counts.
struct Window {
    ids: std::ops::Range<usize>,
    counted: usize,
}

fn windows(len: usize, by: Windows) -> impl Iterator<Item = Window> {
    let mut counted = 1;
    std::iter::from_fn(move || {
        if counted >= len {
            return None;
        }
        let from = if counted == 1 { 0 } else { counted + by.stride - by.seq };
        let to = len.min(from + by.seq);
        let window = Window { ids: from..to, counted };
        counted = to;
        Some(window)
    })
}

/// Windows packed into rows.
struct Filling {
    by: Windows,
    rows: Vec<Row>,
}

#[derive(Default)]
struct Row {
    ids: Vec<u32>,
    labels: Vec<i64>,
    segments: Vec<u32>,
    positions: Vec<u32>,
}

impl Filling {
    fn new(by: Windows) -> Filling {
        Filling { by, rows: Vec::new() }
    }

    fn has_room(&self, more: usize) -> bool {
        self.rows.last().is_some_and(|row| row.ids.len() + more <= self.by.seq)
    }

    fn fits(&self, more: usize) -> bool {
        self.rows.len() < self.by.size || self.has_room(more)
    }

    fn add(&mut self, ids: &[u32], window: Window) {
        if !self.has_room(window.ids.len()) {
            self.rows.push(Row::default());
        }
        let Some(row) = self.rows.last_mut() else { return };
        let segment = row.segments.last().map_or(1, |last| last + 1);
        for (position, at) in window.ids.enumerate() {
            row.ids.push(ids[at]);
            row.labels.push(if at >= window.counted { ids[at].into() } else { -100 });
            row.segments.push(segment);
            row.positions.push(position as u32);
        }
    }

    /// The negative log likelihood of what was gathered, which is empty after it.
    fn run(&mut self, net: &Model) -> Result<f64> {
        let rows = std::mem::take(&mut self.rows);
        let length = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        if length == 0 {
            return Ok(0.0);
        }
        fn padded<T: Copy>(rows: &[Row], length: usize, of: fn(&Row) -> &Vec<T>, pad: T) -> Vec<T> {
            let padding = |row| std::iter::repeat_n(pad, length - of(row).len());
            rows.iter().flat_map(|row| of(row).iter().copied().chain(padding(row))).collect()
        }
        let ids = padded(&rows, length, |row| &row.ids, 0);
        let labels = padded(&rows, length, |row| &row.labels, -100);
        let segments = padded(&rows, length, |row| &row.segments, 0);
        let positions = padded(&rows, length, |row| &row.positions, 0);
        let batch = Batch { rows: rows.len(), length, ids, labels, segments, positions, ..Batch::default() };
        nats(net, &batch)
    }
}
