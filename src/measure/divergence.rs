//! How far the predictions of a model are from those of another, token by token: what quantizing, pruning or distilling costs, more finely
//! than the likelihood of one text says it.

use super::likelihood::{Windows, checked, windows};
use crate::model::{self, Model, TokenRows};
use crate::tensor::{DType, no_grad};
use crate::token::Tokenizer;
use crate::{Result, bail, cancel};
use rayon::prelude::*;

/// Of some texts together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Divergence {
    /// The sum of the KL divergences of the predictions, in nats.
    pub nats: f64,
    /// Predictions in which both models hold the same token for the likeliest.
    pub same: usize,
    /// Tokens that were predicted.
    pub tokens: usize,
}

/// The Kullback-Leibler divergence (1951) of the predictions of `other` from those of `net`, over each token of `texts`, in the windows that
/// `measure::likelihood` reads.
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
    /// The tokens of a window from `counted` on, each predicted by the one before it.
    fn add(&mut self, net: &Model, other: &Model, ids: &[u32], counted: usize) -> Result<()> {
        let batch = TokenRows { rows: 1, length: ids.len(), ids, ..TokenRows::default() };
        let predicted = ids.len() - counted;
        let logits = |net: &Model| -> Result<Vec<f32>> {
            let all = no_grad(|| net.forward(&batch))?.value().squeeze(0)?;
            Ok(all.narrow(0, counted - 1, predicted)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
        };
        let (own, theirs) = (logits(net)?, logits(other)?);
        let columns = own.len() / predicted.max(1);
        // collected in order and then added, so that the sum does not depend on threads
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
