//! Negative log likelihood of texts, the basis of bits per byte and perplexity.
//!
//! Texts longer than a window are read in overlapping windows: each token counts once, in the first window that reaches it, so
//! that all but the first window's tokens have at least `max_length - stride` tokens of context. A preceding context can be read
//! without being counted.

use crate::data::batches::BatchPlan;
use crate::data::{Batch, Batches, Encoded};
use crate::model::{Model, TokenRows};
use crate::token::Tokenizer;
use crate::{Result, bail, cancel, ranks};

/// The windows in which texts are read.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Tokens per window.
    pub max_length: usize,
    /// Tokens between the starts of two windows.
    pub stride: usize,
    /// Rows per batch.
    pub batch_size: usize,
    /// The id prepended to each text.
    pub start: Option<u32>,
}

/// The likelihood of some texts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likelihood {
    /// Negative log likelihood, natural logarithm.
    pub nats: f64,
    /// Number of predicted tokens.
    pub tokens: usize,
    /// Bytes of text encoded by these tokens.
    pub bytes: usize,
}

/// The likelihood of `texts`. The start token is prepended to each, so that its first token is predicted too; without a start
/// token, the first token and its bytes are not counted.
pub fn likelihood<S: AsRef<str> + Sync>(net: &Model, tok: &Tokenizer, texts: &[S], by: Windows) -> Result<Likelihood> {
    checked("likelihood", net, by)?;
    let mut sum = Likelihood::default();
    let mut batch = Filling::new(by, texts.len());
    let read = texts.chunks(64).try_for_each(|texts| {
        cancel::check()?;
        for (text, ids) in texts.iter().zip(tok.encode_batch(texts, false)?) {
            let text = text.as_ref();
            let unread = match by.start {
                Some(_) => 0,
                None => tok.encode(text, false)?.offsets.first().map_or(0, |(_, end)| *end),
            };
            sum.bytes += text.len() - unread;
            sum.add(&mut batch, net, Reading::new(by.start, ids, 0))?;
        }
        Ok(())
    });
    sum.end(read, batch, net)
}

/// The likelihood of `texts`, each read after its context: at most `max_length - stride` tokens of it, including the start token.
/// Only tokens that end in the text count; its first token is predicted from the context.
pub fn likelihood_in_context<S: AsRef<str>>(
    net: &Model,
    tok: &Tokenizer,
    contexts: &[S],
    texts: &[S],
    by: Windows,
) -> Result<Likelihood> {
    checked("likelihood", net, by)?;
    if contexts.len() != texts.len() {
        bail!("likelihood", "{} contexts for {} texts", contexts.len(), texts.len());
    }
    let mut sum = Likelihood::default();
    let mut batch = Filling::new(by, texts.len());
    let read = contexts.iter().zip(texts).try_for_each(|(context, text)| {
        cancel::check()?;
        let (context, text) = (context.as_ref(), text.as_ref());
        // encoded together, so that the tokens are those of the whole
        let (ids, offsets) = tok.ids_and_offsets(&format!("{context}{text}"), false)?;
        let own = offsets.iter().position(|(_, end)| *end > context.len()).unwrap_or(ids.len());
        let room = by.max_length - by.stride - usize::from(by.start.is_some());
        let from = own.saturating_sub(room);
        let is_unread = own == from && by.start.is_none();
        let unread = if is_unread { offsets.get(own).map_or(0, |(_, end)| end - context.len()) } else { 0 };
        sum.bytes += text.len() - unread;
        sum.add(&mut batch, net, Reading::new(by.start, ids[from..].to_vec(), own - from))
    });
    sum.end(read, batch, net)
}

pub(super) fn checked(who: &'static str, net: &Model, by: Windows) -> Result<()> {
    if by.max_length < 2 || by.stride == 0 || by.stride >= by.max_length || by.batch_size == 0 {
        bail!(who, "windows of {} tokens, {} apart, {} at a time", by.max_length, by.stride, by.batch_size);
    }
    net.check_causal(who)
}

/// The tokens of a text with its context, and the first that counts.
struct Reading {
    ids: Vec<u32>,
    first: usize,
}

impl Reading {
    /// The first `before` of `ids` are context.
    fn new(start: Option<u32>, mut ids: Vec<u32>, before: usize) -> Reading {
        ids.splice(0..0, start);
        // the very first token is not predicted
        Reading { ids, first: (before + usize::from(start.is_some())).max(1) }
    }
}

