//! Activations by the names of transformers.

use crate::tensor::{Tensor, nn, ops};
use crate::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Relu,
    Silu,
    Gelu,
    /// GELU in its tanh approximation.
    GeluTanh,
    Tanh,
}

/// All names; for an activation with several, the first is used for writing.
const NAMES: [(&str, Activation); 8] = [
    ("relu", Activation::Relu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("gelu", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("tanh", Activation::Tanh),
];

impl Activation {
    /// The activation of this name, if it is one of `known`.
    pub fn named(who: &str, name: &str, known: &[Activation]) -> Result<Activation> {
        let known = || NAMES.iter().filter(|(_, activation)| known.contains(activation));
        match known().find(|(own, _)| *own == name) {
            Some((_, activation)) => Ok(*activation),
            None => Err(Error::unknown(who, "activation", name, known().map(|(own, _)| *own))),
        }
    }

    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| name)
    }

    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Relu => ops::relu(x),
            Activation::Silu => nn::silu(x),
            Activation::Gelu => nn::gelu(x, false),
            Activation::GeluTanh => nn::gelu(x, true),
            Activation::Tanh => ops::tanh(x),
        }
    }
}
