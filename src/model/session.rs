//! Continuous batching: lines of text that join and leave a running batch between two tokens.
//!
//! The result of a line has the same bits regardless of the other lines, of when they joined, and of whether the beginning of its
//! prompt was cached. Prompts are read in chunks, so that a long one does not stall the lines being generated, and the keys and
//! values of prompts are kept for the next prompt with the same beginning.

use super::Model;
use super::cache::Cache;
use super::config::Config;
use super::prefixes::Prefixes;
use super::rows::TokenRows;
use crate::kernel::Precision;
use crate::kernel::decoder::{Decoder, KvCache};
use crate::kernel::matvec::WIDE_ROWS;
use crate::sync::unpoisoned;
use crate::tensor::nn::Rotary;
use crate::tensor::{Array, no_grad};
use crate::{Result, bail, cancel};
use std::sync::{Arc, Mutex};

/// Prompt tokens per pass.
const CHUNK: usize = 512;

/// Time and memory budget of a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionPlan {
    /// Approximate prompt tokens per step; at least one chunk.
    pub read_at_once: usize,
    /// Memory of the prefix cache.
    pub prefix_bytes: usize,
}

/// The id of a line, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(u64);

/// One text.
struct Line {
    id: LineId,
    ids: Vec<u32>,
    /// Number of prompt ids.
    prompt: usize,
    /// Number of ids with keys and values in `kv`.
    read: usize,
    kv: Vec<KvCache>,
    /// The logits after the last token, once all are read.
    logits: Vec<f32>,
}

/// A batch of lines over one model, with the weights as of the start of the session.
pub struct Session {
    net: Model,
    config: Arc<Config>,
    decoder: Option<Decoder>,
    rotary: Option<Arc<Rotary>>,
    plan: SessionPlan,
    lines: Vec<Line>,
    prefixes: Prefixes,
    next: u64,
    /// The line whose prompt was read last.
    turn: LineId,
}