impl Likelihood {
    fn add(&mut self, batch: &mut Filling, net: &Model, text: Reading) -> Result<()> {
        self.tokens += text.ids.len().saturating_sub(text.first);
        for window in windows(text.ids.len(), text.first, batch.by) {
            if !batch.fits(window.ids.len()) {
                batch.run(net)?;
            }
            batch.add(&text.ids, window);
        }
        Ok(())
    }

    /// Combines batches computed by ranks in turn; `read` is the result of reading the texts.
    fn end(mut self, read: Result<()>, mut batch: Filling, net: &Model) -> Result<Likelihood> {
        let own = read.and_then(|()| batch.run(net)).map(|()| batch.nats);
        let nats = if batch.turn.1 > 1 { ranks::in_order("an evaluation", 1, own)? } else { own? };
        self.nats = nats.into_iter().sum();
        if self.tokens == 0 {
            bail!("likelihood", "there is no text to predict");
        }
        Ok(self)
    }
}

/// The likelihood of the tokens with a loss in encoded rows.
pub fn likelihood_of_rows(net: &Model, rows: &Encoded, batch_size: usize) -> Result<Likelihood> {
    net.check_causal("likelihood")?;
    let plan = BatchPlan {
        batch_size,
        epochs: 1,
        steps: None,
        order: None,
        group_by_length: false,
        replay: None,
        start_step: 0,
    };
    let mut sum = Likelihood::default();
    let own = own_nats(net, Batches::new(rows.clone(), plan)?, &mut sum);
    sum.nats = ranks::in_order("an evaluation", 1, own)?.into_iter().sum();
    if sum.tokens == 0 {
        bail!("likelihood", "no row has anything to predict");
    }
    Ok(sum)
}

/// The likelihood of each of this rank's batches; tokens and bytes of all batches are counted.
fn own_nats(net: &Model, batches: Batches, sum: &mut Likelihood) -> Result<Vec<f64>> {
    let (rank, count) = ranks::turn();
    let mut nats = Vec::new();
    for (number, batch) in batches.into_iter().filter(|batch| batch.loss_tokens() > 0).enumerate() {
        cancel::check()?;
        if number % count == rank {
            nats.push(net.nats(&TokenRows::from(&batch))?);
        }
        sum.tokens += batch.loss_tokens();
        sum.bytes += batch.bytes();
    }
    Ok(nats)
}

/// A range of a text's tokens, and the first of them that counts.
pub(super) struct Window {
    pub ids: std::ops::Range<usize>,
    pub counted: usize,
}

pub(super) fn windows(len: usize, first: usize, by: Windows) -> impl Iterator<Item = Window> {
    let mut counted = first;
    std::iter::from_fn(move || {
        if counted >= len {
            return None;
        }
        let from = counted.saturating_sub(by.max_length - by.stride);
        let to = len.min(from + by.max_length);
        let window = Window { ids: from..to, counted };
        counted = to;
        Some(window)
    })
}

/// Windows packed into rows of batches, which ranks compute in turn.
struct Filling {
    by: Windows,
    rows: Vec<Row>,
    turn: (usize, usize),
    batches: usize,
    /// The negative log likelihood of each of this rank's batches.
    nats: Vec<f64>,
}

#[derive(Default)]
struct Row {
    ids: Vec<u32>,
    labels: Vec<i64>,
    segments: Vec<u32>,
    positions: Vec<u32>,
}

impl Filling {
    /// For `texts` texts: a single one is not worth synchronizing ranks.
    fn new(by: Windows, texts: usize) -> Filling {
        let turn = if texts > 1 { ranks::turn() } else { (0, 1) };
        Filling { by, rows: Vec::new(), turn, batches: 0, nats: Vec::new() }
    }

    fn has_room(&self, more: usize) -> bool {
        self.rows.last().is_some_and(|row| row.ids.len() + more <= self.by.max_length)
    }

    fn fits(&self, more: usize) -> bool {
        self.rows.len() < self.by.batch_size || self.has_room(more)
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

    /// Adds the negative log likelihood of the gathered windows, and clears them.
    fn run(&mut self, net: &Model) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let length = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        if length == 0 {
            return Ok(());
        }
        let number = self.batches;
        self.batches += 1;
        if number % self.turn.1 != self.turn.0 {
            return Ok(());
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
        self.nats.push(net.nats(&TokenRows::from(&batch))?);
        Ok(())
    }
}
