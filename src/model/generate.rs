//! Autoregressive generation with a KV cache.

use super::Model;
use super::cache::Cache;
use super::candle::CandleDecoder;
use super::rows::TokenRows;
use crate::kernel::Precision;
use crate::kernel::matvec::WIDE_ROWS;
use crate::sync::unpoisoned;
use crate::tensor::{Array, Rng, no_grad};
use crate::{Result, bail, cancel};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// How the next token is chosen.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// At most so many new tokens.
    pub max_new_tokens: usize,
    /// No token ends a text before so many new ones.
    pub min_new_tokens: usize,
    /// 0 takes the most likely token.
    pub temperature: f64,
    /// Only the k most likely.
    pub top_k: Option<usize>,
    /// Only the most likely that together have this probability.
    pub top_p: Option<f64>,
    /// Only those of at least this share of the highest probability.
    pub min_p: Option<f64>,
    /// Divides the logits of what was written before (CTRL; Keskar et al. 2019). 1 changes nothing.
    pub repetition_penalty: f64,
    /// Ids that end a text.
    pub ends: BTreeSet<u32>,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling {
            max_new_tokens: 100,
            min_new_tokens: 0,
            temperature: 0.0,
            top_k: None,
            top_p: None,
            min_p: None,
            repetition_penalty: 1.0,
            ends: BTreeSet::new(),
        }
    }
}

impl Sampling {
    fn check(&self) -> Result<()> {
        let (least, most) = (self.min_new_tokens, self.max_new_tokens);
        if least > most {
            bail!("generate", "option `min_new_tokens` is {least}, more than `max_new_tokens`, {most}");
        }
        let (top_p, min_p) = (self.top_p.unwrap_or(1.0), self.min_p.unwrap_or(0.0));
        let checks = [
            ("temperature", self.temperature, self.temperature >= 0.0, "0 or above"),
            ("repetition_penalty", self.repetition_penalty, self.repetition_penalty > 0.0, "above 0"),
            ("top_k", self.top_k.unwrap_or(1) as f64, self.top_k != Some(0), "1 or above"),
            ("top_p", top_p, top_p > 0.0 && top_p <= 1.0, "above 0 and at most 1"),
            ("min_p", min_p, (0.0..=1.0).contains(&min_p), "from 0 to 1"),
        ];
        match checks.iter().find(|(_, value, fine, _)| !fine || !value.is_finite()) {
            Some((name, value, _, range)) => bail!("generate", "option `{name}` is {value}, and it has to be {range}"),
            None => Ok(()),
        }
    }

    /// The next id, from the logits and all ids before.
    pub fn choose(&self, logits: &mut [f32], before: &[u32], rng: &mut Rng) -> Result<u32> {
        // no early end: so it is a loop over vectors
        if logits.iter().fold(false, |found, logit| found | logit.is_nan()) {
            bail!("generate", "the logits are not numbers: the weights of this model are broken");
        }
        if self.repetition_penalty != 1.0 {
            let factor = self.repetition_penalty as f32;
            for id in before.iter().collect::<BTreeSet<_>>() {
                let logit = &mut logits[*id as usize];
                *logit = if *logit < 0.0 { *logit * factor } else { *logit / factor };
            }
        }
        if self.temperature == 0.0 {
            return Ok(best(logits));
        }
        let mut odds = self.odds(logits);
        let total: f64 = odds.iter().map(|(_, odds)| odds).sum();
        let mut left = rng.uniform() * total;
        let last = odds.pop().map_or(0, |(id, _)| id);
        for (id, odds) in odds {
            left -= odds;
            if left < 0.0 {
                return Ok(id);
            }
        }
        Ok(last)
    }

    /// The ids that may be chosen with their odds.
    fn odds(&self, logits: &[f32]) -> Vec<(u32, f64)> {
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let odds = |(id, logit): (usize, &f32)| (id as u32, (f64::from(logit - highest) / self.temperature).exp());
        let mut all: Vec<(u32, f64)> = logits.iter().enumerate().map(odds).collect();
        let falling = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if let Some(k) = self.top_k.filter(|&k| k < all.len()) {
            all.select_nth_unstable_by(k, falling);
            all.truncate(k);
        }
        if let Some(p) = self.top_p.filter(|&p| p < 1.0) {
            let total: f64 = all.iter().map(|(_, odds)| odds).sum();
            // what is rarer than this can't be among them, and need not be sorted
            let least = (1.0 - p) * total / all.len() as f64;
            all.retain(|(_, odds)| *odds >= least);
            all.sort_unstable_by(falling);
            let mut sum = 0.0;
            let reached = all.iter().position(|(_, odds)| {
                sum += odds;
                sum >= p * total
            });
            all.truncate(reached.map_or(all.len(), |last| last + 1));
        } else {
            all.sort_unstable_by_key(|(id, _)| *id);
        }
        if let Some(least) = self.min_p {
            // the highest odds are 1
            all.retain(|(_, odds)| *odds >= least);
        }
        all
    }
}

/// The id of the highest logit, the first of equals.
fn best(logits: &[f32]) -> u32 {
    // the first loop is one that the compiler turns into vectors
    let highest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    logits.iter().position(|&logit| logit == highest).unwrap_or(0) as u32
}

/// Texts in a batch of generation: the weights are read once for all of them.
const TOGETHER: usize = 32;

