//! Divergence of one model's predictions from another's, token by token: the cost of quantizing, pruning or distilling, with
//! finer resolution than the likelihood of a text.

use super::likelihood::{Windows, checked, windows};
use crate::model::{self, Model, TokenRows};
use crate::tensor::{DType, no_grad};
use crate::token::Tokenizer;
use crate::{Result, bail, cancel};
use rayon::prelude::*;

/// The divergence over some texts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Divergence {
    /// The sum of the KL divergences of the predictions, in nats.
    pub nats: f64,
    /// Number of predictions for which both models have the same most likely token.
    pub same: usize,
    /// Number of predicted tokens.
    pub tokens: usize,
}

/// The Kullback-Leibler divergence (1951) of the predictions of `other` from those of `net`, over each token of `texts`, in the
/// windows of `measure::likelihood`.
pub fn divergence<S: AsRef<str> + Sync>(
    net: &Model,
    other: &Model,
    tok: &Tokenizer,
    texts: &[S],
    by: Windows,
) -> Result<Divergence> {
    for model in [net, other] {
        checked("divergence", model, by)?;
    }
    let (rows, theirs) = (net.config().vocab, other.config().vocab);
    if rows != theirs {
        bail!("divergence", "the models predict {rows} and {theirs} tokens");
    }
    let mut sum = Divergence::default();
    for texts in texts.chunks(64) {
        for mut ids in tok.encode_batch(texts, false)? {
            ids.splice(0..0, by.start);
            for window in windows(ids.len(), 1, by) {
                cancel::check()?;
                let counted = window.counted - window.ids.start;
                sum.add(net, other, &ids[window.ids], counted)?;
            }
        }
    }
    if sum.tokens == 0 {
        bail!("divergence", "there is no text to predict");
    }
    Ok(sum)
}

impl Divergence {
    /// Adds the tokens of a window from `counted` on, each predicted by the one before it.
    fn add(&mut self, net: &Model, other: &Model, ids: &[u32], counted: usize) -> Result<()> {
        let batch = TokenRows { rows: 1, length: ids.len(), ids, ..TokenRows::default() };
        let predicted = ids.len() - counted;
        let logits = |net: &Model| -> Result<Vec<f32>> {
            let all = no_grad(|| net.forward(&batch))?.value().squeeze(0)?;
            Ok(all.narrow(0, counted - 1, predicted)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
        };
        let (own, theirs) = (logits(net)?, logits(other)?);
        let columns = own.len() / predicted.max(1);
        // collected and summed in order, so that the sum does not depend on threads
        let found: Vec<(f64, bool)> = own
            .par_chunks(columns)
            .zip(theirs.par_chunks(columns))
            .map(|(own, theirs)| (model::divergence(own, theirs), largest(own) == largest(theirs)))
            .collect();
        self.nats += found.iter().map(|(nats, _)| nats).sum::<f64>();
        self.same += found.iter().filter(|(_, same)| *same).count();
        self.tokens += predicted;
        Ok(())
    }
}

fn largest(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, at| if logits[at] > logits[best] { at } else { best })
}
