//! Functions of one number.

// the same literal serves f32 and f64
#![allow(clippy::excessive_precision, clippy::approx_constant)]

use super::{arith::scale, cast, real};
use crate::tensor::values::{each, map, wide};
use crate::tensor::{Array, DType, Tensor};
use crate::{Result, bail};
use candle_core::cpu::erf::{erf_f32, erf_f64};

/// A function whose derivative is computed from its input: `name(x): value, slope`.
macro_rules! from_input {
    ($($(#[$doc:meta])* $name:ident($x:ident): $value:expr, $slope:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(x: &Tensor) -> Result<Tensor> {
            let x = real(x)?;
            let input = x.value();
            let value = each!(&input; |$x| $value)?;
            Ok(Tensor::derive(value, [&x], move |grad, flow| {
                flow.add(0, || each!(&input, &grad; |$x, grad| grad * $slope))
            }))
        }
    )*};
}

/// A function whose derivative is computed from its result: `name(x): value, y: slope`. The input is not kept.
macro_rules! from_result {
    ($($(#[$doc:meta])* $name:ident($x:ident): $value:expr, $y:ident: $slope:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(x: &Tensor) -> Result<Tensor> {
            let x = real(x)?;
            let value = each!(&x.value(); |$x| $value)?;
            let result = value.clone();
            Ok(Tensor::derive(value, [&x], move |grad, flow| {
                flow.add(0, || each!(&result, &grad; |$y, grad| grad * $slope))
            }))
        }
    )*};
}

trait ErrorFunction {
    fn error_function(self) -> Self;
}

impl ErrorFunction for f32 {
    fn error_function(self) -> f32 {
        erf_f32(self)
    }
}

impl ErrorFunction for f64 {
    fn error_function(self) -> f64 {
        erf_f64(self)
    }
}

from_input! {
    /// The natural logarithm.
    log(x): x.ln(), 1.0 / x;
    sin(x): x.sin(), x.cos();
    cos(x): x.cos(), -x.sin();
    square(x): x * x, 2.0 * x;
    /// The error function.
    erf(x): x.error_function(), 1.1283791670955126 * (-x * x).exp();
}

from_result! {
    exp(x): x.exp(), y: y;
    sqrt(x): x.sqrt(), y: 0.5 / y;
    tanh(x): x.tanh(), y: 1.0 - y * y;
    sigmoid(x): 1.0 / (1.0 + (-x).exp()), y: y * (1.0 - y);
    relu(x): if x > 0.0 || x.is_nan() { x } else { 0.0 }, y: if y > 0.0 { 1.0 } else { 0.0 };
}

/// A function of whole numbers or of real ones, without a gradient.
macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident($x:ident): $value:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(x: &Tensor) -> Result<Tensor> {
            if !x.dtype().is_float() {
                return Ok(x.detach());
            }
            Ok(each!(&x.value(); |$x| $value)?.into())
        }
    )*};
}

steps! {
    floor(x): x.floor();
    ceil(x): x.ceil();
    /// To the nearest whole number; halves to the even one, as in PyTorch.
    round(x): x.round_ties_even();
}

/// The absolute value. Its derivative at 0 is 0.
pub fn abs(x: &Tensor) -> Result<Tensor> {
    let value = x.value();
    match value.dtype() {
        DType::I64 => return Ok(map(&value, i64::wrapping_abs)?.into()),
        dtype if !dtype.is_float() => return Ok(x.clone()),
        _ => {}
    }
    Ok(Tensor::derive(each!(&value; |x| x.abs())?, [x], move |grad, flow| {
        flow.add(0, || each!(&value, &grad; |x, grad| if x == 0.0 { 0.0 } else { grad * x.signum() }))
    }))
}

/// The sign: -1, 0 or 1. Has no gradient.
pub fn sign(x: &Tensor) -> Result<Tensor> {
    let value = x.value();
    Ok(match value.dtype() {
        DType::I64 => map(&value, i64::signum)?,
        dtype if !dtype.is_float() => value.gt(0i64)?.to_dtype(dtype)?,
        _ => each!(&value; |x| if x == 0.0 { 0.0 } else { x.signum() })?,
    }
    .into())
}

/// Negates each number.
pub fn negate(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::I64 => Ok(map(&x.value(), i64::wrapping_neg)?.into()),
        dtype if !dtype.is_float() => negate(&cast(x, DType::I64)?),
        _ => Ok(Tensor::derive(scale(&x.value(), -1.0)?, [x], |grad, flow| flow.add(0, || scale(&grad, -1.0)))),
    }
}

/// Clamps to the range from `least` to `most`. Outside it the gradient is 0.
pub fn clamp(x: &Tensor, least: f64, most: f64) -> Result<Tensor> {
    if least.is_nan() || most.is_nan() || least > most {
        bail!("clamp", "the least is {least} and the most is {most}");
    }
    let value = x.value();
    if value.dtype() == DType::I64 {
        let (least, most) = (least.ceil() as i64, most.floor() as i64);
        return Ok(map(&value, |x: i64| x.max(least).min(most))?.into());
    }
    let held = wide(&value, |x| match x.dtype() {
        DType::F64 => map(x, |x: f64| x.clamp(least, most)),
        DType::F32 => map(x, |x: f32| x.clamp(least as f32, most as f32)),
        dtype => Ok(map(&x.to_dtype(DType::F64)?, |x: f64| x.clamp(least, most))?.to_dtype(dtype)?),
    })?;
    let result = held.clone();
    Ok(Tensor::derive(held, [x], move |grad, flow| flow.add(0, || unclamped(&value, &result, &grad))))
}

/// The gradient where clamping changed nothing.
fn unclamped(value: &Array, held: &Array, grad: &Array) -> Result<Array> {
    let same = value.eq(held)?;
    Ok(same.where_cond(grad, &grad.zeros_like()?)?)
}
