//! Sampling of the next token from the logits.

use crate::tensor::Rng;
use crate::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// How the next token is sampled.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// Maximum number of new tokens.
    pub max_new_tokens: usize,
    /// Minimum number of new tokens before the text may end.
    pub min_new_tokens: usize,
    /// 0 chooses the most likely token.
    pub temperature: f64,
    /// Only the k most likely tokens.
    pub top_k: Option<usize>,
    /// Only the most likely tokens that together reach this probability.
    pub top_p: Option<f64>,
    /// Only tokens with at least this share of the highest probability.
    pub min_p: Option<f64>,
    /// Divides the logits of earlier tokens (CTRL; Keskar et al. 2019). 1 changes nothing.
    pub repetition_penalty: f64,
    /// Subtracted from the logit of each generated token, once per occurrence (OpenAI).
    pub frequency_penalty: f64,
    /// Subtracted once from the logit of each generated token (OpenAI).
    pub presence_penalty: f64,
    /// Added to the logits of these ids.
    pub logit_bias: BTreeMap<u32, f32>,
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
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: BTreeMap::new(),
            ends: BTreeSet::new(),
        }
    }
}

impl Sampling {
    /// Returns an error that names the first option out of range.
    pub fn check(&self) -> Result<()> {
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
            ("frequency_penalty", self.frequency_penalty, true, "a number"),
            ("presence_penalty", self.presence_penalty, true, "a number"),
        ];
        match checks.iter().find(|(_, value, fine, _)| !fine || !value.is_finite()) {
            Some((name, value, _, range)) => bail!("generate", "option `{name}` is {value}, and it has to be {range}"),
            None => Ok(()),
        }
    }

    /// The next id, from the logits and all ids so far, the last `new` of which were generated; `None` if it ends the text.
    pub fn next(&self, logits: &mut [f32], ids: &[u32], new: usize, rng: &mut Rng) -> Result<Option<u32>> {
        if new < self.min_new_tokens {
            for &end in &self.ends {
                logits.get_mut(end as usize).into_iter().for_each(|logit| *logit = f32::NEG_INFINITY);
            }
        }
        self.penalize(logits, &ids[ids.len() - new..]);
        let id = self.choose(logits, ids, rng)?;
        Ok((!self.ends.contains(&id)).then_some(id))
    }

    /// Applies the biases and penalties.
    fn penalize(&self, logits: &mut [f32], generated: &[u32]) {
        for (&id, bias) in &self.logit_bias {
            logits.get_mut(id as usize).into_iter().for_each(|logit| *logit += bias);
        }
        if self.frequency_penalty == 0.0 && self.presence_penalty == 0.0 {
            return;
        }
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for &id in generated {
            *counts.entry(id).or_default() += 1;
        }
        for (id, count) in counts {
            logits[id as usize] -= (count as f64 * self.frequency_penalty + self.presence_penalty) as f32;
        }
    }

    /// Samples one id, from the logits and all ids so far.
    pub fn choose(&self, logits: &mut [f32], before: &[u32], rng: &mut Rng) -> Result<u32> {
        // no early exit, so that the compiler vectorizes the loop
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

    /// The candidate ids with their odds.
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
            // rarer tokens can't be among them, and need not be sorted
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

/// The id of the highest logit, the first in a tie.
fn best(logits: &[f32]) -> u32 {
    // the compiler vectorizes the first loop
    let highest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    logits.iter().position(|&logit| logit == highest).unwrap_or(0) as u32
}
