//! LoRA (Hu et al. 2021): a product of two narrow matrices beside a frozen one.

use super::wire::scale;
use crate::Result;
use crate::tensor::nn::{self, Precision};
use crate::tensor::{Rng, Tensor};

/// What is attached to one linear layer: `x → scale · B(A(x))`.
#[derive(Clone)]
pub struct Adapter {
    /// `[rank, in]`
    pub a: Tensor,
    /// `[out, rank]`
    pub b: Tensor,
    /// alpha / rank
    pub scale: f64,
    pub dropout: f64,
}

impl Adapter {
    pub fn apply(&self, x: &Tensor, rng: Option<&mut Rng>, precision: Precision) -> Result<Tensor> {
        let narrow = match rng {
            Some(rng) if self.dropout > 0.0 => {
                nn::linear(&nn::dropout(x, self.dropout, rng)?, &self.a, None, precision)?
            }
            _ => nn::linear(x, &self.a, None, precision)?,
        };
        // the scale on the narrow side, where it is cheap
        nn::linear(&scale(&narrow, self.scale)?, &self.b, None, precision)
    }
}