impl Session {
    pub fn new(net: &Model, plan: SessionPlan) -> Result<Session> {
        net.check_causal("generate")?;
        if net.candle().is_some() {
            bail!("generate", "a model of engine \"candle\" writes one text at a time");
        }
        let (config, decoder, rotary) = {
            let inner = net.read();
            (inner.config.clone(), inner.decoder()?, inner.rotary())
        };
        let prefixes = Prefixes::new(plan.prefix_bytes);
        Ok(Session {
            net: net.clone(),
            config,
            decoder,
            rotary,
            plan,
            lines: Vec::new(),
            prefixes,
            next: 1,
            turn: LineId(0),
        })
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a prompt. A cached prefix is not read again: see [`Session::prompt`].
    pub fn join(&mut self, prompt: &[u32]) -> Result<LineId> {
        if prompt.is_empty() {
            bail!("generate", "there are no ids");
        }
        let id = self.fresh_id();
        // if frequencies depend on the length, so do the keys of a prompt's prefix
        let kept = if self.by_length() { None } else { self.prefixes.find(prompt, prompt.len() - self.least(prompt)) };
        let (kv, read) = kept.unwrap_or_else(|| (vec![KvCache::default(); self.config.layers], 0));
        let ids = prompt.to_vec();
        self.lines.push(Line { id, prompt: ids.len(), ids, read, kv, logits: Vec::new() });
        Ok(id)
    }

    /// The minimum tokens of a pass over this prompt: fewer would use another kernel, which sums in another order.
    fn least(&self, prompt: &[u32]) -> usize {
        prompt.len().min(WIDE_ROWS + 1)
    }

    fn by_length(&self) -> bool {
        self.rotary.as_ref().is_some_and(|rotary| rotary.depends_on_length())
    }

    fn fresh_id(&mut self) -> LineId {
        self.next += 1;
        LineId(self.next)
    }

    fn place(&self, line: LineId) -> Result<usize> {
        match self.lines.iter().position(|known| known.id == line) {
            Some(at) => Ok(at),
            None => bail!("generate", "this line has left"),
        }
    }

    /// A copy of a line, which continues from the same state.
    pub fn fork(&mut self, line: LineId) -> Result<LineId> {
        let (at, id) = (self.place(line)?, self.fresh_id());
        let Line { ids, prompt, read, kv, logits, .. } = &self.lines[at];
        let (ids, kv, logits) = (ids.clone(), kv.clone(), logits.clone());
        let fork = Line { id, ids, prompt: *prompt, read: *read, kv, logits };
        self.lines.push(fork);
        Ok(id)
    }

    /// Number of prompt tokens of a line, and how many of them have been read.
    pub fn prompt(&self, line: LineId) -> Result<(usize, usize)> {
        let line = &self.lines[self.place(line)?];
        Ok((line.prompt, line.read.min(line.prompt)))
    }

    /// The logits of a line's next token, and all its ids.
    pub fn logits(&mut self, line: LineId) -> Result<(&mut [f32], &[u32])> {
        let at = self.place(line)?;
        let line = &mut self.lines[at];
        Ok((&mut line.logits, &line.ids))
    }

    /// Appends the next token of a line; false if the model has no further position.
    pub fn push(&mut self, line: LineId, id: u32) -> Result<bool> {
        let at = self.place(line)?;
        let line = &mut self.lines[at];
        if line.read < line.ids.len() {
            bail!("generate", "a line gets its next token once the one before is read");
        }
        line.ids.push(id);
        Ok(self.config.rope.is_some() || line.ids.len() < self.config.max_positions)
    }

    /// Drops a line at any point, and returns its ids. Its prompt is cached.
    pub fn leave(&mut self, line: LineId) -> Vec<u32> {
        let Ok(at) = self.place(line) else { return Vec::new() };
        let Line { ids, prompt, read, kv, .. } = self.lines.remove(at);
        // tokens generated one by one have other bits than the same tokens read as a prompt
        let known = read.min(prompt);
        if known > WIDE_ROWS && !self.by_length() {
            self.prefixes.keep(&ids[..known], &kv, read);
        }
        ids
    }

    /// Reads a part of the prompts, and one token of each line that got one. Returns the lines whose next token may now be
    /// chosen; each needs a [`Session::push`] or a [`Session::leave`] before it takes part in the next step.
    pub fn step(&mut self) -> Result<Vec<LineId>> {
        let mut fresh = self.read_prompts()?;
        fresh.extend(self.write()?);
        fresh.sort_unstable();
        Ok(fresh)
    }

    /// Reads prompts in turn, up to the tokens of a step; returns those read completely.
    fn read_prompts(&mut self) -> Result<Vec<LineId>> {
        let (mut left, mut whole) = (self.plan.read_at_once, Vec::new());
        while let Some(at) = self.next_prompt() {
            cancel::check()?;
            let count = self.chunk(&self.lines[at]);
            if count > left && left < self.plan.read_at_once {
                break;
            }
            self.read_chunk(at, count)?;
            let line = &self.lines[at];
            self.turn = line.id;
            if line.read == line.prompt {
                whole.push(line.id);
            }
            left = left.saturating_sub(count);
            if left == 0 {
                break;
            }
        }
        Ok(whole)
    }

    /// The prompt after the one that was read last.
    fn next_prompt(&self) -> Option<usize> {
        let reading = |line: &&Line| line.read < line.prompt;
        let behind = self.lines.iter().filter(reading).find(|line| line.id > self.turn);
        let next = behind.or_else(|| self.lines.iter().find(reading))?.id;
        self.place(next).ok()
    }

    /// Number of prompt tokens that a line reads next. No pass is left with so few that another kernel would be used.
    fn chunk(&self, line: &Line) -> usize {
        let left = line.prompt - line.read;
        if left <= CHUNK + WIDE_ROWS || self.by_length() { left } else { CHUNK }
    }

    fn read_chunk(&mut self, at: usize, count: usize) -> Result<()> {
        let line = &mut self.lines[at];
        let cache = Cache::of(vec![std::mem::take(&mut line.kv)]);
        let ids = line.ids[line.read..line.read + count].to_vec();
        let start = line.read as u32;
        let (logits, cache) = self.net.last_logits(&[&ids], &[start], cache)?;
        let line = &mut self.lines[at];
        line.kv = cache.into_rows().pop().unwrap_or_default();
        line.read += count;
        line.logits = logits;
        Ok(())
    }

    /// Reads the newest token of each line that has one.
    fn write(&mut self) -> Result<Vec<LineId>> {
        let due: Vec<usize> = (0..self.lines.len()).filter(|&at| self.lines[at].is_due()).collect();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        cancel::check()?;
        for &at in &due {
            self.turn_angles(at)?;
        }
        let ids: Vec<u32> = due.iter().map(|&at| self.lines[at].ids[self.lines[at].read]).collect();
        let positions: Vec<u32> = due.iter().map(|&at| self.lines[at].read as u32).collect();
        let rows = due.iter().map(|&at| std::mem::take(&mut self.lines[at].kv)).collect();
        let (logits, cache) = self.next_logits(&ids, &positions, Cache::of(rows))?;
        let logits = logits.chunks_exact(self.config.vocab);
        for ((&at, kv), logits) in due.iter().zip(cache.into_rows()).zip(logits) {
            let line = &mut self.lines[at];
            line.kv = kv;
            line.read += 1;
            line.logits.copy_from_slice(logits);
        }
        Ok(due.iter().map(|&at| self.lines[at].id).collect())
    }

    /// Recomputes all keys of a line if the frequencies change from the next token on.
    fn turn_angles(&mut self, at: usize) -> Result<()> {
        let line = &self.lines[at];
        if !self.rotary.as_ref().is_some_and(|rotary| rotary.turns_at(line.ids.len())) {
            return Ok(());
        }
        let (_, mut cache) = self.net.last_logits(&[&line.ids], &[0], Cache::new(self.config.layers))?;
        cache.pop(line.ids.len())?;
        self.lines[at].kv = cache.into_rows().pop().unwrap_or_default();
        Ok(())
    }

    fn next_logits(&self, ids: &[u32], positions: &[u32], mut cache: Cache) -> Result<(Vec<f32>, Cache)> {
        match &self.decoder {
            Some(decoder) => {
                let logits = cache.step(decoder, self.rotary.as_deref(), ids, positions)?;
                Ok((logits, cache))
            }
            None => {
                let rows: Vec<&[u32]> = ids.chunks(1).collect();
                self.net.last_logits(&rows, positions, cache)
            }
        }
    }
}

impl Line {
    /// Whether it has an unread token that is not part of its prompt.
    fn is_due(&self) -> bool {
        self.read >= self.prompt && self.read < self.ids.len()
    }
}

impl Model {
    /// Logits after the last id of each row (all of equal length), whose first ids are at positions `starts`, and the cache
    /// including these rows.
    fn last_logits(&self, ids: &[&[u32]], starts: &[u32], cache: Cache) -> Result<(Vec<f32>, Cache)> {
        let length = ids.first().map_or(0, |ids| ids.len());
        let positions: Vec<u32> = starts.iter().flat_map(|&start| start..start + length as u32).collect();
        let all = ids.concat();
        let rows =
            TokenRows { rows: ids.len(), length, ids: &all, positions: Some(&positions), ..TokenRows::default() };
        let cache = Arc::new(Mutex::new(cache));
        let logits = no_grad(|| -> Result<Vec<f32>> {
            let inner = self.read();
            let mut pass = inner.pass("generate", &rows)?;
            pass.cache = Some(cache.clone());
            if length <= WIDE_ROWS && pass.precision != Precision::Int8 {
                // weights are read once either way, and not packed
                pass.precision = Precision::F32;
            }
            let hidden: Array =
                inner.arch.hidden_states(&pass, false)?.value().narrow(1, length - 1, 1)?.contiguous()?;
            let logits = pass.logits(&hidden.into())?.value();
            Ok(logits.flatten_all()?.to_vec1::<f32>()?)
        })?;
        match Arc::into_inner(cache) {
            Some(cache) => Ok((logits, unpoisoned(cache.into_inner()))),
            None => bail!("generate", "something else holds what was read"),
        }
    }
}
