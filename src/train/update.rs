//! One parameter's update, by PyTorch's formulas. The numbers of a parameter are replaced, never overwritten.

use crate::Result;
use crate::tensor::Array;

/// The constants of one AdamW step.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    pub lr: f64,
    pub decay: f64,
    pub betas: (f64, f64),
    pub eps: f64,
    /// Counts from 1.
    pub step: u64,
}

/// The new value and moments (`torch.optim.AdamW`, Loshchilov and Hutter 2019).
pub fn adamw(value: &Array, grad: &Array, m: &Array, v: &Array, by: AdamW) -> Result<[Array; 3]> {
    let (beta1, beta2) = by.betas;
    let m = ((m * beta1)? + (grad * (1.0 - beta1))?)?;
    let v = ((v * beta2)? + (grad.sqr()? * (1.0 - beta2))?)?;
    let correction1 = 1.0 - beta1.powf(by.step as f64);
    let correction2 = 1.0 - beta2.powf(by.step as f64);
    let denominator = ((v.sqrt()? / correction2.sqrt())? + by.eps)?;
    let kept = (value * (1.0 - by.lr * by.decay))?;
    let value = (kept - ((&m / denominator)? * (by.lr / correction1))?)?;
    Ok([value, m, v])
}

/// The new value and velocity (`torch.optim.SGD`). No velocity means the first step, or no momentum.
pub fn sgd(
    value: &Array,
    grad: &Array,
    velocity: Option<&Array>,
    lr: f64,
    momentum: f64,
    decay: f64,
) -> Result<[Array; 2]> {
    let grad = if decay == 0.0 { grad.clone() } else { (grad + (value * decay)?)? };
    let velocity = match velocity {
        Some(velocity) => ((velocity * momentum)? + grad)?,
        None => grad,
    };
    Ok([(value - (&velocity * lr)?)?, velocity])
}
