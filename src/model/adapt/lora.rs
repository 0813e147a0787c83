//! LoRA (Hu et al. 2021): a product of two narrow matrices beside a frozen one.

use crate::Result;
use crate::tensor::nn::{self, Precision};
use crate::tensor::{Array, Rng, Tensor, ops};

/// What is attached to one linear layer: `x → scale · B(A(x))`.
#[derive(Clone)]
pub struct LoraLayer {
    /// `[rank, in]`
    pub a: Tensor,
    /// `[out, rank]`
    pub b: Tensor,
    /// alpha / rank
    pub scale: f64,
    pub alpha: f64,
    pub dropout: f64,
    pub frozen: bool,
}

/// What PEFT puts before the name of a layer.
pub const PREFIX: &str = "base_model.model.";

impl LoraLayer {
    /// An adapter for the layer `name` with these numbers, named as PEFT names them.
    pub fn new(name: &str, a: Array, b: Array, alpha: f64, scale: f64, dropout: f64) -> LoraLayer {
        let param = |part: &str, value: Array| Tensor::param(value, Some(&format!("{PREFIX}{name}.{part}.weight")));
        LoraLayer { a: param("lora_A", a), b: param("lora_B", b), scale, alpha, dropout, frozen: false }
    }

    pub fn params(&self) -> [Tensor; 2] {
        [self.a.clone(), self.b.clone()]
    }

    pub fn rank(&self) -> usize {
        self.a.value().dims()[0]
    }

    pub fn apply(&self, x: &Tensor, rng: Option<&mut Rng>, precision: Precision) -> Result<Tensor> {
        let [a, b] = if self.frozen { [self.a.detach(), self.b.detach()] } else { self.params() };
        let narrow = match rng {
            Some(rng) if self.dropout > 0.0 => nn::linear(&nn::dropout(x, self.dropout, rng)?, &a, None, precision)?,
            _ => nn::linear(x, &a, None, precision)?,
        };
        // the scale on the narrow side, where it is cheap
        nn::linear(&ops::multiply(&narrow, self.scale)?, &b, None, precision)
    }

    /// What it adds to the weight: scale · B A, `[out, in]`.
    pub fn delta(&self) -> Result<Array> {
        Ok((self.b.value().matmul(&self.a.value())? * self.scale)?)
    }
}