/// One text in generation.
struct Line {
    row: usize,
    ids: Vec<u32>,
    new: usize,
    rng: Rng,
    logits: Vec<f32>,
}

impl Model {
    /// Continues each prompt. `token(row, id)` is called with every new token and returns whether its row continues.
    /// Returns the new ids, without the id that ended them. A row's text does not depend on the rows beside it.
    pub fn generate(
        &self,
        prompts: &[Vec<u32>],
        sampling: &Sampling,
        rng: &Rng,
        mut token: impl FnMut(usize, u32) -> Result<bool>,
    ) -> Result<Vec<Vec<u32>>> {
        sampling.check()?;
        self.check_causal("generate")?;
        if let Some(candle) = self.candle() {
            return candle_texts(&candle, prompts, sampling, rng, self.config().max_positions, token);
        }
        let mut done = vec![Vec::new(); prompts.len()];
        let (config, decoder, rotary) = {
            let inner = self.read();
            (inner.config.clone(), inner.decoder()?, inner.rotary())
        };
        let room = if config.rope.is_some() { usize::MAX } else { config.max_positions };
        let mut waiting = prompts.iter().take(if sampling.max_new_tokens > 0 { prompts.len() } else { 0 }).enumerate();
        let (mut lines, mut cache): (Vec<Line>, _) = (Vec::new(), Cache::default());
        loop {
            // a line that is done makes room for the next prompt
            for (row, prompt) in waiting.by_ref().take(TOGETHER - lines.len()) {
                let (logits, read) = self.last_logits(&[prompt.as_slice()], &[0], Cache::new(config.layers))?;
                cache.join(read);
                lines.push(Line { row, ids: prompt.clone(), new: 0, rng: rng.split(row as u64), logits });
            }
            if lines.is_empty() {
                break;
            }
            cancel::check()?;
            let mut going = Vec::with_capacity(lines.len());
            for line in &mut lines {
                let more = line.step(sampling, &mut token)?;
                going.push(more && line.new < sampling.max_new_tokens && line.ids.len() < room);
            }
            let mut keep = going.iter();
            for line in lines.extract_if(.., |_| !keep.next().copied().unwrap_or(false)) {
                done[line.row] = line.ids[line.ids.len() - line.new..].to_vec();
            }
            cache.retain(&going);
            if lines.is_empty() {
                continue;
            }
            for (row, line) in lines.iter().enumerate() {
                if rotary.as_ref().is_some_and(|rotary| rotary.turns_at(line.ids.len())) {
                    // all keys by the frequencies that hold from here on
                    let (_, mut read) = self.last_logits(&[&line.ids], &[0], Cache::new(config.layers))?;
                    read.pop(line.ids.len());
                    cache.replace(row, read);
                }
            }
            let ids: Vec<u32> = lines.iter().map(|line| line.ids[line.ids.len() - 1]).collect();
            let positions: Vec<u32> = lines.iter().map(|line| line.ids.len() as u32 - 1).collect();
            let logits = match &decoder {
                Some(decoder) => cache.step(decoder, rotary.as_deref(), &ids, &positions)?,
                None => {
                    let rows: Vec<&[u32]> = ids.chunks(1).collect();
                    let (logits, read) = self.last_logits(&rows, &positions, cache)?;
                    cache = read;
                    logits
                }
            };
            share(&mut lines, logits, config.vocab);
        }
        Ok(done)
    }

    /// Logits after the last id of each row (all of one length), whose first ids are at `starts`, and the cache with
    /// these rows read.
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

/// Gives each line its logits.
fn share(lines: &mut [Line], logits: Vec<f32>, vocab: usize) {
    match lines {
        [line] => line.logits = logits,
        lines => lines
            .iter_mut()
            .zip(logits.chunks_exact(vocab))
            .for_each(|(line, logits)| line.logits.copy_from_slice(logits)),
    }
}

/// As [`Model::generate`], one prompt after the other.
fn candle_texts(
    candle: &CandleDecoder,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    rng: &Rng,
    room: usize,
    mut token: impl FnMut(usize, u32) -> Result<bool>,
) -> Result<Vec<Vec<u32>>> {
    let mut session = candle.session();
    let mut done = Vec::new();
    for (row, prompt) in prompts.iter().enumerate() {
        session.clear()?;
        let (mut read, ids) = (0, prompt.clone());
        let mut line = Line { row, ids, new: 0, rng: rng.split(row as u64), logits: Vec::new() };
        while line.new < sampling.max_new_tokens && line.ids.len() < room {
            cancel::check()?;
            line.logits = session.step(&line.ids[read..], 1, read)?;
            read = line.ids.len();
            if !line.step(sampling, &mut token)? {
                break;
            }
        }
        done.push(line.ids[line.ids.len() - line.new..].to_vec());
    }
    Ok(done)
}

impl Line {
    /// Chooses the next token; false when that ended the text.
    fn step(&mut self, sampling: &Sampling, token: &mut impl FnMut(usize, u32) -> Result<bool>) -> Result<bool> {
        if self.new < sampling.min_new_tokens {
            for &end in &sampling.ends {
                self.logits.get_mut(end as usize).into_iter().for_each(|logit| *logit = f32::NEG_INFINITY);
            }
        }
        let id = sampling.choose(&mut self.logits, &self.ids, &mut self.rng)?;
        if sampling.ends.contains(&id) {
            return Ok(false);
        }
        self.ids.push(id);
        self.new += 1;
        token(self.row, id)
    }
}
