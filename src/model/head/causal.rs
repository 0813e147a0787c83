//! The causal language model: each position predicts the next token of its segment.

use super::targets::of_vocabulary;
use crate::Result;
use crate::model::config::{Config, OutputEmbeddings};
use crate::model::rows::TokenRows;
use crate::model::spec::{Head, Start, Targets, TensorSpec};

pub const HEAD: Head = Head {
    name: "causal",
    next_token: true,
    classes: false,
    output: |config| Some(OutputEmbeddings { weight: weight(config), bias: None, head: &[LM_HEAD] }),
    tensors: |config| match config.tied {
        true => Vec::new(),
        false => {
            let start = Start::Normal(config.init_range);
            vec![TensorSpec::new(weight(config), &[config.vocab, config.hidden], start)]
        }
    },
    outputs: |pass, hidden| pass.logits(hidden),
    ties: |config| vec![(format!("{LM_HEAD}.weight"), config.layout.embeddings.into())],
    targets,
    loss: |pass, hidden, targets, plan| pass.cross_entropy(hidden, &targets.ids, plan.smoothing),
    peft_task: Some("CAUSAL_LM"),
};

const LM_HEAD: &str = "lm_head";

/// The name of the output embeddings.
fn weight(config: &Config) -> String {
    if config.tied { config.layout.embeddings.into() } else { format!("{LM_HEAD}.weight") }
}

/// Labels shifted to the position that predicts them, -100 without a target: the shift of a causal model.
pub fn targets(rows: &TokenRows, config: &Config) -> Result<Targets> {
    let labels = of_vocabulary(rows, config.vocab)?;
    let count = labels.len();
    let same = |at: usize| {
        rows.segments
            .is_none_or(|segments| segments.len() == count && segments[at] == segments[at + 1] && segments[at] != 0)
    };
    let target = |at: usize| if !(at + 1).is_multiple_of(rows.length) && same(at) { labels[at + 1] } else { -100 };
    let ids: Vec<i64> = (0..count).map(target).collect();
    let count = ids.iter().filter(|&&target| target >= 0).count();
    Ok(Targets { ids, count, ..Targets::default() })
}
