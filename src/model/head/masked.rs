//! The masked language model (Devlin et al. 2019): masked tokens are predicted in place, from both sides.

use super::names::MaskedNames;
use super::{dense, targets};
use crate::Result;
use crate::model::config::{Config, OutputEmbeddings};
use crate::model::forward::Forward;
use crate::model::pooling::select;
use crate::model::spec::{Head, LossPlan, Start, Targets, TensorSpec};
use crate::tensor::Tensor;

pub const HEAD: Head = Head {
    name: "masked",
    next_token: false,
    classes: false,
    output: |config| {
        let names = names(config);
        let own_bias = format!("{}.bias", names.decoder);
        // a separate decoder has its own bias; tied embeddings use the head's bias
        let (weight, bias) = match config.tied {
            true => (config.layout.embeddings.into(), names.bias.into()),
            false => (format!("{}.weight", names.decoder), own_bias),
        };
        Some(OutputEmbeddings { weight, bias: config.output_bias.then_some(bias), head: names.prefixes })
    },
    tensors,
    outputs: |pass, hidden| pass.logits(&transformed(pass, hidden)?),
    ties: |config| {
        let names = names(config);
        let mut ties = vec![(format!("{}.weight", names.decoder), config.layout.embeddings.into())];
        let own_bias = format!("{}.bias", names.decoder);
        if config.output_bias && own_bias != names.bias {
            ties.push((own_bias, names.bias.into()));
        }
        ties
    },
    targets: |rows, config| Ok(targets::in_place(rows, &targets::of_vocabulary(rows, config.vocab)?)),
    loss,
    peft_task: None,
};

/// The names of an architecture that supports this head.
fn names(config: &Config) -> MaskedNames {
    const NONE: MaskedNames = MaskedNames { prefixes: &[], dense: "", norm: "", decoder: "", bias: "" };
    config.layout.heads.masked.unwrap_or(NONE)
}

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let names = names(config);
    let (width, normal) = (config.embedding, Start::Normal(config.init_range));
    let mut specs = vec![TensorSpec::new(format!("{}.weight", names.dense), &[width, config.hidden], normal)];
    if config.pooled_bias {
        specs.push(TensorSpec::new(format!("{}.bias", names.dense), &[width], Start::Zeros));
    }
    specs.extend(dense::norm_tensors(config, names.norm, width));
    let Some(output) = &config.output else { return specs };
    if !config.tied {
        specs.push(TensorSpec::new(&output.weight, &[config.vocab, width], normal));
    }
    specs.extend(output.bias.as_ref().map(|bias| TensorSpec::new(bias, &[config.vocab], Start::Zeros)));
    specs
}

fn transformed(pass: &Forward, hidden: &Tensor) -> Result<Tensor> {
    let names = names(pass.config());
    let x = pass.config().masked_activation.apply(&pass.linear(names.dense, hidden)?)?;
    pass.layer_norm(names.norm, &x)
}

/// The scores `[places, vocabulary]` of some tokens.
pub fn scores(pass: &Forward, hidden: &Tensor, places: Vec<i64>) -> Result<Tensor> {
    pass.logits(&transformed(pass, &select(hidden, places)?)?)
}

/// Only the masked tokens, one in seven, go through the head.
fn loss(pass: &Forward, hidden: &Tensor, targets: &Targets, plan: &LossPlan) -> Result<Tensor> {
    let (places, ids) = targets.labeled();
    pass.cross_entropy(&transformed(pass, &select(hidden, places)?)?, &ids, plan.smoothing)
}
