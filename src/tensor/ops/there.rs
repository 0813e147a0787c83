//! The most common operations of networks, on a device other than the CPU: as candle operations, so that no number is
//! transferred. Every other operation of [`super`] copies its operands to the CPU, and its result back.

use crate::Result;
use crate::tensor::{Array, Tensor};
use candle_core::D;

/// The gradient of an input, from its value, the result, and the result's gradient.
type Slope = fn(&Array, &Array, &Array) -> Result<Array>;

/// Whether numbers are on a device other than the CPU.
pub(super) fn is_there(x: &Array) -> bool {
    !x.device().is_cpu()
}

/// The elementwise function `name`, if it is supported here and `x` is not on the CPU.
pub(super) fn function(name: &str, x: &Tensor) -> Option<Result<Tensor>> {
    if !is_there(&x.value()) {
        return None;
    }
    let (value, slope): (fn(&Array) -> candle_core::Result<Array>, Slope) = match name {
        "exp" => (Array::exp, |_, y, g| Ok((g * y)?)),
        "log" => (Array::log, |x, _, g| Ok((g / x)?)),
        "sqrt" => (Array::sqrt, |_, y, g| Ok((g / (y * 2.0)?)?)),
        "square" => (Array::sqr, |x, _, g| Ok((g * (x * 2.0)?)?)),
        "reciprocal" => (Array::recip, |_, y, g| Ok((g.neg()? * y.sqr()?)?)),
        "sin" => (Array::sin, |x, _, g| Ok((g * x.cos()?)?)),
        "cos" => (Array::cos, |x, _, g| Ok((g.neg()? * x.sin()?)?)),
        "tanh" => (Array::tanh, |_, y, g| Ok((g * (1.0 - y.sqr()?)?)?)),
        "sigmoid" => (|x| (x.neg()?.exp()? + 1.0)?.recip(), |_, y, g| Ok((g * ((1.0 - y)? * y)?)?)),
        // not candle's, in which NaN becomes 0
        "relu" => (
            |x| x.lt(&x.zeros_like()?)?.where_cond(&x.zeros_like()?, x),
            |_, y, g| Ok(y.le(&y.zeros_like()?)?.where_cond(&g.zeros_like()?, g)?),
        ),
        _ => return None,
    };
    Some(derived(x, value, slope))
}

fn derived(x: &Tensor, value: fn(&Array) -> candle_core::Result<Array>, slope: Slope) -> Result<Tensor> {
    let input = x.value();
    let y = value(&input)?;
    let result = y.clone();
    Ok(Tensor::derive(y, [x], move |grad, flow| flow.add(0, || slope(&input, &result, &grad))))
}

/// The softmax along the last dimension.
pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    let input = x.value();
    let e = input.broadcast_sub(&input.max_keepdim(D::Minus1)?)?.exp()?;
    let y = e.broadcast_div(&e.sum_keepdim(D::Minus1)?)?;
    let shares = y.clone();
    Ok(Tensor::derive(y, [x], move |grad, flow| {
        flow.add(0, || {
            let dot = (&grad * &shares)?.sum_keepdim(D::Minus1)?;
            Ok((grad.broadcast_sub(&dot)? * &shares)?)
        })
    }))
}

/// The logarithm of [`softmax`].
pub(super) fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let input = x.value();
    let shifted = input.broadcast_sub(&input.max_keepdim(D::Minus1)?)?;
    let y = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    let logs = y.clone();
    Ok(Tensor::derive(y, [x], move |grad, flow| {
        flow.add(0, || Ok((&grad - logs.exp()?.broadcast_mul(&grad.sum_keepdim(D::Minus1)?)?)?))
    }))
}
