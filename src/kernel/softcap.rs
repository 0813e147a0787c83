//! Soft limits, cap · tanh(x / cap): numbers near 0 stay, and none is beyond the cap (Gemma 2).

use super::buffer::unwritten;
use super::math::{self, simd, tanh};
use super::view::{array, view};
use super::{Array, fused, parallel, reference};
use crate::Result;

simd! {
    /// x becomes cap · tanh(by · x / cap).
    pub fn softcap_rows(x: &mut [f32], by: f32, cap: f32) {
        for x in x {
            *x = cap * tanh::<FMA>(*x * by / cap);
        }
    }
}

simd! {
    /// The gradient of limited numbers `y` becomes that of the numbers before. -∞, which no limit gives, has none.
    pub fn softcap_slope(y: &[f32], grad: &mut [f32], by: f32, cap: f32) {
        for (y, grad) in y.iter().zip(grad) {
            let part = *y / cap;
            let slope = 1.0 - part * part;
            *grad *= if slope > 0.0 { by * slope } else { 0.0 };
        }
    }
}

/// cap · tanh(x / cap).
pub fn softcap(x: &Array, cap: f64) -> Result<Array> {
    if !fused(&[x]) {
        return reference::softcap(x, cap);
    }
    let x = x.contiguous()?;
    let mut y = view::<f32>(&x)?.to_vec();
    parallel::rows(&mut y, 1, |_, y| softcap_rows(y, 1.0, cap as f32));
    array(y, x.dims())
}

/// The gradient of x, of the limited `y`.
pub fn softcap_backward(y: &Array, grad: &Array, cap: f64) -> Result<Array> {
    if !fused(&[y, grad]) {
        return reference::softcap_backward(y, grad, cap);
    }
    let (y, grad) = (y.contiguous()?, grad.contiguous()?);
    let (values, grads) = (view::<f32>(&y)?, view::<f32>(&grad)?);
    let (values, grads): (&[f32], &[f32]) = (&values, &grads);
    let mut dx = unwritten(values.len());
    parallel::rows(&mut dx, 1, |at, dx| {
        dx.copy_from_slice(&grads[at..at + dx.len()]);
        softcap_slope(&values[at..at + dx.len()], dx, 1.0, cap as f32);
    });
    array(dx, y.dims())
}

/// What the product of a query and a key becomes before the softmax: `by` times itself, within `cap` where there is one.
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
    /// Limits products, and returns what they are still to be multiplied by.
    pub fn limit(self, products: &mut [f32]) -> f32 {
        match self.cap {
            Some(cap) => {
                softcap_rows(products, self.by as f32, cap as f32);
                1.0
            }
            None => self.by as f32,
        }
    }

    /// Limited products `p` of a query become probabilities, and `dp`, the gradient of these, that of the products before.
    pub fn gradient(self, p: &mut [f32], dp: &mut [f32], log: f32, delta: f32, held: &mut Vec<f32>) {
        let Some(cap) = self.cap else { return math::score_gradient(p, dp, self.by as f32, log, delta) };
        held.clear();
        held.extend_from_slice(p);
        math::score_gradient(p, dp, 1.0, log, delta);
        softcap_slope(held, dp, self.by as f32, cap as f32);
    }
}
