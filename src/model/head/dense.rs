//! The layer between a pooled state and its classifier, where an architecture has one.

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

/// The weight of a norm, and its bias where norms have one.
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

/// A classifier of so many classes.
pub fn classifier(config: &Config, name: &str, classes: usize, bias: bool) -> Vec<TensorSpec> {
    let normal = Start::Normal(config.init_range);
    let mut specs = vec![TensorSpec::new(format!("{name}.weight"), &[classes, config.hidden], normal)];
    if bias {
        specs.push(TensorSpec::new(format!("{name}.bias"), &[classes], Start::Zeros));
    }
    specs
}
