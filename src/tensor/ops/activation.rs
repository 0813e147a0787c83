//! Functions of one number with parameters.

use super::arith::real_scalar;
use super::{maths, real};
use crate::tensor::values::{in_f64, pairs_in_f64};
use crate::tensor::{DType, Tensor};
use crate::{Error, Result, bail};

/// log(1 + e^(βx)) / β, and x itself where βx is above `threshold`: a smooth [`maths::relu`].
pub fn softplus(x: &Tensor, beta: f64, threshold: f64) -> Result<Tensor> {
    if beta == 0.0 || beta.is_nan() {
        bail!("softplus", "beta is {beta}");
    }
    let x = real(x)?;
    let input = x.value();
    let value = in_f64(&input, |x| if x * beta > threshold { x } else { (x * beta).exp().ln_1p() / beta })?;
    Ok(Tensor::derive(value, [&x], move |grad, flow| {
        flow.add(0, || {
            pairs_in_f64(&input, &grad, |x, g| {
                let z = (x * beta).exp();
                if x * beta > threshold { g } else { g * z / (z + 1.0) }
            })
        })
    }))
}

/// x if it is above 0, otherwise `slope` · x.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    let x = real(x)?;
    let input = x.value();
    let value = in_f64(&input, |x| if x > 0.0 { x } else { x * slope })?;
    Ok(Tensor::derive(value, [&x], move |grad, flow| {
        flow.add(0, || pairs_in_f64(&input, &grad, |x, g| if x > 0.0 { g } else { g * slope }))
    }))
}

/// x if it is above 0, otherwise α (e^x - 1).
pub fn elu(x: &Tensor, alpha: f64) -> Result<Tensor> {
    let x = real(x)?;
    let input = x.value();
    let value = in_f64(&input, |x| if x <= 0.0 { alpha * x.exp_m1() } else { x })?;
    Ok(Tensor::derive(value, [&x], move |grad, flow| {
        flow.add(0, || pairs_in_f64(&input, &grad, |x, g| if x <= 0.0 { g * alpha * x.exp() } else { g }))
    }))
}

/// Replaces NaN and the infinities, by default by 0 and by the largest and smallest numbers of the dtype.
pub fn nan_to_num(x: &Tensor, nan: f64, above: Option<f64>, below: Option<f64>) -> Result<Tensor> {
    let most = match x.dtype() {
        DType::F64 => f64::MAX,
        DType::F32 => f64::from(f32::MAX),
        DType::F16 => half::f16::MAX.to_f64(),
        DType::BF16 => half::bf16::MAX.to_f64(),
        _ => return Ok(x.clone()),
    };
    let (above, below) = (above.unwrap_or(most), below.unwrap_or(-most));
    let input = x.value();
    let value = in_f64(&input, |x| match x {
        x if x.is_nan() => nan,
        f64::INFINITY => above,
        f64::NEG_INFINITY => below,
        x => x,
    })?;
    Ok(Tensor::derive(value, [x], move |grad, flow| {
        flow.add(0, || pairs_in_f64(&input, &grad, |x, g| if x.is_finite() { g } else { 0.0 * g }))
    }))
}

/// Rounds to `decimals` digits after the decimal point; a negative number rounds to tens, hundreds …; halves to even.
pub fn round_to(x: &Tensor, decimals: i64) -> Result<Tensor> {
    if decimals == 0 {
        return maths::round(x);
    }
    if !x.dtype().is_float() {
        return Err(
            Error::new("round", format!("decimals {decimals} for whole numbers")).help("convert with `.to(\"f32\")`")
        );
    }
    let power = 10f64.powi(decimals.unsigned_abs().min(400) as i32);
    let value = match decimals > 0 {
        true => {
            real_scalar(&x.value(), power, |x, p| (x * p).round_ties_even() / p, |x, p| (x * p).round_ties_even() / p)
        }
        false => {
            real_scalar(&x.value(), power, |x, p| (x / p).round_ties_even() * p, |x, p| (x / p).round_ties_even() * p)
        }
    }?;
    Ok(Tensor::derive(value, [x], |grad, flow| flow.add(0, || Ok(grad.zeros_like()?))))
}
