//! Architectures of candle-transformers, through `model(path, #{ engine: "candle" })`: they predict tokens, as baselines of an
//! evaluation, but do not train. Requires the cargo feature `candle-models`.

#[cfg(not(feature = "candle-models"))]
#[path = "absent.rs"]
mod engine;
#[cfg(feature = "candle-models")]
mod engine;
mod open;

use super::rows::TokenRows;
use crate::{Error, Result, bail, cancel};
pub(super) use engine::CandleDecoder;

/// Rows per batch, which share one read of the weights.
const TOGETHER: usize = 32;

pub(super) fn no_training<T>() -> Result<T> {
    Err(Error::new("model", "a model of engine \"candle\" only generates and measures: it has no gradients, and none of its weights can be changed")
        .help("llama, mistral, phi3, qwen2, qwen3, gemma2, gemma3_text, gpt2 and bert are levain's own: open them without `engine` to train them"))
}

impl CandleDecoder {
    /// The summed negative log likelihood of the labels of a batch, each segment read separately.
    pub(super) fn nats(&self, rows: &TokenRows) -> Result<f64> {
        let segments = segments(rows);
        let mut sum = 0.0;
        let mut session = self.session();
        for group in segments.chunks(TOGETHER) {
            session.clear()?;
            let longest = group.iter().map(|(ids, _)| ids.len()).max().unwrap_or(0);
            for at in 0..longest.saturating_sub(1) {
                cancel::check()?;
                // a finished row reads arbitrary ids: its logits are not used
                let ids: Vec<u32> = group.iter().map(|(ids, _)| ids.get(at).copied().unwrap_or(0)).collect();
                let logits = session.step(&ids, ids.len(), at)?;
                let logits = logits.chunks_exact(logits.len() / ids.len());
                for ((_, labels), logits) in group.iter().zip(logits) {
                    if let Some(&label) = labels.get(at + 1).filter(|label| **label >= 0) {
                        sum += nats(logits, label as usize)?;
                    }
                }
            }
        }
        Ok(sum)
    }
}

/// The ids and labels of each segment of a batch.
fn segments<'a>(rows: &TokenRows<'a>) -> Vec<(&'a [u32], &'a [i64])> {
    let labels = rows.labels.unwrap_or_default();
    let mut found = Vec::new();
    for row in 0..rows.rows {
        let of = |at: usize| rows.segments.map_or(1, |segments| segments[row * rows.length + at]);
        let mut start = 0;
        while start < rows.length {
            let end = (start..rows.length).find(|&at| of(at) != of(start)).unwrap_or(rows.length);
            let range = row * rows.length + start..row * rows.length + end;
            if of(start) != 0 && labels.len() >= range.end {
                found.push((&rows.ids[range.clone()], &labels[range]));
            }
            start = end;
        }
    }
    found
}

/// The negative log likelihood of a label, from its logits.
fn nats(logits: &[f32], label: usize) -> Result<f64> {
    let Some(own) = logits.get(label) else {
        bail!("likelihood", "label {label} is outside the embeddings of {} rows", logits.len());
    };
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - highest).exp()).sum();
    Ok(sum.ln() - f64::from(own - highest))
}
