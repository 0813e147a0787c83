//! The masked language model (Devlin et al. 2019): tokens that were masked are predicted in place, from both sides.

use super::causal::checked_labels;
use crate::Result;
use crate::model::config::{Config, OutputEmbeddings};
use crate::model::forward::Forward;
use crate::model::rows::TokenRows;
use crate::model::spec::{Head, Start, Targets, TensorSpec};
use crate::tensor::{Tensor, ops};

pub const HEAD: Head = Head {
    name: "masked",
    causal: false,
    output: |config| {
        // a decoder of its own has its own bias too; tied, the bias is the head's
        let (weight, bias) = match config.tied {
            true => (config.layout.embeddings.into(), BIAS.into()),
            false => (format!("{DECODER}.weight"), format!("{DECODER}.bias")),
        };
        Some(OutputEmbeddings { weight, bias: Some(bias), head: "cls.predictions" })
    },
    tensors,
    outputs: |pass, hidden| pass.logits(&transformed(pass, hidden)?),
    ties: |config| {
        vec![(format!("{DECODER}.weight"), config.layout.embeddings.into()), (format!("{DECODER}.bias"), BIAS.into())]
    },
    targets,
    loss,
    peft_task: None,
};

const TRANSFORM: &str = "cls.predictions.transform";
const DECODER: &str = "cls.predictions.decoder";
const BIAS: &str = "cls.predictions.bias";

fn tensors(config: &Config) -> Vec<TensorSpec> {
    let hidden = config.hidden;
    let normal = Start::Normal(config.init_range);
    let mut specs = vec![
        TensorSpec::new(format!("{TRANSFORM}.dense.weight"), &[hidden, hidden], normal),
        TensorSpec::new(format!("{TRANSFORM}.dense.bias"), &[hidden], Start::Zeros),
        TensorSpec::new(format!("{TRANSFORM}.LayerNorm.weight"), &[hidden], Start::Ones),
        TensorSpec::new(format!("{TRANSFORM}.LayerNorm.bias"), &[hidden], Start::Zeros),
    ];
    let Some(output) = &config.output else { return specs };
    if !config.tied {
        specs.push(TensorSpec::new(&output.weight, &[config.vocab, hidden], normal));
    }
    specs.extend(output.bias.as_ref().map(|bias| TensorSpec::new(bias, &[config.vocab], Start::Zeros)));
    specs
}

fn transformed(pass: &Forward, hidden: &Tensor) -> Result<Tensor> {
    let at = pass.at(TRANSFORM);
    at.layer_norm("LayerNorm", &pass.config().activation.apply(&at.linear("dense", hidden)?)?)
}

/// The labels as they are: a token is predicted where it is, and padding never.
fn targets(rows: &TokenRows, config: &Config) -> Result<Targets> {
    let labels = checked_labels(rows, config.vocab)?;
    let padding = |at: usize| rows.segments.is_some_and(|segments| segments.get(at) == Some(&0));
    let ids: Vec<i64> = (0..labels.len()).map(|at| if padding(at) { -100 } else { labels[at] }).collect();
    let count = ids.iter().filter(|&&target| target >= 0).count();
    Ok(Targets { ids, count })
}

/// Only the masked tokens, one in seven, go through the head.
fn loss(pass: &Forward, hidden: &Tensor, targets: &Targets, smoothing: f64) -> Result<Tensor> {
    let (places, ids): (Vec<i64>, Vec<i64>) =
        targets.ids.iter().enumerate().filter(|(_, id)| **id >= 0).map(|(at, id)| (at as i64, *id)).unzip();
    let places = Tensor::from(crate::tensor::Array::from_vec(places, ids.len(), hidden.value().device())?);
    let hidden = ops::index_select(hidden, 0, &places)?;
    pass.cross_entropy(&transformed(pass, &hidden)?, &ids, smoothing)
}
