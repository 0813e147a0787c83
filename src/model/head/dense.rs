//! The layer between a pooled state and its classifier, in architectures that have it.

use crate::Result;
use crate::model::config::Config;
use crate::model::forward::Forward;
use crate::model::spec::{Start, TensorSpec};
use crate::tensor::Tensor;

pub fn tensors(config: &Config) -> Vec<TensorSpec> {
    let Some(names) = config.layout.heads.dense else { return Vec::new() };
    let (hidden, normal) = (config.hidden, Start::Normal(config.init_range));
    let mut specs = vec![TensorSpec::new(format!("{}.weight", names.name), &[hidden, hidden], normal)];
    if config.pooled_bias {
        specs.push(TensorSpec::new(format!("{}.bias", names.name), &[hidden], Start::Zeros));
    }
    if let Some(norm) = names.norm {
        specs.extend(norm_tensors(config, norm, hidden));
    }
    specs
}

/// The weight of a norm, and its bias if it has one.
pub fn norm_tensors(config: &Config, name: &str, width: usize) -> Vec<TensorSpec> {
    let mut specs = vec![TensorSpec::new(format!("{name}.weight"), &[width], Start::Ones)];
    if config.norm_bias {
        specs.push(TensorSpec::new(format!("{name}.bias"), &[width], Start::Zeros));
    }
    specs
}

pub fn apply(pass: &Forward, x: &Tensor) -> Result<Tensor> {
    let Some(names) = pass.config().layout.heads.dense else { return Ok(x.clone()) };
    let x = pass.config().pooled_activation.apply(&pass.linear(names.name, x)?)?;
    match names.norm {
        Some(norm) => pass.layer_norm(norm, &x),
        None => Ok(x),
    }
}

/// The logits of a classifier of a pooled state, or of tokens, including the layer before it, if any.
pub fn classified(pass: &Forward, x: &Tensor, classifier: &str, of_tokens: bool) -> Result<Tensor> {
    let (config, rates) = (pass.config(), pass.config().dropout);
    let is_dense = config.layout.heads.dense.is_some_and(|dense| dense.of_tokens || !of_tokens);
    let x = if is_dense { apply(pass, &pass.drop("pooler", x, rates.pooler)?)? } else { x.clone() };
    let rate = if of_tokens { rates.tokens } else { rates.classifier };
    pass.linear(classifier, &pass.drop("classifier", &x, rate)?)
}

/// A classifier of this number of classes.
pub fn classifier(config: &Config, name: &str, classes: usize, bias: bool) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let mut specs = vec![TensorSpec::new(format!("{name}.weight"), &[classes, config.hidden], normal)];
    if bias {
        specs.push(TensorSpec::new(format!("{name}.bias"), &[classes], Start::Zeros));
    }
    specs
}
