//! Scores before the softmax: scaled, and soft-capped in some models (Gemma 2).

use super::math::{self, simd, tanh};

simd! {
    /// x becomes cap · tanh(by · x / cap).
    pub fn softcap_rows(x: &mut [f32], by: f32, cap: f32) {
        for x in x {
            *x = cap * tanh::<FMA>(*x * by / cap);
        }
    }
}

simd! {
    /// Turns the gradient of capped numbers `y` into the gradient of the uncapped ones. -∞, which the cap never produces, has
    /// none.
    pub fn softcap_slope(y: &[f32], grad: &mut [f32], by: f32, cap: f32) {
        for (y, grad) in y.iter().zip(grad) {
            let part = *y / cap;
            let slope = 1.0 - part * part;
            *grad *= if slope > 0.0 { by * slope } else { 0.0 };
        }
    }
}

/// Scale of the product of a query and a key before the softmax: multiplied by `by`, within `cap` if set.
#[derive(Clone, Copy, Debug)]
pub struct ScoreScale {
    pub by: f64,
    pub cap: Option<f64>,
}

impl From<f64> for ScoreScale {
    fn from(by: f64) -> ScoreScale {
        ScoreScale { by, cap: None }
    }
}

impl ScoreScale {
    /// Caps products, and returns the factor still to be applied.
    pub fn limit(self, products: &mut [f32]) -> f32 {
        match self.cap {
            Some(cap) => {
                softcap_rows(products, self.by as f32, cap as f32);
                1.0
            }
            None => self.by as f32,
        }
    }

    /// Turns the capped products `p` of a query into probabilities, and `dp`, their gradient, into the gradient of the uncapped
    /// products.
    pub fn gradient(self, p: &mut [f32], dp: &mut [f32], log: f32, delta: f32, held: &mut Vec<f32>) {
        let Some(cap) = self.cap else { return math::score_gradient(p, dp, self.by as f32, log, delta) };
        held.clear();
        held.extend_from_slice(p);
        math::score_gradient(p, dp, 1.0, log, delta);
        softcap_slope(held, dp, self.by as f32, cap as f32);
    }
}
