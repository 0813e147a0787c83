//! Bottleneck adapters: a narrow layer after a linear one, added to its output (Houlsby et al. 2019; Pfeiffer et al.
//! 2021). Unlike LoRA's product it is not linear, so it can't be merged into a weight.

use crate::Result;
use crate::model::activation::Activation;
use crate::tensor::nn::{self, Precision};
use crate::tensor::{Array, Tensor, ops};

/// An adapter after one linear layer: `y → y + up(f(down(y)))`.
#[derive(Clone)]
pub struct Bottleneck {
    /// `[rank, out]` and `[rank]`
    pub down: [Tensor; 2],
    /// `[out, rank]` and `[out]`
    pub up: [Tensor; 2],
    pub activation: Activation,
    pub frozen: bool,
}

/// The parts of a bottleneck by their names in files, in the order of [`Bottleneck::params`].
pub const PARTS: [&str; 4] = ["down.weight", "down.bias", "up.weight", "up.bias"];

impl Bottleneck {
    /// From numbers in the order of [`PARTS`].
    pub fn new(layer: &str, numbers: [Array; 4], activation: Activation) -> Bottleneck {
        let mut index = 0;
        let [a, b, c, d] = numbers.map(|value| {
            let param = Tensor::param(value, Some(&format!("{layer}.adapter.{}", PARTS[index])));
            index += 1;
            param
        });
        Bottleneck { down: [a, b], up: [c, d], activation, frozen: false }
    }

    pub fn params(&self) -> [Tensor; 4] {
        [&self.down[0], &self.down[1], &self.up[0], &self.up[1]].map(Tensor::clone)
    }

    pub fn apply(&self, y: &Tensor, precision: Precision) -> Result<Tensor> {
        let own = |part: &Tensor| if self.frozen { part.detach() } else { part.clone() };
        let narrow = nn::linear(y, &own(&self.down[0]), Some(&own(&self.down[1])), precision)?;
        let narrow = self.activation.apply(&narrow)?;
        ops::add(y, &nn::linear(&narrow, &own(&self.up[0]), Some(&own(&self.up[1])), precision)?)
    }
}

/// The activations supported in a bottleneck.
pub const ACTIVATIONS: [Activation; 3] = [Activation::Relu, Activation::Silu, Activation::Gelu];
