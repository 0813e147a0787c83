//! Autoregressive generation for a fixed list of prompts through a [`Session`].

use super::Model;
use super::candle::CandleDecoder;
use super::sampling::Sampling;
use super::session::{LineId, Session, SessionPlan};
use crate::tensor::Rng;
use crate::{Result, cancel};
use std::collections::BTreeMap;

/// Texts per batch of generation, which share one read of the weights.
const TOGETHER: usize = 32;

/// The text of one prompt.
struct Text {
    row: usize,
    new: usize,
    rng: Rng,
}

impl Model {
    /// Continues each prompt. `token(row, id)` is called with every new token and returns whether its row continues. Returns the
    /// new ids, without the id that ended the text. A row's text does not depend on the other rows.
    pub fn generate(
        &self,
        prompts: &[Vec<u32>],
        sampling: &Sampling,
        rng: &Rng,
        token: impl FnMut(usize, u32) -> Result<bool>,
    ) -> Result<Vec<Vec<u32>>> {
        let rngs = (0..prompts.len() as u64).map(|row| rng.split(row)).collect();
        self.generate_with(prompts, sampling, rngs, token)
    }

    /// [`Model::generate`], with separate random numbers for each prompt.
    pub fn generate_with(
        &self,
        prompts: &[Vec<u32>],
        sampling: &Sampling,
        rngs: Vec<Rng>,
        mut token: impl FnMut(usize, u32) -> Result<bool>,
    ) -> Result<Vec<Vec<u32>>> {
        sampling.check()?;
        self.check_causal("generate")?;
        if let Some(candle) = self.candle() {
            return candle_texts(&candle, prompts, sampling, rngs, self.config().max_positions, token);
        }
        let mut done = vec![Vec::new(); prompts.len()];
        let mut session = Session::new(self, SessionPlan { read_at_once: usize::MAX, prefix_bytes: 0 })?;
        let asked = if sampling.max_new_tokens > 0 { prompts.len() } else { 0 };
        let mut waiting = prompts.iter().zip(rngs).take(asked).enumerate();
        let mut texts: BTreeMap<LineId, Text> = BTreeMap::new();
        loop {
            // a finished line makes room for the next prompt
            for (row, (prompt, rng)) in waiting.by_ref().take(TOGETHER - session.len()) {
                texts.insert(session.join(prompt)?, Text { row, new: 0, rng });
            }
            if session.is_empty() {
                return Ok(done);
            }
            for line in session.step()? {
                let Some(text) = texts.get_mut(&line) else { continue };
                if !text.advance(&mut session, line, sampling, &mut token)? {
                    let ids = session.leave(line);
                    done[text.row] = ids[ids.len() - text.new..].to_vec();
                }
            }
        }
    }
}

impl Text {
    /// Chooses the next token; false at the end of the text.
    fn advance(
        &mut self,
        session: &mut Session,
        line: LineId,
        sampling: &Sampling,
        token: &mut impl FnMut(usize, u32) -> Result<bool>,
    ) -> Result<bool> {
        let (logits, ids) = session.logits(line)?;
        let Some(id) = sampling.next(logits, ids, self.new, &mut self.rng)? else { return Ok(false) };
        let room = session.push(line, id)?;
        self.new += 1;
        Ok(token(self.row, id)? && self.new < sampling.max_new_tokens && room)
    }
}

/// Like [`Model::generate`], one prompt after the other.
fn candle_texts(
    candle: &CandleDecoder,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    rngs: Vec<Rng>,
    room: usize,
    mut token: impl FnMut(usize, u32) -> Result<bool>,
) -> Result<Vec<Vec<u32>>> {
    let mut session = candle.session();
    let mut done = Vec::new();
    for ((row, prompt), mut rng) in prompts.iter().enumerate().zip(rngs) {
        session.clear()?;
        let (mut read, mut ids) = (0, prompt.clone());
        while ids.len() < prompt.len() + sampling.max_new_tokens && ids.len() < room {
            cancel::check()?;
            let mut logits = session.step(&ids[read..], 1, read)?;
            read = ids.len();
            let Some(id) = sampling.next(&mut logits, &ids, ids.len() - prompt.len(), &mut rng)? else { break };
            ids.push(id);
            if !token(row, id)? {
                break;
            }
        }
        done.push(ids.split_off(prompt.len()));
    }
    Ok(done)
}
